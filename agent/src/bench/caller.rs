//! A caller on a WebSocket who speaks in real time and notes when what came back. It knows just
//! enough of the dialect to measure; a frame costs it no parsing, so that a few hundred of them
//! leave the processor to the daemon.
use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest},
};

use crate::bench::clock::{self, Instant};

/// A clip as it goes over the wire: one message per 20 ms, made once and sent by every caller.
#[derive(Clone, Debug)]
pub struct Clip {
    frames: Arc<[Utf8Bytes]>,
}

impl Clip {
    /// From samples at 24 kHz; a last frame that is not full is filled with silence.
    pub fn new(samples: &[f32]) -> Clip {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        const SAMPLES: usize = 480;
        let frames = samples.chunks(SAMPLES).map(|chunk| {
            let mut pcm = voiced_core::audio::to_pcm16(chunk);
            pcm.resize(SAMPLES * 2, 0);
            let audio = STANDARD.encode(pcm);
            let message = format!(r#"{{"type":"input_audio_buffer.append","audio":"{audio}"}}"#);
            Utf8Bytes::from(message)
        });
        Clip {
            frames: frames.collect(),
        }
    }

    /// 20 ms of silence.
    pub fn silence() -> Clip {
        Clip::new(&[0.0; 480])
    }

    /// How many frames of 20 ms.
    pub fn n_frames(&self) -> usize {
        self.frames.len()
    }

    fn frame(&self, number: usize) -> Message {
        Message::Text(self.frames[number].clone())
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The session stands.
    Created,
    /// The caller was noticed, and the agent gives way.
    SpeechStarted,
    /// The agent's turn began.
    ReplyStarted,
    /// A stretch of the agent's voice.
    Audio,
    /// The agent's turn ended.
    ReplyEnded {
        /// By the caller's words.
        interrupted: bool,
    },
    /// The daemon complains.
    Error(String),
    /// Anything else.
    Other,
}

impl Heard {
    fn of(text: &str) -> Heard {
        // Most messages are sound; its base64 cannot hold a quoted name.
        let has = |name: &str| text.contains(name);
        if has("\"response.output_audio.delta\"") {
            return Heard::Audio;
        }
        let event: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "session.created" => Heard::Created,
            "input_audio_buffer.speech_started" => Heard::SpeechStarted,
            "response.created" => Heard::ReplyStarted,
            "response.done" => Heard::ReplyEnded {
                interrupted: event["response"]["status"] == "cancelled",
            },
            "error" => Heard::Error(event["error"]["message"].to_string()),
            _ => Heard::Other,
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

/// One call.
pub struct Caller {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    beat: tokio::time::Interval,
    silence: Clip,
}

impl Caller {
    /// Calls, and waits until the session stands.
    ///
    /// # Errors
    /// When the daemon refuses, or does not answer within ten seconds.
    pub async fn call(address: SocketAddr) -> anyhow::Result<Caller> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut request =
                format!("ws://{address}/v1/realtime?model=voiced").into_client_request()?;
            request
                .headers_mut()
                .insert("authorization", "Bearer bench".parse()?);
            let (socket, _) = client_async(request, stream).await?;
            anyhow::Ok(socket)
        };
        let socket = clock::within(std::time::Duration::from_secs(10), connect)
            .await
            .context("the daemon did not take the call within ten seconds")??;
        let (sink, stream) = socket.split();
        let mut caller = Caller {
            sink,
            stream,
            beat: clock::microphone(clock::now()),
            silence: Clip::silence(),
        };
        match caller.hear().await? {
            (_, Heard::Created) => Ok(caller),
            (_, other) => bail!("the session began with {other:?}"),
        }
    }

    /// Takes the microphone's beat up again after a time in which nothing was sent; what was
    /// missed is not made up for.
    pub fn resume(&mut self) {
        self.beat = clock::microphone(clock::now());
    }

    /// Waits for what comes next, saying nothing.
    ///
    /// # Errors
    /// When the call ends, or the daemon complains.
    pub async fn hear(&mut self) -> anyhow::Result<(Instant, Heard)> {
        hear_next(&mut self.stream).await
    }

    /// Says a whole clip in real time; what comes back meanwhile goes to `heard`. The time the
    /// first and the last frame were sent.
    ///
    /// # Errors
    /// When the call ends, or the daemon complains.
    pub async fn say(
        &mut self,
        clip: &Clip,
        mut heard: impl FnMut(Instant, Heard),
    ) -> anyhow::Result<(Instant, Instant)> {
        let mut times = None;
        for number in 0..clip.n_frames() {
            let at = self.send_on_beat(clip.frame(number), &mut heard).await?;
            times = Some((times.map_or(at, |(first, _)| first), at));
        }
        times.context("an empty clip")
    }

    /// Is silent in real time until `enough` says so of something that came back, but not for
    /// longer than `frames`. When that came, or `None`.
    ///
    /// # Errors
    /// When the call ends, or the daemon complains.
    pub async fn listen(
        &mut self,
        frames: usize,
        mut enough: impl FnMut(Instant, &Heard) -> bool,
    ) -> anyhow::Result<Option<Instant>> {
        for _ in 0..frames {
            loop {
                tokio::select! {
                    biased;
                    _ = self.beat.tick() => break,
                    next = hear_next(&mut self.stream) => {
                        let (at, heard) = next?;
                        if enough(at, &heard) {
                            return Ok(Some(at));
                        }
                    }
                }
            }
            self.sink.send(self.silence.frame(0)).await?;
        }
        Ok(None)
    }

    async fn send_on_beat(
        &mut self,
        message: Message,
        heard: &mut impl FnMut(Instant, Heard),
    ) -> anyhow::Result<Instant> {
        loop {
            tokio::select! {
                biased;
                _ = self.beat.tick() => break,
                next = hear_next(&mut self.stream) => {
                    let (at, what) = next?;
                    heard(at, what);
                }
            }
        }
        let at = clock::now();
        self.sink.send(message).await?;
        Ok(at)
    }

    /// Hangs up.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub async fn hang_up(mut self) -> anyhow::Result<()> {
        self.sink.send(Message::Close(None)).await?;
        // Until the daemon has closed its side too, the call counts.
        while let Some(Ok(_)) = self.stream.next().await {}
        Ok(())
    }
}

async fn hear_next(stream: &mut SplitStream<Socket>) -> anyhow::Result<(Instant, Heard)> {
    loop {
        let message = stream.next().await.context("the call ended")??;
        let at = clock::now();
        match message {
            Message::Text(text) => match Heard::of(&text) {
                Heard::Error(error) => bail!("the daemon complains: {error}"),
                heard => return Ok((at, heard)),
            },
            Message::Close(why) => bail!("the daemon hung up: {why:?}"),
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_told_apart() {
        let audio = r#"{"event_id":"e","type":"response.output_audio.delta","delta":"AAAA"}"#;
        assert_eq!(Heard::of(audio), Heard::Audio);
        let done = r#"{"response":{"status":"cancelled"},"type":"response.done"}"#;
        assert_eq!(Heard::of(done), Heard::ReplyEnded { interrupted: true });
        let whole = r#"{"response":{"status":"completed"},"type":"response.done"}"#;
        assert_eq!(Heard::of(whole), Heard::ReplyEnded { interrupted: false });
        let end = r#"{"type":"response.output_audio.done"}"#;
        assert_eq!(Heard::of(end), Heard::Other);
    }

    #[test]
    fn a_clip_is_cut_into_whole_frames() {
        let clip = Clip::new(&[0.0; 500]);
        assert_eq!(clip.n_frames(), 2);
        let Message::Text(text) = clip.frame(1) else {
            panic!("frames are text");
        };
        // 960 bytes in base64.
        assert!(text.len() > 1_280 && text.len() < 1_360, "{}", text.len());
    }
}
