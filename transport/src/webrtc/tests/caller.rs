//! The other side of a test call: a peer connection used as a browser uses its own, and a call made
//! by hand behind ours.
use std::{f32::consts::TAU, sync::Arc, time::Duration};

use async_trait::async_trait;
use rtc::{
    interceptor::Registry,
    media_stream::MediaStreamTrack,
    peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MediaEngine},
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
        RtpCodecKind,
    },
};
use serde_json::Value;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
};
use voiced_core::{
    epoch::{Epoch, EpochWriter, epoch},
    playout::{FRAME, Playback, PlayoutFrame, PlayoutWriter, RING_FRAMES, playout},
    turn::{CallEvent, Command, CommandId},
};
use voiced_pipeline::call::{CallHandle, MicReceiver, Speaker, mic};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    media_stream::{
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
        RTCPeerConnectionState, RTCSessionDescription, SettingEngineBuilder,
    },
    runtime::TokioRuntime,
};

use super::{Answer, Offer, Peers, soon};
use crate::{
    codec::opus_encoder::{OpusEncoder, OpusSettings},
    openai_realtime::{Carrier, Dialect, DialectOptions, session::SessionDefaults},
    pacer::{Clock, Pacer},
};

const SSRC: u32 = 1_234;
const PAYLOAD_TYPE: u8 = 109;

/// The daemon's side of a call, in the test's hands.
pub(super) struct FakeCall {
    pub(super) heard: MicReceiver,
    pub(super) voice: PlayoutWriter,
    pub(super) commands: mpsc::Receiver<(CommandId, Command)>,
    pub(super) events: mpsc::Sender<CallEvent>,
    _epoch: EpochWriter,
    _played: watch::Receiver<Playback>,
}

impl FakeCall {
    pub(super) fn new() -> (Self, CallHandle) {
        let (mic, heard) = mic();
        let (epoch, reader) = epoch();
        let (voice, ring, _control) = playout(RING_FRAMES, reader);
        let (reports, played) = watch::channel(Playback::default());
        let (commands_tx, commands) = mpsc::channel(64);
        let (events, events_rx) = mpsc::channel(256);
        let call = FakeCall {
            heard,
            voice,
            commands,
            events,
            _epoch: epoch,
            _played: played,
        };
        let handle = CallHandle {
            mic,
            speaker: Speaker::new(ring, reports),
            commands: commands_tx,
            events: events_rx,
        };
        (call, handle)
    }
}

pub(super) fn dialect() -> Dialect {
    let options = DialectOptions {
        carrier: Carrier::WebRtc,
        kind: Default::default(),
        name: "0badcafe".into(),
        strict: false,
        extensions: false,
        expires_at: None,
    };
    Dialect::new(options, SessionDefaults::default())
}

/// 20 ms of the agent.
pub(super) fn frame(epoch: u64, is_last: bool) -> PlayoutFrame {
    PlayoutFrame {
        epoch: Epoch(epoch),
        samples: std::array::from_fn(|n| 0.3 * (n as f32 * 0.06).sin()),
        is_last,
    }
}

/// Offers, answers and connects.
pub(super) async fn meet(peers: &Peers) -> (Caller, FakeCall, Answer) {
    let caller = Caller::new().await;
    let (call, handle) = FakeCall::new();
    let offer = Offer::read(&caller.offer().await).unwrap();
    let answer = peers.answer(offer, handle, dialect()).await.unwrap();
    caller.take(&answer.sdp).await;
    (caller, call, answer)
}

struct Watcher {
    state: watch::Sender<RTCPeerConnectionState>,
    track: mpsc::Sender<Arc<dyn TrackRemote>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Watcher {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.track.try_send(track);
    }
}

pub(super) struct Caller {
    connection: Arc<dyn PeerConnection>,
    voice: Arc<dyn TrackLocal>,
    channel: Arc<dyn DataChannel>,
    state: Mutex<watch::Receiver<RTCPeerConnectionState>>,
    arriving: Mutex<mpsc::Receiver<Arc<dyn TrackRemote>>>,
    track: Mutex<Option<Arc<dyn TrackRemote>>>,
}

impl Caller {
    pub(super) async fn new() -> Self {
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: vec![],
        };
        let mut media = MediaEngine::default();
        let parameters = RTCRtpCodecParameters {
            rtp_codec: codec.clone(),
            payload_type: PAYLOAD_TYPE,
        };
        media
            .register_codec(parameters, RtpCodecKind::Audio)
            .unwrap();
        let (state, state_rx) = watch::channel(RTCPeerConnectionState::New);
        let (track, arriving) = mpsc::channel(4);
        let engine = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled);
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(media)
            .with_interceptor_registry(Registry::new())
            .with_setting_engine(engine.build())
            .with_handler(Arc::new(Watcher { state, track }))
            .with_runtime(Arc::new(TokioRuntime))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await
            .unwrap();
        let coding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(SSRC),
                ..RTCRtpCodingParameters::default()
            },
            codec,
            ..RTCRtpEncodingParameters::default()
        };
        let voice: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "m".into(),
            "mic".into(),
            "caller".into(),
            RtpCodecKind::Audio,
            vec![coding],
        )));
        connection.add_track(voice.clone()).await.unwrap();
        let channel = connection
            .create_data_channel("oai-events", None)
            .await
            .unwrap();
        Caller {
            connection: Arc::new(connection),
            voice,
            channel,
            state: Mutex::new(state_rx),
            arriving: Mutex::new(arriving),
            track: Mutex::new(None),
        }
    }

    /// The offer before any candidate was gathered, as browsers send it to such servers.
    pub(super) async fn offer(&self) -> String {
        self.connection.create_offer(None).await.unwrap().sdp
    }

    /// Takes the answer, connects and opens the channel.
    pub(super) async fn take(&self, answer: &str) {
        let offer = self.connection.create_offer(None).await.unwrap();
        self.connection.set_local_description(offer).await.unwrap();
        let answer = RTCSessionDescription::answer(answer.to_owned()).unwrap();
        self.connection
            .set_remote_description(answer)
            .await
            .unwrap();
        let mut state = self.state.lock().await;
        soon(
            "the connection",
            state.wait_for(|s| *s == RTCPeerConnectionState::Connected),
        )
        .await
        .unwrap();
        soon("the channel opens", async {
            while !matches!(self.channel.poll().await, Some(DataChannelEvent::OnOpen)) {}
        })
        .await;
    }

    /// Speaks a tone until dropped.
    pub(super) fn speak(&self, hz: f32) -> JoinSet<()> {
        let voice = self.voice.clone();
        let mut tone = JoinSet::new();
        tone.spawn(async move {
            let mut encoder = OpusEncoder::new(OpusSettings::default()).unwrap();
            let mut pacer = Pacer::new(Clock::start(), "test");
            loop {
                let n = pacer.tick().await.number;
                let samples: [f32; FRAME] = std::array::from_fn(|k| {
                    let t = (n as usize * FRAME + k) as f32 / 24_000.0;
                    0.3 * (t * hz * TAU).sin()
                });
                let payload = encoder.encode(&samples).unwrap();
                voice.write_rtp(packet(n, payload)).await.unwrap();
            }
        });
        tone
    }

    pub(super) fn voice(&self) -> Arc<dyn TrackLocal> {
        self.voice.clone()
    }

    /// The next RTP packet from the agent.
    pub(super) async fn next_packet(&self) -> rtp::Packet {
        let mut track = self.track.lock().await;
        if track.is_none() {
            *track = soon("a track", self.arriving.lock().await.recv()).await;
        }
        let track = track.clone().unwrap();
        loop {
            match soon("a packet", track.poll()).await {
                Some(TrackRemoteEvent::OnRtpPacket(packet)) => return packet,
                Some(_) => {}
                None => panic!("the track ended"),
            }
        }
    }

    /// The next event.
    pub(super) async fn next_event(&self) -> Value {
        loop {
            match soon("an event", self.channel.poll()).await {
                Some(DataChannelEvent::OnMessage(message)) => {
                    assert!(message.is_string);
                    return serde_json::from_slice(&message.data).unwrap();
                }
                Some(DataChannelEvent::OnClose) | None => panic!("the channel closed"),
                Some(_) => {}
            }
        }
    }

    pub(super) async fn send(&self, text: &str) {
        self.channel.send_text(text).await.unwrap();
    }

    pub(super) async fn send_bytes(&self, bytes: &[u8]) {
        self.channel.send(bytes.into()).await.unwrap();
    }

    /// Closes the channel, gives that a moment to be said, and goes.
    pub(super) async fn leave(self) {
        let _ = self.channel.close().await;
        let _ = tokio::time::timeout(Duration::from_millis(500), async {
            while self.channel.poll().await.is_some() {}
        })
        .await;
        self.connection.close().await.unwrap();
    }
}

/// The n-th packet of a caller's voice.
pub(super) fn packet(n: u64, payload: bytes::Bytes) -> rtp::Packet {
    rtp::Packet {
        header: rtp::Header {
            version: 2,
            payload_type: PAYLOAD_TYPE,
            sequence_number: n as u16,
            timestamp: (n as u32).wrapping_mul(960),
            ssrc: SSRC,
            marker: n == 0,
            ..rtp::Header::default()
        },
        payload,
    }
}
