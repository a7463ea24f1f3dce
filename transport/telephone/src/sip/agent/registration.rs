//! Being reachable at somebody else's: REGISTER with credentials, kept alive until told otherwise.
use std::{net::IpAddr, time::Duration};

use super::{Flow, Headers, Method, Purpose, Request, Response, Told, UserAgent};
use crate::sip::{
    digest::{Account, Challenge},
    headers::NameAddr,
    uri::Uri,
};

/// After a failure it is tried again after so long, twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(15);
/// But never more rarely than this.
const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// Where to register.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The registrar, and where it is.
    pub registrar: Uri,
    /// How to reach it.
    pub flow: Flow,
    /// The address that is to lead to us.
    pub record: Uri,
    /// Who we are.
    pub account: Account,
    /// For how long at a time.
    pub expires: Duration,
}

/// How a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// Calls reach us, refreshed in time.
    Registered,
    /// Refused with this status, or not answered (408); tried again later.
    Failed(u16),
}

pub(super) struct Registered {
    settings: Registration,
    call_id: String,
    tag: String,
    cseq: u32,
    expires: Duration,
    due: Option<Duration>,
    retry: Duration,
    challenge: Option<(Challenge, u32)>,
    /// Answers to challenges since the last success.
    attempts: u32,
}

impl Registered {
    pub fn deadline(&self) -> Option<Duration> {
        self.due
    }

    pub fn is_at(&self, ip: IpAddr) -> bool {
        self.settings.flow.remote.ip() == ip
    }
}

impl UserAgent {
    /// Registers, and stays registered. Gives the number it is told about with.
    pub fn register(&mut self, now: Duration, settings: Registration) -> usize {
        let index = self.registrations.len();
        self.registrations.push(Registered {
            expires: settings.expires,
            settings,
            call_id: self.names.next(),
            tag: self.names.next(),
            cseq: 0,
            due: None,
            retry: FIRST_RETRY,
            challenge: None,
            attempts: 0,
        });
        send(self, now, index, false);
        index
    }

    /// Says goodbye to every registrar.
    pub fn unregister(&mut self, now: Duration) {
        for index in 0..self.registrations.len() {
            send(self, now, index, true);
            self.registrations[index].due = None;
        }
    }
}

fn send(agent: &mut UserAgent, now: Duration, index: usize, goodbye: bool) {
    let cnonce = agent.names.next();
    let Some(registered) = agent.registrations.get(index) else {
        return;
    };
    let contact = agent.contact(registered.settings.flow.transport);
    let Some(registered) = agent.registrations.get_mut(index) else {
        return;
    };
    registered.cseq += 1;
    registered.due = None;
    let settings = &registered.settings;
    let expires = if goodbye {
        0
    } else {
        registered.expires.as_secs()
    };
    let mut headers = Headers::default();
    headers.push("Max-Forwards", "70");
    headers.push(
        "From",
        format!("<{}>;tag={}", settings.record, registered.tag),
    );
    headers.push("To", format!("<{}>", settings.record));
    headers.push("Call-ID", registered.call_id.clone());
    headers.push("CSeq", format!("{} REGISTER", registered.cseq));
    headers.push("Contact", contact);
    headers.push("Expires", expires.to_string());
    headers.push("User-Agent", "voiced");
    if let Some((challenge, count)) = &mut registered.challenge {
        *count += 1;
        let uri = settings.registrar.to_string();
        let answer = challenge.answer(&settings.account, "REGISTER", &uri, *count, &cnonce);
        headers.push("Authorization", answer);
    }
    let request = Request {
        method: Method::Register,
        uri: settings.registrar.clone(),
        headers,
        body: Vec::new(),
    };
    let flow = settings.flow;
    agent.send(now, flow, request, Purpose::Register(index));
}

pub(super) fn answered(agent: &mut UserAgent, now: Duration, index: usize, response: &Response) {
    let own = agent.contact(agent.registrations[index].settings.flow.transport);
    let Some(registered) = agent.registrations.get_mut(index) else {
        return;
    };
    match response.status {
        100..200 => {}
        200..300 => {
            registered.attempts = 0;
            registered.retry = FIRST_RETRY;
            let granted = granted(response, &own).unwrap_or(registered.expires);
            if granted.is_zero() {
                return;
            }
            // Early enough for a lost refresh to be repeated.
            registered.due = Some(
                now + granted
                    .mul_f64(0.8)
                    .min(granted.saturating_sub(Duration::from_secs(5)))
                    .max(Duration::from_secs(1)),
            );
            agent.told.push_back(Told::Registration {
                index,
                state: RegistrationState::Registered,
            });
        }
        401 | 407 => {
            let header = if response.status == 401 {
                "WWW-Authenticate"
            } else {
                "Proxy-Authenticate"
            };
            let challenge = Challenge::best(response.headers.all(header));
            let tried_with = registered.challenge.is_some() && registered.attempts > 0;
            match challenge {
                Some(challenge) if registered.attempts < 3 && (!tried_with || challenge.stale) => {
                    registered.challenge = Some((challenge, 0));
                    registered.attempts += 1;
                    send(agent, now, index, false);
                }
                _ => failed(agent, now, index, response.status),
            }
        }
        423 => {
            let least = response
                .headers
                .get("Min-Expires")
                .and_then(|min| min.parse::<u64>().ok());
            let least = Duration::from_secs(least.unwrap_or(0));
            if least > registered.expires && least <= Duration::from_secs(86_400) {
                registered.expires = least;
                send(agent, now, index, false);
            } else {
                failed(agent, now, index, 423);
            }
        }
        status => failed(agent, now, index, status),
    }
}

/// For how long our contact was registered.
fn granted(response: &Response, own: &str) -> Option<Duration> {
    let own = NameAddr::parse(own)?.uri;
    let contacts = response.headers.list("Contact");
    let mine = contacts
        .into_iter()
        .filter_map(NameAddr::parse)
        .find(|contact| {
            contact.uri.host == own.host && contact.uri.port_or_default() == own.port_or_default()
        });
    let seconds = mine
        .as_ref()
        .and_then(|contact| contact.params.get("expires"));
    let seconds = seconds.or_else(|| response.headers.get("Expires"))?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}

pub(super) fn failed(agent: &mut UserAgent, now: Duration, index: usize, status: u16) {
    let Some(registered) = agent.registrations.get_mut(index) else {
        return;
    };
    registered.challenge = None;
    registered.attempts = 0;
    registered.due = Some(now + registered.retry);
    registered.retry = (registered.retry * 2).min(LONGEST_RETRY);
    agent.told.push_back(Told::Registration {
        index,
        state: RegistrationState::Failed(status),
    });
}

/// A connection broke: whoever was registered over it is again at once.
pub(super) fn lost(agent: &mut UserAgent, now: Duration, flow: Flow) {
    for registered in &mut agent.registrations {
        if registered.settings.flow == flow {
            registered.due = Some(now + Duration::from_secs(1));
        }
    }
}

pub(super) fn tick(agent: &mut UserAgent, now: Duration) {
    for index in 0..agent.registrations.len() {
        if agent.registrations[index].due.is_some_and(|due| due <= now) {
            send(agent, now, index, false);
        }
    }
}
