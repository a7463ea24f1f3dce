//! Finding, opening and watching the devices.
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};
use tokio::sync::mpsc;
use voiced_core::audio::SampleRate;

use super::{LocalSettings, loudspeaker::Loudspeaker, microphone::Microphone};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Microphone,
    Loudspeaker,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Microphone => "microphone",
            Side::Loudspeaker => "loudspeaker",
        })
    }
}

/// Why there is no sound here.
#[derive(Debug, thiserror::Error)]
pub enum LocalAudioError {
    /// This machine has none.
    #[error("this machine has no {side}; connect one, or talk through the browser console")]
    NoDevice {
        /// Microphone or loudspeaker.
        side: String,
    },
    /// It has some, but not that one.
    #[error("there is no {side} named '{name}'; there are: {available}")]
    NoSuchDevice {
        /// Microphone or loudspeaker.
        side: String,
        /// As asked for.
        name: String,
        /// The names there are.
        available: String,
    },
    /// It is there and cannot be used.
    #[error("the {side} '{name}' cannot be used: {reason}")]
    Unusable {
        /// Microphone or loudspeaker.
        side: String,
        /// Its name.
        name: String,
        /// What the system says.
        reason: String,
    },
    /// It was there and is gone.
    #[error("the {side} was lost: {reason}")]
    Lost {
        /// Microphone or loudspeaker.
        side: String,
        /// What the system says.
        reason: String,
    },
}

/// The devices of this machine by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// What can be listened to.
    pub microphones: Vec<String>,
    /// What can be played on.
    pub loudspeakers: Vec<String>,
}

/// Lists the devices of this machine. Opens none.
pub fn devices() -> Devices {
    let host = cpal::default_host();
    let names = |side| all(&host, side).iter().map(ToString::to_string).collect();
    Devices {
        microphones: names(Side::Microphone),
        loudspeakers: names(Side::Loudspeaker),
    }
}

fn all(host: &cpal::Host, side: Side) -> Vec<Device> {
    let devices = match side {
        Side::Microphone => host.input_devices().map(Iterator::collect),
        Side::Loudspeaker => host.output_devices().map(Iterator::collect),
    };
    // A host that cannot be asked has no devices.
    devices.unwrap_or_default()
}

/// Both devices, chosen and not yet open.
pub(super) struct Pair {
    microphone: Chosen,
    loudspeaker: Chosen,
}

struct Chosen {
    side: Side,
    device: Device,
    name: String,
    config: SupportedStreamConfig,
    rate: SampleRate,
}

/// Both devices at work.
pub(super) struct Streams {
    /// Sound stops when they are dropped.
    _streams: [Stream; 2],
    names: [String; 2],
    lost: mpsc::Receiver<LocalAudioError>,
}

/// Chooses the devices the settings name.
pub(super) fn pick(settings: &LocalSettings) -> Result<Pair, LocalAudioError> {
    let host = cpal::default_host();
    Ok(Pair {
        microphone: choose(&host, Side::Microphone, settings.microphone.as_deref())?,
        loudspeaker: choose(&host, Side::Loudspeaker, settings.loudspeaker.as_deref())?,
    })
}

fn choose(host: &cpal::Host, side: Side, name: Option<&str>) -> Result<Chosen, LocalAudioError> {
    let device = match name {
        None => match side {
            Side::Microphone => host.default_input_device(),
            Side::Loudspeaker => host.default_output_device(),
        }
        .ok_or_else(|| LocalAudioError::NoDevice {
            side: side.to_string(),
        })?,
        Some(name) => named(all(host, side), side, name)?,
    };
    let name = device.to_string();
    let unusable = |reason: String| LocalAudioError::Unusable {
        side: side.to_string(),
        name: name.clone(),
        reason,
    };
    let config = match side {
        Side::Microphone => device.default_input_config(),
        Side::Loudspeaker => device.default_output_config(),
    }
    .map_err(|error| unusable(error.to_string()))?;
    let rate = SampleRate::new(config.sample_rate())
        .ok_or_else(|| unusable(format!("it runs at {} Hz", config.sample_rate())))?;
    if config.channels() == 0 {
        return Err(unusable("it has no channels".to_owned()));
    }
    Ok(Chosen {
        side,
        device,
        name,
        config,
        rate,
    })
}

fn named(devices: Vec<Device>, side: Side, name: &str) -> Result<Device, LocalAudioError> {
    let wanted = name.to_lowercase();
    let names: Vec<String> = devices.iter().map(ToString::to_string).collect();
    let found = best_name(&names, &wanted);
    match found.and_then(|n| devices.into_iter().nth(n)) {
        Some(device) => Ok(device),
        None if names.is_empty() => Err(LocalAudioError::NoDevice {
            side: side.to_string(),
        }),
        None => Err(LocalAudioError::NoSuchDevice {
            side: side.to_string(),
            name: name.to_owned(),
            available: names.join(", "),
        }),
    }
}

/// The name itself, or else the first that contains it.
pub(super) fn best_name(names: &[String], wanted: &str) -> Option<usize> {
    let lower = |name: &String| name.to_lowercase();
    let exact = names.iter().position(|name| lower(name) == wanted);
    exact.or_else(|| names.iter().position(|name| lower(name).contains(wanted)))
}

impl Pair {
    pub(super) fn captures_at(&self) -> SampleRate {
        self.microphone.rate
    }

    pub(super) fn plays_at(&self) -> SampleRate {
        self.loudspeaker.rate
    }

    /// Opens both and lets them run.
    pub(super) fn start(
        self,
        microphone: Microphone,
        loudspeaker: Loudspeaker,
    ) -> Result<Streams, LocalAudioError> {
        let (lost_tx, lost) = mpsc::channel(4);
        let input = self.microphone.capture(microphone, lost_tx.clone())?;
        let output = self.loudspeaker.play(loudspeaker, lost_tx)?;
        for (chosen, stream) in [(&self.microphone, &input), (&self.loudspeaker, &output)] {
            stream.play().map_err(|error| chosen.unusable(&error))?;
        }
        Ok(Streams {
            _streams: [input, output],
            names: [self.microphone.name, self.loudspeaker.name],
            lost,
        })
    }
}

/// Runs `$build::<T>` for the sample type of a format.
macro_rules! by_format {
    ($format:expr, $build:ident($($argument:expr),*), $unknown:expr) => {
        match $format {
            SampleFormat::F32 => $build::<f32>($($argument),*),
            SampleFormat::F64 => $build::<f64>($($argument),*),
            SampleFormat::I16 => $build::<i16>($($argument),*),
            SampleFormat::U16 => $build::<u16>($($argument),*),
            SampleFormat::I32 => $build::<i32>($($argument),*),
            SampleFormat::U8 => $build::<u8>($($argument),*),
            _ => $unknown,
        }
    };
}

impl Chosen {
    fn capture(
        &self,
        microphone: Microphone,
        lost: mpsc::Sender<LocalAudioError>,
    ) -> Result<Stream, LocalAudioError> {
        let format = self.config.sample_format();
        by_format!(
            format,
            capture(self, microphone, lost),
            self.unknown(format)
        )
    }

    fn play(
        &self,
        loudspeaker: Loudspeaker,
        lost: mpsc::Sender<LocalAudioError>,
    ) -> Result<Stream, LocalAudioError> {
        let format = self.config.sample_format();
        by_format!(format, play(self, loudspeaker, lost), self.unknown(format))
    }

    fn unknown(&self, format: SampleFormat) -> Result<Stream, LocalAudioError> {
        Err(self.unusable(&format!("its sample format {format} is not known here")))
    }

    fn unusable(&self, reason: &dyn std::fmt::Display) -> LocalAudioError {
        LocalAudioError::Unusable {
            side: self.side.to_string(),
            name: self.name.clone(),
            reason: reason.to_string(),
        }
    }

    fn channels(&self) -> usize {
        usize::from(self.config.channels())
    }

    /// Buffers of 20 ms where the device lets us choose: the less it holds, the sooner an
    /// interruption is heard.
    fn stream_config(&self) -> StreamConfig {
        let mut config = StreamConfig::from(self.config);
        if let SupportedBufferSize::Range { min, max } = self.config.buffer_size() {
            config.buffer_size = BufferSize::Fixed((self.rate.hz() / 50).clamp(*min, *max));
        }
        config
    }

    /// What to do with errors while it runs: most of them pass.
    fn watch(
        &self,
        lost: mpsc::Sender<LocalAudioError>,
    ) -> impl FnMut(cpal::Error) + Send + 'static {
        let side = self.side.to_string();
        move |error| {
            if !matches!(
                error.kind(),
                ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged
            ) {
                // Full: it was told already.
                let _ = lost.try_send(LocalAudioError::Lost {
                    side: side.clone(),
                    reason: error.to_string(),
                });
            }
        }
    }
}

fn capture<T>(
    chosen: &Chosen,
    mut microphone: Microphone,
    lost: mpsc::Sender<LocalAudioError>,
) -> Result<Stream, LocalAudioError>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let channels = chosen.channels();
    chosen
        .device
        .build_input_stream::<T, _, _>(
            chosen.stream_config(),
            move |samples, _| microphone.take(samples, channels),
            chosen.watch(lost),
            None,
        )
        .map_err(|error| chosen.unusable(&error))
}

fn play<T>(
    chosen: &Chosen,
    mut loudspeaker: Loudspeaker,
    lost: mpsc::Sender<LocalAudioError>,
) -> Result<Stream, LocalAudioError>
where
    T: SizedSample + FromSample<f32>,
{
    let channels = chosen.channels();
    chosen
        .device
        .build_output_stream::<T, _, _>(
            chosen.stream_config(),
            move |samples, _| loudspeaker.fill(samples, channels),
            chosen.watch(lost),
            None,
        )
        .map_err(|error| chosen.unusable(&error))
}

impl Streams {
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.names[0], &self.names[1])
    }

    /// Returns when a device is gone.
    pub(super) async fn lost(&mut self) -> LocalAudioError {
        match self.lost.recv().await {
            Some(error) => error,
            // The callbacks hold the other ends for as long as the streams live.
            None => std::future::pending().await,
        }
    }
}
