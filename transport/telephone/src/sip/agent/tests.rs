//! Whole calls between two agents, or between one and a script, with the time as a value.
#![allow(clippy::unwrap_used)]
mod between;
mod scripted;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::{AgentSettings, Flow, Output, Told, Transport, UserAgent};
use crate::policy::RateLimit;

pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

pub(super) fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(super) fn flow(address: &str) -> Flow {
    Flow {
        transport: Transport::Udp,
        remote: address.parse().unwrap(),
    }
}

pub(super) fn settings(address: &str) -> AgentSettings {
    let address: SocketAddr = address.parse().unwrap();
    AgentSettings {
        addresses: BTreeMap::from([(Transport::Udp, address)]),
        trunks: vec!["127.0.0.0/8".parse().unwrap()],
        accounts: Vec::new(),
        realm: "voiced".into(),
        rate: RateLimit::default(),
        session_expires: Duration::from_secs(1_800),
        seed: [u8::try_from(address.port() % 251).unwrap(); 32],
    }
}

/// What an agent has to say now: messages as text, and facts.
pub(super) fn drain(agent: &mut UserAgent) -> (Vec<String>, Vec<Told>) {
    let (mut sent, mut told) = (Vec::new(), Vec::new());
    while let Some(output) = agent.poll() {
        match output {
            Output::Transmit(transmit) => sent.push(String::from_utf8(transmit.bytes).unwrap()),
            Output::Told(fact) => told.push(fact),
        }
    }
    (sent, told)
}

/// The first lines of messages.
pub(super) fn heads(messages: &[String]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.lines().next().unwrap())
        .collect()
}

/// The value of a header.
pub(super) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message
        .lines()
        .find(|line| line.starts_with(&format!("{name}: ")));
    line.and_then(|line| line.split_once(": "))
        .map(|(_, value)| value)
        .unwrap_or_default()
}
