//! Packets of many peers on one port reach the peer they are for.
#![allow(clippy::unwrap_used)]
use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use proptest::prelude::*;
use rtc::stun::{
    attributes::ATTR_USERNAME,
    integrity::MessageIntegrity,
    message::{BINDING_REQUEST, Message, TransactionId},
    textattrs::TextAttribute,
};

use super::{routes::requested_name, *};

impl Port {
    pub(in crate::webrtc) fn sizes(&self) -> (usize, usize) {
        self.routes.sizes()
    }
}

fn request(crypto: &dyn RTCCryptoProvider, username: &str, password: &str) -> Vec<u8> {
    let mut message = Message::new();
    message
        .build(&[
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                password.to_owned(),
                crypto.crypto(),
            )),
        ])
        .unwrap();
    message.raw
}

fn open() -> Port {
    Port::open(&[IpAddr::from([127, 0, 0, 1])], 0).unwrap()
}

fn source(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn waiting(place: &Place) -> Vec<(SocketAddr, usize)> {
    let mut into = [0; 2_000];
    let mut all = Vec::new();
    while let Poll::Ready(one) = place
        .line
        .poll(0, &Context::from_waker(Waker::noop()), &mut into)
    {
        all.push(one);
    }
    all
}

#[tokio::test]
async fn a_signed_request_ties_an_address_to_its_peer() {
    let port = open();
    let (anna, bert) = (port.place(), port.place());
    let (name, password) = anna.credentials();
    let crypto = port.crypto();
    let signed = request(&*crypto, &format!("{name}:theirs"), &password);

    port.routes.deliver(0, source(1), b"\x80 not yet known");
    assert_eq!(waiting(&anna), []);
    port.routes.deliver(0, source(1), &signed);
    port.routes.deliver(0, source(1), b"\x80\x6f media");
    assert_eq!(waiting(&anna).len(), 2);
    assert_eq!(waiting(&bert), []);
    assert_eq!(port.routes.sizes(), (2, 1));
    drop(anna);
    port.routes.deliver(0, source(1), b"\x80\x6f media");
    assert_eq!(port.routes.sizes(), (1, 0));
}

#[tokio::test]
async fn nobody_can_draw_anothers_packets() {
    let port = open();
    let (anna, bert) = (port.place(), port.place());
    let crypto = port.crypto();
    let (annas_name, annas_password) = anna.credentials();
    let (berts_name, _) = bert.credentials();
    let signed = request(&*crypto, &format!("{annas_name}:x"), &annas_password);
    port.routes.deliver(0, source(1), &signed);
    waiting(&anna);

    // Somebody who saw Bert's name, but not his password, from Anna's address.
    let forged = request(&*crypto, &format!("{berts_name}:x"), "guessed");
    port.routes.deliver(0, source(1), &forged);
    let unsigned = &forged[..forged.len() - 24];
    port.routes.deliver(0, source(2), unsigned);
    assert_eq!(waiting(&bert), []);
    port.routes.deliver(0, source(1), b"\x80 media");
    assert_eq!(waiting(&anna).len(), 1);
}

#[tokio::test]
async fn an_address_follows_the_newest_call_made_from_it() {
    let port = open();
    let (first, second) = (port.place(), port.place());
    let crypto = port.crypto();
    for place in [&first, &second] {
        let (name, password) = place.credentials();
        let signed = request(&*crypto, &format!("{name}:x"), &password);
        port.routes.deliver(0, source(9), &signed);
        waiting(place);
    }
    port.routes.deliver(0, source(9), b"\x80 media");
    assert_eq!((waiting(&first).len(), waiting(&second).len()), (0, 1));
}

#[tokio::test]
async fn queues_and_addresses_of_a_peer_are_bounded() {
    let port = open();
    let place = port.place();
    let crypto = port.crypto();
    let (name, password) = place.credentials();
    for n in 0..40 {
        let signed = request(&*crypto, &format!("{name}:x"), &password);
        port.routes.deliver(0, source(n), &signed);
    }
    assert_eq!(port.routes.sizes().1, 16);
    for _ in 0..1_000 {
        port.routes.deliver(0, source(0), b"\x80 media");
    }
    assert_eq!(waiting(&place).len(), 128);
}

#[tokio::test]
async fn packets_come_over_the_real_socket() {
    let port = open();
    let place = port.place();
    let (name, password) = place.credentials();
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let signed = request(&*port.crypto(), &format!("{name}:x"), &password);
    sender.send_to(&signed, port.addresses()[0]).await.unwrap();
    let mut into = [0; 2_000];
    let (from, length) = poll_fn(|cx| place.line.poll(0, cx, &mut into)).await;
    assert_eq!((from, length), (sender.local_addr().unwrap(), signed.len()));
}

#[tokio::test]
async fn wildcards_and_taken_ports_are_refused() {
    assert!(Port::open(&[], 0).is_err());
    assert!(Port::open(&["0.0.0.0".parse().unwrap()], 0).is_err());
    let port = open();
    let taken = port.addresses()[0].port();
    let error = Port::open(&[IpAddr::from([127, 0, 0, 1])], taken)
        .err()
        .unwrap();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

proptest! {
    #[test]
    fn any_datagram_is_safe(mut datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = requested_name(&datagram);
        if datagram.len() > 8 {
            datagram[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]);
            let _ = requested_name(&datagram);
        }
    }
}
