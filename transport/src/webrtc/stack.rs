//! One peer connection of the WebRTC stack, set up to answer, and what it reports.
use std::sync::Arc;

use async_trait::async_trait;
use rtc::{
    ice::mdns::MulticastDnsMode,
    interceptor::Registry,
    media_stream::MediaStreamTrack,
    peer_connection::configuration::{
        interceptor_registry::configure_rtcp_reports,
        media_engine::{MIME_TYPE_OPUS, MediaEngine},
        setting_engine::SctpMaxMessageSize,
    },
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
        RtpCodecKind,
    },
};
use tokio::sync::{mpsc, watch};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    media_stream::{
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
        RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, SettingEngine,
        SettingEngineBuilder,
    },
};

use super::{
    WebRtcSettings,
    offer::{Offer, OfferError},
    port::{Place, Port},
};

/// The data channel that carries events; made by the client.
const EVENTS_CHANNEL: &str = "oai-events";
/// Most bytes of one message either way: what Chrome announces, and libwebrtc's limit.
pub(super) const LARGEST_MESSAGE: u32 = 256 * 1024;
/// What may wait in the data channel for a peer that does not read; a peer that lets more wait is
/// disconnected.
const UNREAD: usize = 1024 * 1024;
/// How often the stack says that it is there while nothing else is sent.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(2);

/// A connection that answers one offer.
pub(super) struct Stack {
    pub(super) connection: Arc<dyn PeerConnection>,
    pub(super) outgoing: Arc<dyn TrackLocal>,
    pub(super) ssrc: u32,
    pub(super) reports: Reports,
    /// Keeps the place on the port.
    _place: Place,
}

/// What the stack tells.
pub(super) struct Reports {
    pub(super) state: watch::Receiver<RTCPeerConnectionState>,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
    gathered: watch::Receiver<bool>,
}

/// Something the peer opened.
pub(super) enum Arrival {
    /// Its microphone.
    Track(Arc<dyn TrackRemote>),
    /// Its events.
    Channel(Arc<dyn DataChannel>),
}

struct Reporter {
    state: watch::Sender<RTCPeerConnectionState>,
    arrivals: mpsc::Sender<Arrival>,
    gathered: watch::Sender<bool>,
}

#[async_trait]
impl PeerConnectionEventHandler for Reporter {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        if channel.label().await.is_ok_and(|l| l == EVENTS_CHANNEL) {
            // More than one of each is not part of the protocol; the queue holds a few.
            let _ = self.arrivals.try_send(Arrival::Channel(channel));
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.arrivals.try_send(Arrival::Track(track));
    }
}

impl Stack {
    /// Builds a connection and answers the offer; the answer lacks usable candidates.
    pub(super) async fn answer(
        offer: &Offer,
        settings: &WebRtcSettings,
        port: &Port,
    ) -> Result<(Stack, String), OfferError> {
        let place = port.place();
        let (state, state_rx) = watch::channel(RTCPeerConnectionState::New);
        let (gathered, gathered_rx) = watch::channel(false);
        let (arrivals, arrivals_rx) = mpsc::channel(4);
        let reporter = Reporter {
            state,
            arrivals,
            gathered,
        };
        let mut media = MediaEngine::default();
        media
            .register_codec(opus(offer.opus), RtpCodecKind::Audio)
            .map_err(failed)?;
        // Receiver reports tell the peer, and us, about loss. Retransmission and bandwidth
        // estimation are left out: they come too late or are not needed for one voice.
        let registry = configure_rtcp_reports(Registry::new());
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_setting_engine(engine(settings, port, &place))
            .with_handler(Arc::new(reporter))
            .with_runtime(place.runtime())
            .with_udp_addrs(place.wanted_sockets())
            .with_data_channel_send_buffer_limit(UNREAD)
            .build()
            .await
            .map_err(failed)?;
        // Somewhere in the upper half: small numbers collide with test tools' favourites.
        let ssrc = (uuid::Uuid::new_v4().as_u128() as u32) | 0x8000_0000;
        let track = TrackLocalStaticRTP::new(voice_track(ssrc));
        let mut stack = Stack {
            connection: Arc::new(connection),
            outgoing: Arc::new(track),
            ssrc,
            reports: Reports {
                state: state_rx,
                arrivals: arrivals_rx,
                gathered: gathered_rx,
            },
            _place: place,
        };
        let exchanged = tokio::time::timeout(settings.connect_within, stack.exchange(offer)).await;
        let error = match exchanged {
            Ok(Ok(sdp)) => return Ok((stack, sdp)),
            Ok(Err(error)) => error,
            Err(_) => OfferError::Failed("the WebRTC stack did not answer in time".into()),
        };
        // A connection that is only dropped leaves its tasks behind.
        let _ = stack.connection.close().await;
        Err(error)
    }

    async fn exchange(&mut self, offer: &Offer) -> Result<String, OfferError> {
        let offer = RTCSessionDescription::offer(offer.sdp.clone()).map_err(refused)?;
        self.connection
            .add_track(self.outgoing.clone())
            .await
            .map_err(failed)?;
        self.connection
            .set_remote_description(offer)
            .await
            .map_err(refused)?;
        let answer = self.connection.create_answer(None).await.map_err(refused)?;
        self.connection
            .set_local_description(answer)
            .await
            .map_err(refused)?;
        let _ = self.reports.gathered.wait_for(|done| *done).await;
        let answer = self.connection.local_description().await;
        answer
            .map(|answer| answer.sdp)
            .ok_or_else(|| OfferError::Failed("the WebRTC stack gave no answer".into()))
    }
}

fn refused(error: impl std::fmt::Display) -> OfferError {
    OfferError::Refused(error.to_string())
}

fn failed(error: impl std::fmt::Display) -> OfferError {
    OfferError::Failed(error.to_string())
}

fn engine(settings: &WebRtcSettings, port: &Port, place: &Place) -> SettingEngine {
    let (name, password) = place.credentials();
    // "Disconnected" is told early and looked after by the peer's own task; the stack gives up for
    // good a little later than that.
    let disconnected = settings.lost_after / 2;
    SettingEngineBuilder::new()
        .with_crypto_provider(port.crypto())
        .with_ice_credentials(name, password)
        .with_ice_timeouts(
            Some(disconnected),
            Some(settings.lost_after),
            Some(KEEP_ALIVE),
        )
        .with_include_loopback_candidate(true)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(LARGEST_MESSAGE))
        .build()
}

fn codec() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

/// Opus under the payload type the offer gave it: the stack checks it on sending.
fn opus(payload_type: u8) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: codec(),
        payload_type,
    }
}

fn voice_track(ssrc: u32) -> MediaStreamTrack {
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..RTCRtpCodingParameters::default()
        },
        codec: codec(),
        ..RTCRtpEncodingParameters::default()
    };
    MediaStreamTrack::new(
        "voiced".to_owned(),
        "voice".to_owned(),
        "agent".to_owned(),
        RtpCodecKind::Audio,
        vec![coding],
    )
}

/// The next of a track, if there is one.
pub(super) async fn poll_track(track: Option<&Arc<dyn TrackRemote>>) -> Option<TrackRemoteEvent> {
    match track {
        Some(track) => track.poll().await,
        None => std::future::pending().await,
    }
}

/// The next of a channel, if there is one.
pub(super) async fn poll_channel(
    channel: Option<&Arc<dyn DataChannel>>,
) -> Option<DataChannelEvent> {
    match channel {
        Some(channel) => channel.poll().await,
        None => std::future::pending().await,
    }
}
