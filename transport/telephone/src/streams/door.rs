//! Where carriers come in: the WebSocket, and the TwiML that sends Twilio there. Nobody comes in
//! who has not proved to be a carrier of ours.
use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use ring::hmac;
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use voiced_pipeline::calls::Calls;
use voiced_transport::keys::unix_now;

use super::{carry::carry, dialect::Start, signature};
use crate::{keypad::KeypadSettings, random_bytes, record::CallRecord, sip::digest::hex};

/// Where streams come in.
const STREAMS: &str = "/v1/telephone/streams";
/// Where Twilio asks what to do with a call.
const TWIML: &str = "/v1/telephone/twiml";
/// How long a stream may take to come after we asked for it.
const TICKET_LIFE: u64 = 60;
/// The longest message of a carrier: 30 s of sound.
const LONGEST: usize = 1 << 20;

/// Who may bring calls.
#[derive(Clone)]
pub struct StreamSettings {
    /// Takes the calls.
    pub calls: Calls,
    /// Under which address the daemon is reached: `https://voice.example.com`.
    pub public_url: Option<String>,
    /// Twilio's auth token, which signs its requests.
    pub twilio_token: Option<String>,
    /// The last part of the address that other carriers are given.
    pub token: Option<String>,
    /// How keys are gathered.
    pub keypad: KeypadSettings,
    /// Where records go.
    pub records: Option<mpsc::Sender<CallRecord>>,
}

/// The doors of carriers.
pub struct StreamDoor {
    settings: StreamSettings,
    /// Signs tickets.
    key: hmac::Key,
}

impl StreamDoor {
    /// The doors, to be merged with the daemon's others.
    pub fn router(settings: StreamSettings) -> Router {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random_bytes(32));
        let door = Arc::new(StreamDoor { settings, key });
        Router::new()
            .route(TWIML, post(twiml))
            .route(STREAMS, get(signed))
            .route(&format!("{STREAMS}/{{token}}"), get(named))
            .with_state(door)
    }

    /// A ticket for one stream that should come soon.
    fn ticket(&self, made: u64) -> String {
        let tag = hmac::sign(&self.key, &made.to_be_bytes());
        format!("{made:x}.{}", hex(&tag.as_ref()[..16]))
    }

    fn is_ticket(&self, ticket: &str, now: u64) -> bool {
        let made = ticket
            .split_once('.')
            .and_then(|(made, _)| u64::from_str_radix(made, 16).ok());
        let Some(made) = made.filter(|made| now.saturating_sub(*made) <= TICKET_LIFE) else {
            return false;
        };
        self.ticket(made).as_bytes().ct_eq(ticket.as_bytes()).into()
    }

    /// Whether Twilio signed a request to `path`.
    fn is_twilio(
        &self,
        headers: &HeaderMap,
        scheme: &str,
        path: &str,
        form: &[(String, String)],
    ) -> bool {
        let given = headers
            .get("x-twilio-signature")
            .and_then(|value| value.to_str().ok());
        let (Some(token), Some(url), Some(given)) = (
            &self.settings.twilio_token,
            &self.settings.public_url,
            given,
        ) else {
            return false;
        };
        let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
        let url = format!("{scheme}://{}{path}", host.trim_end_matches('/'));
        signature::is_right(token, &url, form, given)
    }
}

/// What to do with a call: bring it here.
async fn twiml(State(door): State<Arc<StreamDoor>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = form(&body);
    if !door.is_twilio(&headers, "https", TWIML, &form) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let host = door.settings.public_url.as_deref().unwrap_or_default();
    let host = host
        .split_once("://")
        .map_or(host, |(_, host)| host)
        .trim_end_matches('/');
    let field = |wanted: &str| {
        let found = form.iter().find(|(name, _)| name == wanted);
        escaped(found.map_or("", |(_, value)| value))
    };
    let answer = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Connect>\
         <Stream url=\"wss://{}{STREAMS}\"><Parameter name=\"ticket\" value=\"{}\"/>\
         <Parameter name=\"from\" value=\"{}\"/><Parameter name=\"to\" value=\"{}\"/>\
         </Stream></Connect></Response>",
        escaped(host),
        door.ticket(unix_now()),
        field("From"),
        field("To"),
    );
    ([(header::CONTENT_TYPE, "text/xml")], answer).into_response()
}

/// Twilio's stream: signed, and with the ticket we gave where it came by our TwiML.
async fn signed(
    State(door): State<Arc<StreamDoor>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !door.is_twilio(&headers, "wss", STREAMS, &[]) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let judge = move |door: &StreamDoor, start: &Start| {
        let ticket = start.parameters.iter().find(|(name, _)| name == "ticket");
        ticket.is_none_or(|(_, ticket)| door.is_ticket(ticket, unix_now()))
    };
    open(door, upgrade, judge)
}

/// A stream of a carrier that knows the secret part of the address.
async fn named(
    State(door): State<Arc<StreamDoor>>,
    Path(token): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let is_known = door
        .settings
        .token
        .as_ref()
        .is_some_and(|known| bool::from(known.as_bytes().ct_eq(token.as_bytes())));
    if !is_known {
        return StatusCode::FORBIDDEN.into_response();
    }
    open(door, upgrade, |_: &StreamDoor, _: &Start| true)
}

fn open(
    door: Arc<StreamDoor>,
    upgrade: WebSocketUpgrade,
    judge: impl Fn(&StreamDoor, &Start) -> bool + Send + Sync + 'static,
) -> Response {
    if door.settings.calls.n_free() == 0 {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "10")],
        )
            .into_response();
    }
    upgrade
        .max_message_size(LONGEST)
        .on_upgrade(async move |socket| {
            carry(socket, &door.settings, |start| judge(&door, start)).await;
        })
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(256) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// The fields of a form (`application/x-www-form-urlencoded`).
fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(256);
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&digits).unwrap_or("");
                bytes.extend(u8::from_str_radix(digits, 16));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
