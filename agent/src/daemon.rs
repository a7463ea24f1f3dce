//! The composition root: every part constructed in order, in plain sight; then served, and drained
//! when a signal comes or an engine is lost.
use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use voiced_pipeline::{
    calls::{self, Calls, CallsSettings},
    drain::Drain,
};
use voiced_telephone::{StreamDoor, StreamSettings, Telephone};
use voiced_transport::{
    codec::opus_encoder::OpusSettings,
    edge::EdgeSettings,
    http::{self, Catalogue, Doors, Limits, Trust, serve::ServeLimits, tls::Certificate},
    keys::Keys,
    openai_realtime::session::SessionDefaults,
    rest::Room,
    webrtc::{Peers, WebRtcSettings, addresses_beside},
    websocket::WebSocketSettings,
};

use crate::{
    catalogue,
    config::{ApiKeys, Config, Edge, Listen, Secret, Webrtc},
    engines::{self, EngineLost, Engines},
    mcp::{self, PersonaServer, WithServers},
    measures,
    persona::Persona,
    studio::House,
    terminal,
    tools::Builtins,
};

/// How long calls that were told to end may take to do so.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(3);

/// What every carrier needs.
pub struct Parts {
    /// The engines all calls share.
    pub engines: Engines,
    /// Takes the calls.
    pub calls: Calls,
    /// Shutdown.
    pub drain: Drain,
    /// What sessions and the console show.
    pub catalogue: Catalogue,
}

/// Builds everything behind the doors: engines, personas, the desk that takes calls. Must be
/// called inside the runtime.
///
/// # Errors
/// When an engine or a persona cannot be had.
pub async fn build(config: &Config) -> anyhow::Result<Parts> {
    let drain = Drain::new();
    let engines = Engines::start(config).await?;
    let catalogue = catalogue::of(config);
    let mut personas = Vec::new();
    for persona in &config.personas.all {
        personas.push(answering(persona, config, &engines).await);
    }
    let calls = Calls::new(CallsSettings {
        ear: engines.ear.clone(),
        voice: engines.voice.clone(),
        personas,
        activity_detector: engines::activity_detector(),
        activity: config.activity,
        turn_detector: engines::turn_detector(),
        policy: config.turns.clone(),
        speed: Some(config.voice.speed),
        max_calls: config.n_calls(),
        max_calls_per_address: config.listen.max_calls_per_address,
        max_call: config.listen.max_call,
        translators: Arc::new(engines.translators(config)),
        tool_servers: Arc::new(mcp::Reach),
        drain: drain.clone(),
    });
    Ok(Parts {
        engines,
        calls,
        drain,
        catalogue,
    })
}

/// A persona with the chat model that speaks for it and the tools it may use.
async fn answering(persona: &Persona, config: &Config, engines: &Engines) -> calls::Persona {
    let servers = persona.servers.iter().map(|server| {
        PersonaServer::new(
            server.name.clone(),
            server.place.clone(),
            server.allowed.clone(),
        )
    });
    let own = Builtins::of(persona, config.personas.zone);
    let tools = WithServers::reach(own, servers.collect()).await;
    calls::Persona {
        name: persona.name.clone(),
        instructions: persona.instructions.clone(),
        greeting: persona.greeting.clone(),
        voice: Some(
            persona
                .voice
                .as_ref()
                .unwrap_or(&config.voice.voice)
                .clone(),
        ),
        mind: engines.mind_of(persona),
        tools: Arc::new(tools),
    }
}

/// `voiced serve`: until a signal comes and the last call is over.
///
/// # Errors
/// When something cannot be built or bound, or an engine is lost.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let metrics = measures::record()?;
    // Bound before anything slow is loaded: a port that is taken is told at once.
    let listener = TcpListener::bind(config.listen.address)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen.address))?;
    let address = listener.local_addr()?;
    let certificate = match &config.listen.tls {
        Some((chain, key)) => Some(Certificate::open(chain, key)?),
        None => None,
    };
    let telephone = match &config.telephone {
        Some(settings) => Some(Telephone::open(settings.clone()).await?),
        None => None,
    };
    let parts = build(&config).await?;
    let peers = match &config.webrtc {
        Some(webrtc) => Some(open_peers(webrtc, address, config.edge)?),
        None => None,
    };
    let drain = parts.drain.clone();
    let doors = doors(&config, &parts, address, peers.clone(), metrics.clone());
    let sockets = doors.sockets.clone();
    let mut router = http::router(Arc::new(doors));
    if let Some(streams) = &config.streams {
        router = router.merge(StreamDoor::router(StreamSettings {
            calls: parts.calls.clone(),
            public_url: streams.public_url.clone(),
            twilio_token: streams
                .twilio_token
                .as_ref()
                .map(|token| token.reveal().to_owned()),
            token: streams
                .token
                .as_ref()
                .map(|token| token.reveal().to_owned()),
            keypad: streams.keypad,
            records: None,
        }));
    }
    let limits = ServeLimits {
        connections: config.listen.max_connections,
        half_open: config.listen.max_half_open,
        head_within: config.listen.request_within,
        ..ServeLimits::default()
    };
    let mut server = JoinSet::new();
    server.spawn(http::serve(
        listener,
        certificate.as_ref().map(Certificate::acceptor),
        router,
        limits,
        sockets,
        drain.clone(),
    ));
    if let Some(telephone) = telephone {
        for (transport, address) in telephone.addresses() {
            tracing::info!(%address, transport = transport.name(), "the telephone is open");
            terminal::say(&format!(
                "calls are taken at sip:{address} ({})",
                transport.name()
            ));
        }
        let served = telephone.serve(parts.calls.clone(), drain.clone());
        server.spawn(async move { served.await.map_err(std::io::Error::other) });
    }
    // Ends with this function.
    let mut upkeep = JoinSet::new();
    upkeep.spawn(measures::keep(metrics));
    let scheme = if certificate.is_some() {
        "https"
    } else {
        "http"
    };
    if let Some(certificate) = certificate {
        upkeep.spawn(async move {
            renew(certificate).await;
            Ok(())
        });
    }
    terminal::say(&format!("voiced is ready: {scheme}://{address}"));
    tracing::info!(%address, calls = config.n_calls(), "ready");

    let end = wait_for_the_end(&parts.engines, &mut server).await?;
    drain_within(&config, &drain).await;
    if let Some(peers) = peers {
        peers.shut_down().await;
    }
    // The listener ends by itself once the last call is over; connections that do not end with it
    // have had their time.
    let all_over = async { while server.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GOODBYE, all_over).await;
    match end {
        End::Signal => Ok(()),
        End::Lost(lost) => Err(lost.into()),
    }
}

/// Reads the certificate again whenever it is told to; one that cannot be used changes nothing.
async fn renew(certificate: Arc<Certificate>) {
    let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
        tracing::warn!("SIGHUP cannot be waited for: a new certificate needs a restart");
        return;
    };
    while hang_up.recv().await.is_some() {
        match certificate.reload() {
            Ok(()) => tracing::info!("certificate read again"),
            Err(error) => tracing::error!(%error, "the new certificate cannot be used"),
        }
    }
}

/// Why the daemon goes down.
enum End {
    Signal,
    Lost(EngineLost),
}

async fn wait_for_the_end(
    engines: &Engines,
    server: &mut JoinSet<std::io::Result<()>>,
) -> anyhow::Result<End> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => Ok(End::Signal),
        _ = interrupt.recv() => Ok(End::Signal),
        lost = engines.lost() => Ok(End::Lost(lost)),
        Some(ended) = server.join_next() => {
            ended.context("the listener panicked")?.context("the listener failed")?;
            anyhow::bail!("the listener ended by itself")
        }
    }
}

/// Lets calls end by themselves, then ends them. A second signal cuts the wait short.
async fn drain_within(config: &Config, drain: &Drain) {
    drain.start();
    let n_calls = drain.n_alive();
    let deadline = config.drain_deadline;
    tracing::info!(n_calls, ?deadline, "draining");
    if n_calls > 0 {
        terminal::complain("voiced is going down once its calls are over; again to end them now");
    }
    let again = async {
        match (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) {
            (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            },
            _ => std::future::pending().await,
        }
    };
    let over = tokio::select! {
        over = drain.finished(deadline) => over,
        () = again => false,
    };
    if !over {
        tracing::info!(n_calls = drain.n_alive(), "ending what is left");
        drain.end_calls();
        drain.finished(GOODBYE).await;
    }
}

fn doors(
    config: &Config,
    parts: &Parts,
    address: SocketAddr,
    peers: Option<Peers>,
    metrics: PrometheusHandle,
) -> Doors {
    let listen = &config.listen;
    let engines = parts.engines.clone();
    Doors {
        calls: parts.calls.clone(),
        keys: keys(&listen.keys),
        trust: trust(listen, address),
        limits: Limits {
            body: listen.max_body,
            body_within: listen.request_within,
            max_call: listen.max_call,
            ..Limits::default()
        },
        session: session(config, parts),
        strict: listen.strict,
        studio: Arc::new(House {
            ear: parts.engines.ear.clone(),
            voice: parts.engines.voice.clone(),
            detector: engines::activity_detector(),
            activity: config.activity,
            abilities: engines::abilities(&config.ear),
        }),
        room: Room::new(config.services),
        catalogue: parts.catalogue.clone(),
        websocket: WebSocketSettings {
            edge: edge(config.edge),
            ..WebSocketSettings::default()
        },
        sockets: Default::default(),
        peers,
        drain: parts.drain.clone(),
        metrics: Arc::new(move || metrics.render()),
        ready: Arc::new(move || match engines.unhealthy() {
            None => Ok(()),
            Some(engine) => Err(format!("the {engine} is lost")),
        }),
    }
}

fn keys(keys: &ApiKeys) -> Keys {
    match keys {
        ApiKeys::Anybody => Keys::open(),
        ApiKeys::OneOf(keys) => Keys::new(keys.iter().map(Secret::reveal)),
    }
}

fn trust(listen: &Listen, address: SocketAddr) -> Trust {
    Trust {
        loopback: address.ip().is_loopback(),
        hosts: listen.allowed_hosts.clone(),
        origins: listen.allowed_origins.clone(),
    }
}

fn session(config: &Config, parts: &Parts) -> SessionDefaults {
    let persona = &parts.calls.personas()[0];
    let voices = parts.catalogue.voices.iter();
    SessionDefaults {
        model: parts.catalogue.model.clone(),
        voice: persona.voice.clone().unwrap_or(config.voice.voice.clone()),
        policy: config.turns.clone(),
        speed: config.voice.speed,
        voices: voices.map(|voice| voice.name.clone()).collect(),
        images: config.mind.images,
        languages: engines::abilities(&config.ear).languages,
        tool_hosts: config.listen.tool_server_hosts.clone(),
        ..SessionDefaults::default()
    }
}

fn open_peers(webrtc: &Webrtc, listener: SocketAddr, edges: Edge) -> anyhow::Result<Peers> {
    let addresses = match webrtc.addresses.is_empty() {
        true => addresses_beside(listener.ip()),
        false => webrtc.addresses.clone(),
    };
    Peers::open(WebRtcSettings {
        addresses,
        port: webrtc.port,
        public_addresses: webrtc.public_addresses.clone(),
        opus: OpusSettings {
            complexity: webrtc.complexity,
            bitrate: webrtc.bitrate,
            expected_loss: webrtc.expected_loss,
        },
        edge: edge(edges),
        connect_within: webrtc.connect_within,
        lost_after: webrtc.lost_after,
    })
    .with_context(|| format!("cannot open the UDP port {} of WebRTC", webrtc.port))
}

/// What is done to a microphone, as the carriers call it.
pub fn edge(edge: Edge) -> EdgeSettings {
    EdgeSettings {
        echo_cancellation: edge.echo_cancellation,
        noise_suppression: edge.noise_suppression,
        high_pass: edge.high_pass,
        ..EdgeSettings::default()
    }
}
