//! The UDP ports of the media: an even one and the odd one after it per call, from a range that a
//! firewall can know.
use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::net::UdpSocket;

/// Gives out pairs of ports.
#[derive(Debug)]
pub struct Ports {
    ip: IpAddr,
    range: RangeInclusive<u16>,
    next: AtomicU32,
}

/// The sockets of one call.
pub struct Wire {
    /// RTP.
    pub media: UdpSocket,
    /// RTCP, where it has a port of its own.
    pub reports: UdpSocket,
    /// Where RTP is received.
    pub address: SocketAddr,
}

impl Ports {
    /// Ports of `range` on `ip`.
    pub fn new(ip: IpAddr, range: RangeInclusive<u16>) -> Ports {
        Ports {
            ip,
            range,
            next: AtomicU32::new(0),
        }
    }

    /// The next free pair.
    ///
    /// # Errors
    /// When every pair of the range is taken.
    pub fn take(&self) -> io::Result<Wire> {
        let first = self.range.start().next_multiple_of(2);
        let pairs = u32::from(self.range.end().saturating_sub(first) / 2).max(1);
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..pairs {
            let pair = self.next.fetch_add(1, Ordering::Relaxed) % pairs;
            let Ok(port) = u16::try_from(u32::from(first) + 2 * pair) else {
                continue;
            };
            match self.bind(port) {
                Ok(wire) => return Ok(wire),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn bind(&self, port: u16) -> io::Result<Wire> {
        let socket = |port| {
            let socket = std::net::UdpSocket::bind(SocketAddr::new(self.ip, port))?;
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket)
        };
        let media = socket(port)?;
        Ok(Wire {
            address: media.local_addr()?,
            reports: socket(port + 1)?,
            media,
        })
    }
}
