//! Many WebRTC calls at once, Opus both ways: the offering side is the same stack the daemon
//! answers with, used as a browser uses its own.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use async_trait::async_trait;
use bytes::Bytes;
use rtc::{
    ice::mdns::MulticastDnsMode,
    interceptor::Registry,
    media_stream::MediaStreamTrack,
    peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MediaEngine},
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
        RtpCodecKind,
    },
};
use tokio::sync::{mpsc, watch};
use voiced_core::playout::FRAME;
use voiced_transport::codec::opus_encoder::{OpusEncoder, OpusSettings};
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

use crate::bench::{
    clock::{self, Instant},
    daemon::{Daemon, INSTANT_ENGINES, request},
    figures::Figure,
    load, speech,
};

const SSRC: u32 = 4_711;
const PAYLOAD_TYPE: u8 = 111;
/// Samples of 20 ms on the RTP clock.
const RTP_FRAME: u32 = 960;

/// Holds `calls` WebRTC calls for `seconds`.
///
/// # Errors
/// When the daemon fails.
pub async fn calls(calls: usize, seconds: u64) -> anyhow::Result<Vec<Figure>> {
    let settings = [
        "mind.fixed.text=It is sunny and it will stay so.",
        "turns.silence_ms=500",
    ];
    let daemon = Daemon::start(&[INSTANT_ENGINES, &settings]).await?;
    let address = daemon.address;
    let clip = Clip::new(&speech::clip().await?)?;
    let load = load::hold(&daemon, "webrtc", calls, seconds, |end| {
        let clip = clip.clone();
        async move {
            let mut peer = Peer::call(address).await?;
            let talked = peer.talk_until(&clip, end).await;
            peer.hang_up().await;
            talked
        }
    })
    .await?;
    daemon.stop().await?;
    Ok(load.figures("WebRTC calls with Opus both ways", 60))
}

/// A clip and the silence after it, coded once.
#[derive(Clone)]
struct Clip {
    speech: Arc<[Bytes]>,
    silence: Bytes,
}

impl Clip {
    fn new(samples: &[f32]) -> anyhow::Result<Clip> {
        let mut encoder = OpusEncoder::new(OpusSettings::default())?;
        let mut frame = [0.0; FRAME];
        let mut speech = Vec::new();
        for chunk in samples.chunks(FRAME) {
            frame.fill(0.0);
            frame[..chunk.len()].copy_from_slice(chunk);
            speech.push(encoder.encode(&frame)?);
        }
        // The codec still remembers the speech; after some frames it says nothing but silence.
        frame.fill(0.0);
        for _ in 0..10 {
            encoder.encode(&frame)?;
        }
        Ok(Clip {
            speech: speech.into(),
            silence: encoder.encode(&frame)?,
        })
    }
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
        // There is one track; another would find the queue's room taken and be left alone.
        let _ = self.track.try_send(track);
    }
}

/// One call.
struct Peer {
    connection: Arc<dyn PeerConnection>,
    voice: Arc<dyn TrackLocal>,
    channel: Arc<dyn DataChannel>,
    arriving: mpsc::Receiver<Arc<dyn TrackRemote>>,
    beat: tokio::time::Interval,
    n_sent: u32,
    n_heard: usize,
    talking: bool,
}

impl Peer {
    /// Offers, is answered, connects.
    async fn call(address: SocketAddr) -> anyhow::Result<Peer> {
        let (state, mut connected) = watch::channel(RTCPeerConnectionState::New);
        let (track, arriving) = mpsc::channel(1);
        let codec = opus();
        let connection = connection(&codec, Watcher { state, track }).await?;
        let voice = microphone(codec);
        connection.add_track(voice.clone()).await?;
        let channel = connection.create_data_channel("oai-events", None).await?;
        let offer = connection.create_offer(None).await?;
        let sdp = offer.sdp.clone();
        connection.set_local_description(offer).await?;
        let path = "/v1/realtime/calls";
        let answer = request(address, "POST", path, "application/sdp", &sdp).await?;
        let answer = RTCSessionDescription::answer(answer)?;
        connection.set_remote_description(answer).await?;
        let peer = Peer {
            connection,
            voice,
            channel,
            arriving,
            beat: clock::microphone(clock::now()),
            n_sent: 0,
            n_heard: 0,
            talking: false,
        };
        let up = connected.wait_for(|state| *state == RTCPeerConnectionState::Connected);
        clock::within(Duration::from_secs(15), up)
            .await
            .context("not connected within 15 seconds")??;
        Ok(peer)
    }

    /// Talks and listens in turn; how many turns were answered.
    async fn talk_until(&mut self, clip: &Clip, end: Instant) -> anyhow::Result<usize> {
        let mut track = None;
        let mut answered = 0;
        self.beat = clock::microphone(clock::now());
        while clock::now() < end {
            for packet in clip.speech.iter() {
                self.frame(packet, &mut track).await?;
            }
            let n_before = self.n_heard;
            let mut left = 500;
            // Until the reply came and was played to its end.
            loop {
                let was_talking = self.talking;
                self.frame(&clip.silence, &mut track).await?;
                if was_talking && !self.talking {
                    break;
                }
                left -= 1;
                if left == 0 {
                    bail!("a turn was not answered within ten seconds");
                }
            }
            if self.n_heard == n_before {
                bail!("a reply was announced but not heard");
            }
            answered += 1;
        }
        Ok(answered)
    }

    /// Sends one frame when it is due; meanwhile hears what comes.
    async fn frame(
        &mut self,
        payload: &Bytes,
        track: &mut Option<Arc<dyn TrackRemote>>,
    ) -> anyhow::Result<()> {
        loop {
            let playing = track.clone();
            let heard = async {
                match &playing {
                    Some(track) => track.poll().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = self.beat.tick() => break,
                event = heard => match event.context("the agent's track ended")? {
                    TrackRemoteEvent::OnRtpPacket(_) => self.n_heard += 1,
                    _ => continue,
                },
                event = self.channel.poll() => match event.context("the call ended")? {
                    DataChannelEvent::OnMessage(message) => {
                        let text = String::from_utf8_lossy(&message.data);
                        if text.contains("\"output_audio_buffer.started\"") {
                            self.talking = true;
                        } else if text.contains("\"output_audio_buffer.stopped\"") {
                            self.talking = false;
                        } else if text.contains("\"type\":\"error\"") {
                            bail!("the daemon complains: {text}");
                        }
                    }
                    DataChannelEvent::OnClose => bail!("the daemon hung up"),
                    _ => continue,
                },
                arrived = self.arriving.recv(), if playing.is_none() => *track = arrived,
            }
        }
        let packet = rtp::Packet {
            header: rtp::Header {
                version: 2,
                payload_type: PAYLOAD_TYPE,
                sequence_number: self.n_sent as u16,
                timestamp: self.n_sent.wrapping_mul(RTP_FRAME),
                ssrc: SSRC,
                ..rtp::Header::default()
            },
            payload: payload.clone(),
        };
        self.n_sent = self.n_sent.wrapping_add(1);
        self.voice.write_rtp(packet).await?;
        Ok(())
    }

    async fn hang_up(self) {
        // A connection that is gone already is closed enough.
        let _ = self.connection.close().await;
    }
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

async fn connection(
    codec: &RTCRtpCodec,
    watcher: Watcher,
) -> anyhow::Result<Arc<dyn PeerConnection>> {
    let mut media = MediaEngine::default();
    let parameters = RTCRtpCodecParameters {
        rtp_codec: codec.clone(),
        payload_type: PAYLOAD_TYPE,
    };
    media.register_codec(parameters, RtpCodecKind::Audio)?;
    let engine = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled);
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(media)
        .with_interceptor_registry(Registry::new())
        .with_setting_engine(engine.build())
        .with_handler(Arc::new(watcher))
        .with_runtime(Arc::new(TokioRuntime))
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await?;
    Ok(Arc::new(connection))
}

fn microphone(codec: RTCRtpCodec) -> Arc<dyn TrackLocal> {
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(SSRC),
            ..RTCRtpCodingParameters::default()
        },
        codec,
        ..RTCRtpEncodingParameters::default()
    };
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        "caller".into(),
        "microphone".into(),
        "bench".into(),
        RtpCodecKind::Audio,
        vec![coding],
    )))
}
