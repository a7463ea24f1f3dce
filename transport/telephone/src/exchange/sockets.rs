//! Waiting for sockets that may not be there, and for times that may not come.
use std::{net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, UdpSocket};
use voiced_transport::pacer::Clock;

pub(super) async fn receive(
    udp: Option<&UdpSocket>,
    buffer: &mut [u8],
) -> std::io::Result<(usize, SocketAddr)> {
    let Some(udp) = udp else {
        return std::future::pending().await;
    };
    loop {
        match udp.recv_from(buffer).await {
            // An earlier datagram of ours was not wanted there.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            received => return received,
        }
    }
}

pub(super) async fn accept(
    listener: Option<&TcpListener>,
) -> std::io::Result<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn until(clock: Clock, due: Option<Duration>) {
    match due {
        Some(due) => tokio::time::sleep(due.saturating_sub(clock.elapsed())).await,
        None => std::future::pending().await,
    }
}
