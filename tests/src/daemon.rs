//! A daemon of its own for one test: the real binary, on a port the system chose, ended with the
//! test.
use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Longest wait for anything that should happen at once.
pub const SOON: Duration = Duration::from_secs(20);

/// A running daemon. Killed when dropped.
pub struct Daemon {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    _folder: tempfile::TempDir,
}

/// The binary beside the test's own executable.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("VOICED_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let binary = profile.join("voiced");
    assert!(
        binary.exists(),
        "build the daemon first: cargo build --package voiced"
    );
    binary
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

impl Daemon {
    /// Starts one with `settings` in place of the defaults, on a free port of loopback.
    pub async fn start(settings: &str) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("voiced.toml");
        std::fs::write(&file, settings).unwrap();
        let mut child = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&file)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = timeout(SOON, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("ended at once");
                if let Some((_, rest)) = line.split_once("http://") {
                    let host = rest.split(['/', ' ']).next().unwrap();
                    return format!("http://{host}");
                }
            }
        })
        .await
        .expect("the daemon says where it listens");
        Daemon {
            child,
            url,
            _folder: folder,
        }
    }

    /// With the embedded engines and the demonstration persona.
    pub async fn embedded() -> Daemon {
        Daemon::start("").await
    }

    /// With scripted engines: every turn hears "one two three" and is answered with `words` words.
    pub async fn scripted(words: usize, more: &str) -> Daemon {
        Daemon::start(&format!(
            "[ear]\nengine = \"scripted\"\nrows = 64\n\
             [mind]\nengine = \"fixed\"\n[mind.fixed]\nwords = {words}\n\
             [voice]\nengine = \"tone\"\nrows = 64\n{more}"
        ))
        .await
    }

    /// Where its WebSockets are.
    pub fn socket_url(&self, query: &str) -> String {
        let host = self.url.trim_start_matches("http://");
        format!("ws://{host}/v1/realtime?{query}")
    }

    /// Asks it to end, as an operator does.
    pub fn terminate(&self) {
        let id = self.child.id().expect("still running");
        // Asked by its id; nothing else is.
        let status = std::process::Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for its end and gives its exit code.
    pub async fn ended(&mut self) -> i32 {
        let status = timeout(SOON, self.child.wait())
            .await
            .expect("it ends")
            .unwrap();
        status.code().unwrap_or(-1)
    }
}

/// Runs the binary to its end with `input`, and gives its exit code, output and errors.
pub async fn run(args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    use tokio::io::AsyncWriteExt;
    let mut child = Command::new(binary())
        .args(args)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let feed = async move {
        // A program that does not read its input closes it, which is its right.
        let _ = stdin.write_all(input).await;
    };
    let (mut output, mut errors) = (Vec::new(), String::new());
    let all = async {
        tokio::join!(
            feed,
            async { stdout.read_to_end(&mut output).await.unwrap() },
            async { stderr.read_to_string(&mut errors).await.unwrap() },
            async { child.wait().await.unwrap() },
        )
        .3
    };
    let status = timeout(Duration::from_secs(120), all)
        .await
        .expect("ends in time");
    (status.code().unwrap_or(-1), output, errors)
}
