//! The telephone's settings: from what is written to what it means, all mistakes at once.
mod certificates;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use voiced_telephone::{
    Outbound, Registrar, TelephoneSettings,
    keypad::KeypadSettings,
    policy::{DialPolicy, Network, RateLimit},
    sdp::{Codec, Protect},
    sip::{
        digest::Account,
        uri::{Scheme, Uri},
    },
    sound::media::SoundSettings,
};
use voiced_transport::edge::EdgeSettings;

use crate::config::{
    Needs, Secret,
    check::{not_set, secret},
    dial_plan,
    findings::Findings,
    raw,
};

/// Who may bring calls over media streams.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Under which address the daemon is reached.
    pub public_url: Option<String>,
    /// Signs what Twilio asks.
    pub twilio_token: Option<Secret>,
    /// The secret part of the address of other carriers.
    pub token: Option<Secret>,
    /// How keys are gathered.
    pub keypad: KeypadSettings,
}

type Environment = BTreeMap<String, String>;

/// What the telephone is told; `None`: it is closed.
pub(super) fn checked(
    raw: &raw::RawConfig,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> Option<TelephoneSettings> {
    let telephone = &raw.telephone;
    if !telephone.enabled || !needs.listener {
        return None;
    }
    let address = socket("telephone.address", &telephone.address, findings);
    let wanted = |name: &str| {
        telephone
            .transports
            .iter()
            .any(|transport| transport == name)
            .then_some(address)
    };
    let (udp, tcp) = (wanted("udp"), wanted("tcp"));
    if let Some(odd) = telephone
        .transports
        .iter()
        .find(|name| !["udp", "tcp"].contains(&name.as_str()))
    {
        findings.note_at(
            "telephone.transports",
            format!("\"{odd}\" is none; there are \"udp\" and \"tcp\""),
        );
    }
    let (tls_address, tls) = certificates::tls(&telephone.tls, findings);
    let trunks = trunks(&telephone.trunks, findings);
    let accounts = accounts(telephone, environment, findings);
    if udp.is_none() && tcp.is_none() && tls_address.is_none() {
        findings.note_at(
            "telephone.transports",
            "the telephone is enabled and reached by none",
        );
    }
    let media = &telephone.media;
    if media.first_port >= media.last_port {
        findings.note_at(
            "telephone.media.last_port",
            "must be greater than telephone.media.first_port",
        );
    }
    let port = |port: u32| u16::try_from(port).expect("the table of keys ends at 65535");
    Some(TelephoneSettings {
        udp,
        tcp,
        tls_address,
        tls,
        media_address: address.ip(),
        media_ports: port(media.first_port)..=port(media.last_port),
        public_address: telephone
            .public_address
            .as_ref()
            .and_then(|text| ip("telephone.public_address", text, findings)),
        trunks,
        accounts,
        realm: telephone.realm.clone(),
        rate: RateLimit::default(),
        codecs: codecs(&media.codecs, findings),
        protect: match media.encryption.as_str() {
            "off" => Protect::Off,
            "required" => Protect::Required,
            _ => Protect::Optional,
        },
        sound: SoundSettings {
            edge: EdgeSettings {
                echo_cancellation: media.echo_cancellation,
                noise_suppression: media.noise_suppression,
                high_pass: media.high_pass,
                ..EdgeSettings::default()
            },
            ..SoundSettings::default()
        },
        plan: dial_plan::read(telephone.plan.as_deref().map(Path::new), findings),
        dial: DialPolicy {
            prefixes: telephone.outbound.dial_prefixes.clone(),
            hosts: telephone.outbound.dial_hosts.clone(),
        },
        outbound: outbound(&telephone.outbound, environment, findings),
        registrations: registration(&telephone.registration, environment, findings)
            .into_iter()
            .collect(),
        max_calls: telephone.max_calls as usize,
        ring_for: Duration::from_secs(telephone.ring_for_s.into()),
        lost_after: Duration::from_secs(telephone.lost_after_s.into()),
        session_expires: Duration::from_secs(telephone.session_expires_s.into()),
        keypad: keypad(telephone),
        records: None,
    })
}

/// Who may bring calls over media streams; `None`: nobody.
pub(super) fn streams(
    raw: &raw::Telephone,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> Option<Streams> {
    let streams = &raw.streams;
    if !streams.enabled || !needs.listener {
        return None;
    }
    let mut token = |key: &str, variable: &Option<String>| {
        let variable = variable.as_ref()?;
        let token = secret(variable, environment);
        if token.is_none() {
            findings.note_at(key, not_set(variable));
        }
        token
    };
    let twilio_token = token(
        "telephone.streams.twilio_token_env",
        &streams.twilio_token_env,
    );
    let own = token("telephone.streams.token_env", &streams.token_env);
    if streams.twilio_token_env.is_none() && streams.token_env.is_none() {
        let message = "nobody could prove who they are: set telephone.streams.twilio_token_env or \
                       telephone.streams.token_env";
        findings.note_at("telephone.streams.enabled", message);
    }
    let is_url = |url: &String| url.starts_with("https://") && url.len() > 8;
    if streams.twilio_token_env.is_some() && !streams.public_url.as_ref().is_some_and(is_url) {
        let message = "Twilio signs the address it asks: write it as https://voice.example.com";
        findings.note_at("telephone.streams.public_url", message);
    }
    Some(Streams {
        public_url: streams.public_url.clone(),
        twilio_token,
        token: own,
        keypad: keypad(raw),
    })
}

fn keypad(raw: &raw::Telephone) -> KeypadSettings {
    KeypadSettings {
        terminator: raw.terminator.chars().next().unwrap_or('#'),
        pause: Duration::from_millis(raw.key_pause_ms.into()),
        ..KeypadSettings::default()
    }
}

pub(super) fn socket(key: &str, text: &str, findings: &mut Findings) -> SocketAddr {
    text.parse().unwrap_or_else(|_| {
        let message = format!("\"{text}\" is not an address with a port, such as 127.0.0.1:5060");
        findings.note_at(key, message);
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    })
}

fn ip(key: &str, text: &str, findings: &mut Findings) -> Option<IpAddr> {
    let ip = text.parse().ok();
    if ip.is_none() {
        findings.note_at(
            key,
            format!("\"{text}\" is not an IP address, such as 203.0.113.7"),
        );
    }
    ip
}

/// Invariant: the whole world is never a trunk.
fn trunks(texts: &[String], findings: &mut Findings) -> Vec<Network> {
    let mut trunks = Vec::new();
    for text in texts {
        match text.parse::<Network>() {
            Ok(network) if network.is_everybody() => {
                let message = format!(
                    "\"{text}\" is everybody: name the networks of your trunk, or give callers an account"
                );
                findings.note_at("telephone.trunks", message);
            }
            Ok(network) => trunks.push(network),
            Err(error) => findings.note_at("telephone.trunks", format!("\"{text}\" is {error}")),
        }
    }
    trunks
}

fn accounts(
    raw: &raw::Telephone,
    environment: &Environment,
    findings: &mut Findings,
) -> Vec<Account> {
    let (user, variable) = (&raw.account, &raw.account_password_env);
    account(
        "telephone.account",
        user,
        "telephone.account_password_env",
        variable,
        environment,
        findings,
    )
    .into_iter()
    .collect()
}

/// A name and a password: both or none.
fn account(
    user_key: &str,
    user: &Option<String>,
    password_key: &str,
    variable: &Option<String>,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Account> {
    match (user, variable) {
        (None, None) => None,
        (Some(_), None) => {
            findings.note_at(user_key, format!("needs {password_key}"));
            None
        }
        (None, Some(_)) => {
            findings.note_at(password_key, format!("needs {user_key}"));
            None
        }
        (Some(user), Some(variable)) => {
            let Some(password) = secret(variable, environment) else {
                findings.note_at(password_key, not_set(variable));
                return None;
            };
            Some(Account {
                user: user.clone(),
                password: password.reveal().to_owned(),
            })
        }
    }
}

fn codecs(names: &[String], findings: &mut Findings) -> Vec<Codec> {
    let mut codecs = Vec::new();
    for name in names {
        match Codec::named(name) {
            Some(codec) if !codecs.contains(&codec) => codecs.push(codec),
            Some(_) => findings.note_at(
                "telephone.media.codecs",
                format!("\"{name}\" stands there twice"),
            ),
            None => {
                let known = Codec::ALL.map(Codec::name).join(", ");
                findings.note_at(
                    "telephone.media.codecs",
                    format!("there is no \"{name}\"; there are {known}"),
                );
            }
        }
    }
    if names.is_empty() {
        findings.note_at("telephone.media.codecs", "at least one is needed");
    }
    codecs
}

fn uri(key: &str, text: &Option<String>, findings: &mut Findings) -> Option<Uri> {
    let text = text.as_ref()?;
    match Uri::parse(text) {
        Ok(uri) if uri.scheme != Scheme::Tel => Some(uri),
        _ => {
            findings.note_at(key, format!("\"{text}\" is not a sip: or sips: address"));
            None
        }
    }
}

fn outbound(
    raw: &raw::TelephoneOutbound,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Outbound> {
    let trunk = uri("telephone.outbound.trunk", &raw.trunk, findings);
    let from = uri("telephone.outbound.from", &raw.from, findings);
    if raw.trunk.is_some() && raw.from.is_none() {
        findings.note_at("telephone.outbound.trunk", "needs telephone.outbound.from");
    }
    for prefix in &raw.dial_prefixes {
        let digits = prefix.strip_prefix('+').unwrap_or(prefix);
        if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
            let message = format!("\"{prefix}\" is not the beginning of a number, such as +4420");
            findings.note_at("telephone.outbound.dial_prefixes", message);
        }
    }
    let account = account(
        "telephone.outbound.account",
        &raw.account,
        "telephone.outbound.password_env",
        &raw.password_env,
        environment,
        findings,
    );
    Some(Outbound {
        trunk: trunk?,
        from: from?,
        account,
    })
}

fn registration(
    raw: &raw::TelephoneRegistration,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Registrar> {
    let registrar = uri("telephone.registration.registrar", &raw.registrar, findings);
    let record = uri("telephone.registration.record", &raw.record, findings);
    let account = account(
        "telephone.registration.account",
        &raw.account,
        "telephone.registration.password_env",
        &raw.password_env,
        environment,
        findings,
    );
    if raw.registrar.is_some() && (raw.record.is_none() || raw.account.is_none()) {
        let message = "needs telephone.registration.record and telephone.registration.account";
        findings.note_at("telephone.registration.registrar", message);
    }
    Some(Registrar {
        registrar: registrar?,
        record: record?,
        account: account?,
        expires: Duration::from_secs(raw.expires_s.into()),
    })
}
