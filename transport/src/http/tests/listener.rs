//! The listener over loopback: patience, room, and going down.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use voiced_pipeline::drain::Drain;

use super::front_desk::doors;
use crate::http::{
    router,
    serve::{ServeLimits, serve},
};

async fn listen(limits: ServeLimits) -> (SocketAddr, Drain, JoinHandle<std::io::Result<()>>) {
    let doors = doors(4);
    let (drain, sockets) = (doors.drain.clone(), doors.sockets.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve(
        listener,
        None,
        router(Arc::new(doors)),
        limits,
        sockets,
        drain.clone(),
    );
    #[expect(clippy::disallowed_methods, reason = "the test owns the handle")]
    (address, drain, tokio::spawn(serving))
}

const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Long enough for a busy machine; nothing waits this long when it works.
const PATIENCE: Duration = Duration::from_secs(20);

async fn is_served(address: SocketAddr) -> bool {
    tokio::time::timeout(PATIENCE, answer(address))
        .await
        .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"))
}

async fn answer(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(ASK).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn half_open_connections_keep_nobody_out() {
    let limits = ServeLimits {
        connections: 64,
        half_open: 16,
        head_within: Duration::from_secs(600),
        ..ServeLimits::default()
    };
    let (address, ..) = listen(limits).await;
    let mut idle = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if n % 2 == 0 {
            // The oldest may be closed already.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x").await;
        }
        idle.push(stream);
    }
    assert!(is_served(address).await);
    let mut rest = [0; 1];
    let closed = tokio::time::timeout(PATIENCE, idle[0].read(&mut rest)).await;
    assert!(
        matches!(closed, Ok(Ok(0) | Err(_))),
        "the oldest makes room"
    );
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let limits = ServeLimits {
        head_within: Duration::from_millis(50),
        ..ServeLimits::default()
    };
    let (address, ..) = listen(limits).await;
    for beginning in [
        &b""[..],
        b"GET /heal",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let mut answer = Vec::new();
        // Ends only because the server closes: after an error, or after an answer and an idle wait.
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open after {beginning:?}");
    }
    assert!(is_served(address).await);
}

#[tokio::test]
async fn a_head_too_long_is_refused() {
    let (address, ..) = listen(ServeLimits::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(200_000)
    );
    // The server may stop reading before all is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert!(is_served(address).await);
}

#[tokio::test]
async fn going_down_ends_the_listener() {
    let (address, drain, serving) = listen(ServeLimits::default()).await;
    let idle = TcpStream::connect(address).await.unwrap();
    assert!(is_served(address).await);
    drain.start();
    serving.await.unwrap().unwrap();
    drop(idle);
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}
