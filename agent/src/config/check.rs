//! From the settings as written to what they mean. Every check notes what it finds and goes on
//! with something harmless, so that one run finds everything.
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;
use voiced_core::{
    activity::ActivityPolicy,
    turn::{TurnMode, TurnPolicy},
};
use voiced_llm::{
    fixed::FixedModel,
    openai::{self, LimitName, OpenAiSettings},
};

use voiced_transport::{http::tls::Certificate, rest::RoomLimits};

use crate::config::{
    ApiKeys, Config, Edge, Listen, Local, Log, LogFormat, Mind, MindEngine, Needs, Secret, Webrtc,
    ear,
    findings::Findings,
    interpreter, people,
    raw::{self, RawConfig},
    telephone, voice,
};

pub(super) type Environment = BTreeMap<String, String>;

/// What the settings mean. Only as good as its word when nothing was noted.
pub(super) fn checked(
    raw: &RawConfig,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> Config {
    let voice = voice::checked(raw, environment, needs, findings);
    Config {
        listen: listen(&raw.listen, environment, needs, findings),
        services: services(&raw.services),
        webrtc: webrtc(&raw.webrtc, findings),
        ear: ear::checked(raw, environment, needs, findings),
        mind: mind(&raw.mind, environment, needs, findings),
        turns: turns(&raw.turns, findings),
        activity: activity(&raw.turns.activity, findings),
        interpreter: interpreter::checked(&raw.interpreter, &raw.mind, findings),
        edge: Edge {
            echo_cancellation: raw.edge.echo_cancellation,
            noise_suppression: raw.edge.noise_suppression,
            high_pass: raw.edge.high_pass,
        },
        local: Local {
            microphone: raw.local.microphone.clone(),
            loudspeaker: raw.local.loudspeaker.clone(),
            edge: Edge {
                echo_cancellation: raw.local.echo_cancellation,
                noise_suppression: raw.local.noise_suppression,
                high_pass: raw.local.high_pass,
            },
        },
        models: ear::models(&raw.models, environment, findings),
        telephone: telephone::checked(raw, environment, needs, findings),
        streams: telephone::streams(&raw.telephone, environment, needs, findings),
        personas: people::checked(raw, &voice.engine, needs, findings),
        voice,
        log: log(&raw.log, findings),
        drain_deadline: Duration::from_secs(raw.drain.deadline_s.into()),
    }
}

fn listen(
    raw: &raw::Listen,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> Listen {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let address = raw.address.parse().unwrap_or_else(|_| {
        findings.note_at(
            "listen.address",
            format!(
                "\"{}\" is not an address with a port, such as 127.0.0.1:8080 or [::1]:8080",
                raw.address
            ),
        );
        loopback
    });
    for origin in &raw.allowed_origins {
        let bare = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if origin != "*" && bare.is_none_or(|host| host.is_empty() || host.contains('/')) {
            let message = format!(
                "\"{origin}\" is not an origin: write the scheme and the host, such as \
                 https://example.com, and nothing after it"
            );
            findings.note_at("listen.allowed_origins", message);
        }
    }
    if raw.max_half_open > raw.max_connections {
        let message = format!(
            "{} is more than listen.max_connections, {}",
            raw.max_half_open, raw.max_connections
        );
        findings.note_at("listen.max_half_open", message);
    }
    Listen {
        address,
        keys: api_keys(raw, address, environment, needs, findings),
        tls: tls(raw, needs, findings),
        allowed_hosts: raw.allowed_hosts.clone(),
        allowed_origins: raw.allowed_origins.clone(),
        max_calls: raw.max_calls as usize,
        max_calls_per_address: raw.max_calls_per_address as usize,
        max_connections: raw.max_connections as usize,
        max_half_open: raw.max_half_open as usize,
        max_call: Duration::from_secs(60 * u64::from(raw.max_call_minutes)),
        max_body: raw.max_body_kib as usize * 1024,
        request_within: Duration::from_millis(raw.request_within_ms.into()),
        strict: raw.strict,
        tool_server_hosts: raw.tool_server_hosts.clone(),
    }
}

/// Both files or none; what is in them is read here too, so that `voiced check` finds it.
fn tls(raw: &raw::Listen, needs: Needs, findings: &mut Findings) -> Option<(PathBuf, PathBuf)> {
    let (chain, key) = match (&raw.tls_certificate, &raw.tls_key) {
        (None, None) => return None,
        (Some(chain), Some(key)) => (PathBuf::from(chain), PathBuf::from(key)),
        (Some(_), None) => {
            let message = "a certificate needs its key: set listen.tls_key as well".to_owned();
            findings.note_at("listen.tls_certificate", message);
            return None;
        }
        (None, Some(_)) => {
            let message = "a key needs its certificate: set listen.tls_certificate as well";
            findings.note_at("listen.tls_key", message.to_owned());
            return None;
        }
    };
    if needs.listener
        && let Err(error) = Certificate::open(&chain, &key)
    {
        findings.note_at("listen.tls_certificate", error.to_string());
    }
    Some((chain, key))
}

fn services(raw: &raw::Services) -> RoomLimits {
    RoomLimits {
        transcriptions: raw.transcriptions as usize,
        speeches: raw.speeches as usize,
        wait: Duration::from_millis(raw.wait_ms.into()),
        upload: raw.max_upload_mib as usize * 1024 * 1024,
        upload_within: Duration::from_millis(raw.upload_within_ms.into()),
        recording: Duration::from_secs(60 * u64::from(raw.max_recording_minutes)),
    }
}

/// Invariant: nobody but this machine reaches a daemon without keys.
fn api_keys(
    raw: &raw::Listen,
    address: SocketAddr,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> ApiKeys {
    let Some(variable) = &raw.api_keys_env else {
        if needs.listener && !address.ip().is_loopback() {
            findings.note_at(
                "listen.address",
                format!(
                    "{address} can be reached from other machines, so it needs API keys: set \
                     listen.api_keys_env to the name of an environment variable that holds \
                     them, or listen on 127.0.0.1"
                ),
            );
        }
        return ApiKeys::Anybody;
    };
    let keys: Vec<_> = secret(variable, environment)
        .into_iter()
        .flat_map(|keys| {
            keys.0
                .split(',')
                .map(|key| key.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|key| !key.is_empty())
        .map(Secret::new)
        .collect();
    if needs.listener && keys.is_empty() {
        findings.note_at("listen.api_keys_env", not_set(variable));
    }
    ApiKeys::OneOf(keys)
}

pub(super) fn not_set(variable: &str) -> String {
    format!("the environment variable {variable} is not set or empty: put the key in it")
}

pub(super) fn secret(variable: &str, environment: &Environment) -> Option<Secret> {
    let text = environment.get(variable)?.trim();
    (!text.is_empty()).then(|| Secret::new(text))
}

fn webrtc(raw: &raw::Webrtc, findings: &mut Findings) -> Option<Webrtc> {
    let small = |n: u32| u8::try_from(n).expect("the table of keys ends at 100");
    let webrtc = Webrtc {
        port: u16::try_from(raw.port).expect("the table of keys ends at 65535"),
        addresses: addresses("webrtc.addresses", &raw.addresses, findings),
        public_addresses: addresses("webrtc.public_addresses", &raw.public_addresses, findings),
        bitrate: raw.bitrate,
        complexity: small(raw.complexity),
        expected_loss: small(raw.expected_loss),
        connect_within: Duration::from_millis(raw.connect_within_ms.into()),
        lost_after: Duration::from_millis(raw.lost_after_ms.into()),
    };
    if webrtc.addresses.iter().any(IpAddr::is_unspecified) {
        let message = "name the addresses one by one, or none at all for every one of the machine";
        findings.note_at("webrtc.addresses", message);
    }
    raw.enabled.then_some(webrtc)
}

fn addresses(key: &str, texts: &[String], findings: &mut Findings) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => {
                let message = format!("\"{text}\" is not an IP address, such as 203.0.113.7");
                findings.note_at(key, message);
            }
        }
    }
    addresses
}

fn mind(raw: &raw::Mind, environment: &Environment, needs: Needs, findings: &mut Findings) -> Mind {
    let engine = match raw.engine.as_str() {
        "openai" => MindEngine::OpenAi(Box::new(openai(&raw.openai, environment, needs, findings))),
        "fixed" => {
            let model = match &raw.fixed.text {
                Some(text) => FixedModel::saying(text),
                None => FixedModel::words(raw.fixed.words as usize),
            };
            MindEngine::Fixed(model.paced(Duration::from_millis(raw.fixed.pace_ms.into())))
        }
        _ => MindEngine::Scripted,
    };
    Mind {
        rows: raw.rows as usize,
        engine,
        images: raw.engine == "openai" && raw.openai.images,
    }
}

fn openai(
    raw: &raw::MindOpenai,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> OpenAiSettings {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let key = raw.key_env.as_deref().and_then(|variable| {
        let key = secret(variable, environment);
        if key.is_none() && needs.mind {
            findings.note_at("mind.openai.key_env", not_set(variable));
        }
        key
    });
    let (connect, first) = (raw.connect_within_ms, raw.first_token_within_ms);
    if connect > first {
        let message = format!(
            "{connect} ms is longer than mind.openai.first_token_within_ms, {first} ms, which \
             includes it"
        );
        findings.note_at("mind.openai.connect_within_ms", message);
    }
    let settings = OpenAiSettings {
        key: key.map(|key| openai::Secret::new(key.reveal())),
        extra: extra(
            "mind.openai.extra_json",
            raw.extra_json.as_deref(),
            findings,
        ),
        temperature: raw.temperature.map(|temperature| temperature as f32),
        max_tokens: raw.max_tokens,
        limit_name: match raw.limit_name.as_str() {
            "max_completion_tokens" => LimitName::MaxCompletionTokens,
            _ => LimitName::MaxTokens,
        },
        usage: raw.usage,
        connect_within: ms(connect),
        first_token_within: ms(first),
        next_token_within: ms(raw.next_token_within_ms),
        attempts: raw.attempts,
        retry_wait_at_most: ms(raw.retry_wait_at_most_ms),
        key_over_plain_http: raw.key_over_plain_http,
        ..OpenAiSettings::new(&raw.base_url, &raw.model)
    };
    // The client knows best what it can use; nothing is sent by asking it.
    if let Err(error) = openai::OpenAi::new(settings.clone()) {
        findings.note_at("mind.openai.base_url", error.to_string());
    }
    settings
}

pub(super) fn extra(
    key: &str,
    json: Option<&str>,
    findings: &mut Findings,
) -> serde_json::Map<String, Value> {
    match json.map(serde_json::from_str) {
        None => serde_json::Map::new(),
        Some(Ok(Value::Object(extra))) => extra,
        Some(wrong) => {
            let why = wrong.map_or_else(|error| error.to_string(), |_| "it is none".to_owned());
            let message = format!("must be a JSON object: {why}");
            findings.note_at(key, message);
            serde_json::Map::new()
        }
    }
}

fn turns(raw: &raw::Turns, findings: &mut Findings) -> TurnPolicy {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let mode = match raw.mode.as_str() {
        "silence" => TurnMode::Silence(ms(raw.silence_ms)),
        "manual" => TurnMode::Manual,
        _ => {
            if raw.at_least_ms > raw.patience_ms {
                let message = format!(
                    "{} ms is longer than turns.patience_ms, {} ms, which ends every turn",
                    raw.at_least_ms, raw.patience_ms
                );
                findings.note_at("turns.at_least_ms", message);
            }
            TurnMode::Detector {
                sure: raw.sure as f32,
                at_least: ms(raw.at_least_ms),
                patience: ms(raw.patience_ms),
            }
        }
    };
    TurnPolicy {
        mode,
        reply: raw.reply,
        interrupt: raw.interrupt,
        interrupt_after: ms(raw.interrupt_after_ms),
        interrupt_words: raw.interrupt_words as usize,
        backchannels: raw.backchannels.clone(),
        hold_at_most: ms(raw.hold_at_most_ms),
        final_within: ms(raw.final_within_ms),
        speech_at_most: Duration::from_secs(raw.speech_at_most_s.into()),
        reply_within: Duration::from_secs(raw.reply_within_s.into()),
        idle: (raw.idle_s > 0).then(|| Duration::from_secs(raw.idle_s.into())),
        filler_after: ms(raw.filler_after_ms),
        ..TurnPolicy::default()
    }
}

fn activity(raw: &raw::TurnsActivity, findings: &mut Findings) -> ActivityPolicy {
    if raw.stop >= raw.start {
        let message = format!(
            "{} must be less than turns.activity.start, {}, or a voice in between flickers",
            raw.stop, raw.start
        );
        findings.note_at("turns.activity.stop", message);
    }
    ActivityPolicy {
        start: raw.start as f32,
        stop: raw.stop as f32,
        speech_after: Duration::from_millis(raw.speech_after_ms.into()),
        silence_after: Duration::from_millis(raw.silence_after_ms.into()),
        min_level: raw.min_level_db as f32,
    }
}

fn log(raw: &raw::Log, findings: &mut Findings) -> Log {
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&raw.filter) {
        let message = format!("\"{}\" is not a filter: {error}", raw.filter);
        findings.note_at("log.filter", message);
    }
    Log {
        format: match raw.format.as_str() {
            "json" => LogFormat::Json,
            _ => LogFormat::Text,
        },
        filter: raw.filter.clone(),
    }
}
