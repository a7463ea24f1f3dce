//! The daemon that is measured: a child process with its own configuration, and what the system
//! and the daemon itself say about it.
use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::bench::clock;

/// What the daemon prints before its address when it is ready.
pub const READY: &str = "voiced is ready: http://";

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took from its start to being ready.
    pub ready_after: Duration,
}

/// Settings that make every engine answer at once: what is left is the daemon's own share.
pub const INSTANT_ENGINES: &[&str] = &[
    "ear.engine=scripted",
    "ear.scripted.words=what is the weather like",
    "ear.rows=2000",
    "mind.engine=fixed",
    "mind.rows=4000",
    "voice.engine=tone",
    "voice.rows=4000",
    "listen.max_calls=1900",
    "listen.max_calls_per_address=1900",
    "listen.max_connections=10000",
    "turns.mode=silence",
    "log.filter=warn,webrtc=error,rtc=error",
];

impl Daemon {
    /// Starts this very program as `voiced serve` on a free port and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or says nothing for 30 seconds.
    pub async fn start(settings: &[&[&str]]) -> anyhow::Result<Daemon> {
        let program = std::env::current_exe().context("this program has no path")?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        for setting in settings.iter().copied().flatten() {
            command.args(["--set", setting]);
        }
        // What is measured is not to depend on the surroundings.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("VOICED_") {
                command.env_remove(name);
            }
        }
        let begin = clock::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the daemon")?;
        let output = child.stdout.take().expect("standard output is piped");
        let mut lines = BufReader::new(output).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, address)) = line.split_once(READY) {
                    return Ok(address.trim_end_matches('/').parse::<SocketAddr>()?);
                }
            }
            bail!("the daemon ended before it was ready; its reasons stand above")
        };
        let address = clock::within(Duration::from_secs(30), ready)
            .await
            .context("the daemon was not ready within 30 seconds")??;
        Ok(Daemon {
            child,
            address,
            ready_after: begin.elapsed(),
        })
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the daemon is gone")
    }

    /// Memory it holds, in bytes.
    ///
    /// # Errors
    /// When it is gone, or this is not Linux.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse::<u64>().ok());
        Ok(kib.context("the system does not tell the memory of a process")? * 1024)
    }

    /// Processor time it has used.
    ///
    /// # Errors
    /// When it is gone, or this is not Linux.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        // After the name, which may hold anything: state is field 3, user time 14, system time 15.
        let (_, fields) = stat.rsplit_once(')').context("an odd /proc/PID/stat")?;
        let ticks: Vec<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        // The kernel's unit towards programs is fixed at 100 a second.
        Ok(Duration::from_millis(10 * ticks.iter().sum::<u64>()))
    }

    /// Its metrics, as it publishes them.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        request(self.address, "GET", "/metrics", "", "").await
    }

    /// Ends it the polite way and waits until it is gone.
    ///
    /// # Errors
    /// When it does not end within ten seconds.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid()?.to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status().await;
        if !killed.is_ok_and(|status| status.success()) {
            self.child.start_kill()?;
        }
        clock::within(Duration::from_secs(10), self.child.wait())
            .await
            .context("the daemon did not end within ten seconds")??;
        Ok(())
    }
}

/// One HTTP request on a connection of its own; the body of the answer.
///
/// # Errors
/// When there is no answer, or it is not a success.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    content_type: &str,
    body: &str,
) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer bench\r\n\
         connection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        bail!("{method} {path} was answered with {status}: {body}");
    }
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        return Ok(unchunked(body));
    }
    Ok(body.to_owned())
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..length).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        whole.push_str(chunk);
        body = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

/// The sum of a counter over the labels that contain `label`.
pub fn counter(metrics: &str, name: &str, label: &str) -> f64 {
    samples(metrics, name, label).map(|(_, value)| value).sum()
}

/// How many records of a histogram fall under each upper edge, in seconds, edges ascending.
pub type Histogram = Vec<(f64, f64)>;

/// A histogram, summed over the labels that contain `label`.
pub fn histogram(metrics: &str, name: &str, label: &str) -> Histogram {
    let mut buckets = Histogram::new();
    for (labels, count) in samples(metrics, &format!("{name}_bucket"), label) {
        let edge = labels
            .split_once("le=\"")
            .and_then(|(_, rest)| rest.split_once('"'));
        let edge = match edge {
            Some(("+Inf", _)) => f64::INFINITY,
            Some((edge, _)) => edge.parse().unwrap_or(f64::NAN),
            None => continue,
        };
        match buckets.iter_mut().find(|(known, _)| *known == edge) {
            Some((_, sum)) => *sum += count,
            None => buckets.push((edge, count)),
        }
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets
}

/// What was recorded between two looks at a histogram.
pub fn since(before: &Histogram, after: &Histogram) -> Histogram {
    let earlier = |edge: f64| before.iter().find(|(known, _)| *known == edge);
    let after = after.iter();
    after
        .map(|(edge, count)| {
            (
                *edge,
                count - earlier(*edge).map_or(0.0, |(_, count)| *count),
            )
        })
        .collect()
}

/// The upper edge, in seconds, of the bucket that holds `share` of the records, and how many
/// records there are. `None` when there are none.
pub fn quantile(histogram: &Histogram, share: f64) -> Option<(f64, f64)> {
    let (_, total) = *histogram.last()?;
    let (edge, _) = histogram
        .iter()
        .find(|(_, count)| *count >= share * total)?;
    (total > 0.0).then_some((*edge, total))
}

fn samples<'a>(
    metrics: &'a str,
    name: &'a str,
    label: &'a str,
) -> impl Iterator<Item = (&'a str, f64)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once('}')?,
            None => ("", rest.strip_prefix(' ')?),
        };
        labels
            .contains(label)
            .then(|| Some((labels, value.trim().parse().ok()?)))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# TYPE voiced_calls_total counter\n\
        voiced_calls_total{carrier=\"websocket\"} 3\n\
        voiced_calls_total{carrier=\"webrtc\"} 4\n\
        voiced_calls_total_other 9\n\
        late_bucket{carrier=\"websocket\",le=\"0.001\"} 90\n\
        late_bucket{carrier=\"websocket\",le=\"0.005\"} 99\n\
        late_bucket{carrier=\"websocket\",le=\"+Inf\"} 100\n";

    #[test]
    fn metrics_are_read_by_name_and_label() {
        assert_eq!(counter(METRICS, "voiced_calls_total", ""), 7.0);
        assert_eq!(counter(METRICS, "voiced_calls_total", "webrtc"), 4.0);
        let late = histogram(METRICS, "late", "websocket");
        assert_eq!(quantile(&late, 0.99), Some((0.005, 100.0)));
        assert_eq!(quantile(&late, 0.995), Some((f64::INFINITY, 100.0)));
        assert_eq!(quantile(&histogram(METRICS, "late", "webrtc"), 0.5), None);
        assert_eq!(quantile(&since(&late, &late), 0.5), None);
        let earlier = vec![(0.001, 90.0), (0.005, 90.0), (f64::INFINITY, 90.0)];
        assert_eq!(quantile(&since(&earlier, &late), 0.5), Some((0.005, 10.0)));
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), "hello!");
    }
}
