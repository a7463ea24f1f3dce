//! The user agent (RFC 3261): many calls over many flows, inbound and outbound. Pure: messages,
//! orders and the time go in, messages and facts come out.
//!
//! Driving rule: after each call drain [`UserAgent::poll`]; call [`UserAgent::tick`] at
//! [`UserAgent::deadline`].
//!
//! Invariant: whoever is neither a trunk nor in a call with us gets nothing, not even a refusal,
//! unless accounts are configured; then an INVITE gets one challenge, within the rate limit.
mod in_dialog;
mod inbound;
mod outbound;
mod refer;
mod refreshing;
mod registration;
mod requests;
mod timers;
mod told;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use ring::hmac;

use super::{
    digest::{Account, Guard, hex},
    leg::{Leg, LegId, Phase},
    message::{Essentials, Headers, Malformed, Message, Method, Request, Response},
    transactions::{ClientKey, Flow, ServerKey, Transactions, Transmit, Transport},
    uri::Uri,
};
use crate::policy::{Network, RateLimit, Rates};

pub use outbound::Invite;
pub use registration::{Registration, RegistrationState};
pub use told::{Invitation, LegEnd, Output, Told};

/// What we understand of requests, told in `Allow`.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY";
/// The extensions we know, told in `Supported`.
const SUPPORTED: &str = "timer, replaces, 100rel, norefersub";
/// How long refused callers are told to wait.
const RETRY_AFTER: &str = "10";

/// How the agent presents itself and whom it serves.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Under which address we are reached, by transport. Only these transports are used.
    pub addresses: BTreeMap<Transport, SocketAddr>,
    /// Who may call without an account.
    pub trunks: Vec<Network>,
    /// Who may call with one.
    pub accounts: Vec<Account>,
    /// Where those accounts are known.
    pub realm: String,
    /// Messages from one source; what is more is dropped.
    pub rate: RateLimit,
    /// Longest time without a refresh we ask for (RFC 4028); at least 90 s.
    pub session_expires: Duration,
    /// Random bytes that make names unpredictable.
    pub seed: [u8; 32],
}

/// What was not even looked at, or looked at and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// From nobody we know.
    pub strangers: u64,
    /// More than the rate limit lets through.
    pub over_rate: u64,
    /// No SIP.
    pub malformed: u64,
}

/// What a request of ours was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Invite(LegId),
    Reinvite(LegId),
    Update(LegId),
    Bye(LegId),
    Refer(LegId),
    Other,
    Register(usize),
}

/// The user agent.
pub struct UserAgent {
    settings: AgentSettings,
    transactions: Transactions,
    legs: HashMap<LegId, Leg>,
    purposes: HashMap<ClientKey, Purpose>,
    registrations: Vec<registration::Registered>,
    told: VecDeque<Told>,
    guard: Guard,
    rates: Rates,
    names: Names,
    next_leg: u64,
    is_full: bool,
    dropped: Dropped,
}

/// Unpredictable names.
struct Names {
    key: hmac::Key,
    count: u64,
}

impl Names {
    fn next(&mut self) -> String {
        self.count += 1;
        hex(&hmac::sign(&self.key, &self.count.to_be_bytes()).as_ref()[..12])
    }
}

impl UserAgent {
    /// An agent without calls.
    pub fn new(settings: AgentSettings) -> UserAgent {
        UserAgent {
            guard: Guard::new(&settings.realm, settings.accounts.clone(), &settings.seed),
            rates: Rates::new(settings.rate),
            names: Names {
                key: hmac::Key::new(hmac::HMAC_SHA256, &settings.seed),
                count: 0,
            },
            settings,
            transactions: Transactions::default(),
            legs: HashMap::new(),
            purposes: HashMap::new(),
            registrations: Vec::new(),
            told: VecDeque::new(),
            next_leg: 0,
            is_full: false,
            dropped: Dropped::default(),
        }
    }

    /// The next thing to send or to know.
    pub fn poll(&mut self) -> Option<Output> {
        if !self.transactions.outbox.is_empty() {
            return Some(Output::Transmit(self.transactions.outbox.remove(0)));
        }
        self.told.pop_front().map(Output::Told)
    }

    /// When [`UserAgent::tick`] is next wanted.
    pub fn deadline(&self) -> Option<Duration> {
        let legs = self.legs.values().filter_map(Leg::deadline);
        let registrations = self
            .registrations
            .iter()
            .filter_map(registration::Registered::deadline);
        legs.chain(registrations)
            .chain(self.transactions.deadline())
            .min()
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// How many legs there are.
    pub fn n_legs(&self) -> usize {
        self.legs.len()
    }

    /// Whether new calls, and OPTIONS that ask about them, are refused with 503.
    pub fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
    }

    /// One whole message came.
    pub fn received(&mut self, now: Duration, flow: Flow, bytes: &[u8]) {
        let is_trunk = self.is_trunk(flow);
        if !is_trunk && !self.guard.has_accounts() && !self.knows(flow) {
            self.dropped.strangers += 1;
            return;
        }
        if !self.rates.allows(now, flow.remote.ip(), is_trunk) {
            self.dropped.over_rate += 1;
            return;
        }
        let message = Message::parse(bytes).and_then(|message| {
            let essentials = message.essentials()?;
            Ok((message, essentials))
        });
        match message {
            Ok((Message::Request(request), essentials)) => {
                self.requested(now, flow, request, &essentials);
            }
            Ok((Message::Response(response), essentials)) => {
                self.responded(now, flow, &response, &essentials);
            }
            Err(Malformed::FirstLine) if bytes.iter().all(|byte| b"\r\n\0".contains(byte)) => {
                // A keep-alive.
            }
            Err(_) => self.dropped.malformed += 1,
        }
    }

    /// A connection broke.
    pub fn lost(&mut self, now: Duration, flow: Flow) {
        for timed_out in self.transactions.lost(flow) {
            self.timed_out(now, &timed_out.0);
        }
        registration::lost(self, now, flow);
    }

    fn is_trunk(&self, flow: Flow) -> bool {
        let ip = flow.remote.ip();
        self.settings
            .trunks
            .iter()
            .any(|network| network.contains(ip))
    }

    /// Whether we have business with somebody at that address.
    fn knows(&self, flow: Flow) -> bool {
        let ip = flow.remote.ip();
        self.legs.values().any(|leg| leg.flow.remote.ip() == ip)
            || self
                .registrations
                .iter()
                .any(|registered| registered.is_at(ip))
    }

    /// Who we are and what we can do.
    fn present(&self, headers: &mut Headers) {
        headers.push("Allow", ALLOW);
        headers.push("Supported", SUPPORTED);
        headers.push("User-Agent", "voiced");
    }

    fn refuse(&mut self, now: Duration, key: &ServerKey, request: &Request, status: u16) {
        let tag = self.names.next();
        let response = request.answer(status, Some(&tag));
        self.transactions.answer(now, key, &response);
    }

    fn leg_of(&self, essentials: &Essentials) -> Option<LegId> {
        let (local, remote) = (essentials.to.tag()?, essentials.from.tag()?);
        let named = |leg: &&Leg| leg.is_named(&essentials.call_id, local, remote);
        self.legs.values().find(named).map(|leg| leg.id)
    }

    fn contact(&self, transport: Transport) -> String {
        let address = self.address(transport);
        let mut uri = Uri::of_socket(Some("voiced"), address);
        if transport != Transport::Udp {
            uri.params
                .set("transport", Some(transport.name().to_ascii_lowercase()));
        }
        format!("<{uri}>")
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        let addresses = &self.settings.addresses;
        let any = addresses
            .get(&transport)
            .or_else(|| addresses.values().next());
        any.copied()
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 5060)))
    }

    /// Sends a request in a transaction of its own.
    fn send(&mut self, now: Duration, flow: Flow, request: Request, purpose: Purpose) -> ClientKey {
        let (branch, request) = self.with_via(flow, request);
        let key = self.transactions.request(now, flow, &branch, request);
        self.purposes.insert(key.clone(), purpose);
        key
    }

    fn with_via(&mut self, flow: Flow, mut request: Request) -> (String, Request) {
        let branch = format!("z9hG4bK{}", self.names.next());
        let (transport, address) = (flow.transport.name(), self.address(flow.transport));
        let mut headers = Headers::default();
        headers.push(
            "Via",
            format!("SIP/2.0/{transport} {address};branch={branch};rport"),
        );
        for (name, value) in request.headers.iter() {
            headers.push(name, value);
        }
        request.headers = headers;
        (branch, request)
    }

    /// Sends a request of a leg's dialog.
    fn send_in(
        &mut self,
        now: Duration,
        leg: LegId,
        method: Method,
        purpose: Purpose,
        fill: impl FnOnce(&mut Request),
    ) -> Option<ClientKey> {
        let contact = self.contact(self.legs.get(&leg)?.flow.transport);
        let leg = self.legs.get_mut(&leg)?;
        let (_, mut request) = leg.request(method);
        request.headers.push("Contact", contact);
        fill(&mut request);
        if let (Some((challenge, count)), Some(account)) = (&mut leg.challenge, &leg.account) {
            *count += 1;
            let cnonce = format!("{:08x}{count:08x}", leg.id.0);
            let uri = request.uri.to_string();
            let answer = challenge.answer(account, request.method.name(), &uri, *count, &cnonce);
            request.headers.push("Authorization", answer);
        }
        let flow = leg.flow;
        Some(self.send(now, flow, request, purpose))
    }

    fn end(&mut self, leg: LegId, end: LegEnd) {
        if self.legs.remove(&leg).is_some() {
            self.told.push_back(Told::Ended { leg, end });
        }
    }

    /// Tells that a leg is over while its dialog lingers until the far end has agreed.
    fn tell_end(&mut self, leg: LegId, end: LegEnd) {
        if let Some(leg) = self.legs.get_mut(&leg)
            && leg.phase != Phase::Ending
        {
            leg.phase = Phase::Ending;
            self.told.push_back(Told::Ended { leg: leg.id, end });
        }
    }

    fn responded(
        &mut self,
        now: Duration,
        flow: Flow,
        response: &Response,
        essentials: &Essentials,
    ) {
        let Some(key) = self.transactions.responded(now, flow, response, essentials) else {
            return;
        };
        let Some(purpose) = self.purposes.get(&key).copied() else {
            return;
        };
        if response.status >= 200 && !matches!(purpose, Purpose::Invite(_) | Purpose::Reinvite(_)) {
            self.purposes.remove(&key);
        }
        match purpose {
            Purpose::Invite(leg) => self.invite_answered(now, leg, &key, response, essentials),
            Purpose::Reinvite(leg) => self.reinvite_answered(now, leg, response, essentials),
            Purpose::Update(leg) => self.update_answered(now, leg, response),
            Purpose::Bye(leg) => self.bye_answered(leg, response),
            Purpose::Refer(leg) => self.refer_answered(leg, response),
            Purpose::Register(index) => registration::answered(self, now, index, response),
            Purpose::Other => {}
        }
    }
}

/// The body, where it is a session description.
fn sdp_of(headers: &Headers, body: &[u8]) -> Option<String> {
    let kind = headers.get("Content-Type").unwrap_or("application/sdp");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if body.is_empty() || !kind.eq_ignore_ascii_case("application/sdp") {
        return None;
    }
    String::from_utf8(body.to_vec()).ok()
}
