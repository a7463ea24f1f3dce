//! Opus to what the recogniser hears: 16 kHz mono, straight from the decoder, with lost frames
//! rebuilt from redundancy or guessed by libopus' neural concealment.
//!
//! Guarantees: any bytes are safe to hand in; a packet that is not Opus is an error and leaves the
//! decoder usable.
// The decoder is driven through the C API because the `opus` crate cannot set a decoder's
// complexity, which is what switches the good concealment on.
#![allow(unsafe_code)]
use std::{ffi::c_int, ptr::NonNull};

use opusic_sys as sys;

use super::CodecError;

/// What the decoder delivers: `SampleRate::HEARING`.
const HZ: c_int = 16_000;
/// The longest packet Opus knows, 120 ms, in samples at 16 kHz.
const LONGEST: usize = 1_920;
/// From 5 on lost frames are concealed by the neural model (about 0.3 ms per *lost* frame, nothing
/// otherwise); from 6 on every frame would be post-filtered, which costs three times the decoding.
const COMPLEXITY: c_int = 5;

/// One direction of one call.
pub struct OpusDecoder {
    state: NonNull<sys::OpusDecoder>,
}

// SAFETY: the state is plain memory owned by this value alone; libopus keeps no thread-local data.
unsafe impl Send for OpusDecoder {}

impl OpusDecoder {
    /// A decoder to 16 kHz mono; stereo packets are mixed down.
    pub fn new() -> Result<Self, CodecError> {
        let mut error = 0;
        // SAFETY: `error` outlives the call; rate and channel count are ones libopus accepts.
        let state = unsafe { sys::opus_decoder_create(HZ, 1, &mut error) };
        let Some(state) = NonNull::new(state) else {
            return Err(CodecError::Decoder(error));
        };
        let this = Self { state };
        // SAFETY: the state is valid and the request takes one `int`.
        let set = unsafe {
            sys::opus_decoder_ctl(
                this.state.as_ptr(),
                sys::OPUS_SET_COMPLEXITY_REQUEST as c_int,
                COMPLEXITY,
            )
        };
        if set == 0 {
            Ok(this)
        } else {
            Err(CodecError::Decoder(set))
        }
    }

    /// Appends the packet's audio to `out` and tells how many samples that were.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<usize, CodecError> {
        // An empty packet would mean "lost" to libopus.
        if packet.is_empty() {
            return Err(CodecError::Packet(sys::OPUS_INVALID_PACKET));
        }
        self.run(Some(packet), LONGEST, false, out)
    }

    /// Appends the frame *before* `next`, rebuilt from the redundancy in `next` where it carries
    /// any and concealed otherwise. `samples` is the length of the lost frame at 16 kHz.
    pub fn recover(
        &mut self,
        next: &[u8],
        samples: usize,
        out: &mut Vec<f32>,
    ) -> Result<usize, CodecError> {
        if next.is_empty() {
            return self.conceal(samples, out);
        }
        self.run(Some(next), whole(samples), true, out)
    }

    /// Appends a guess of what a lost frame of `samples` at 16 kHz may have been.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<f32>) -> Result<usize, CodecError> {
        self.run(None, whole(samples), false, out)
    }

    fn run(
        &mut self,
        packet: Option<&[u8]>,
        samples: usize,
        redundancy: bool,
        out: &mut Vec<f32>,
    ) -> Result<usize, CodecError> {
        let (data, length) = match packet {
            // Longer than any packet: libopus would refuse it anyway.
            Some(bytes) => (
                bytes.as_ptr(),
                i32::try_from(bytes.len())
                    .map_err(|_| CodecError::Packet(sys::OPUS_INVALID_PACKET))?,
            ),
            None => (std::ptr::null(), 0),
        };
        let start = out.len();
        out.resize(start + samples, 0.0);
        // SAFETY: `data` points to `length` readable bytes or is null with length zero, which means
        // "lost"; `out` has room for `samples` samples from `start` on.
        let decoded = unsafe {
            sys::opus_decode_float(
                self.state.as_ptr(),
                data,
                length,
                out[start..].as_mut_ptr(),
                samples as c_int,
                c_int::from(redundancy),
            )
        };
        let count = usize::try_from(decoded).unwrap_or(0);
        out.truncate(start + count);
        if decoded < 0 {
            Err(CodecError::Packet(decoded))
        } else {
            Ok(count)
        }
    }
}

impl Drop for OpusDecoder {
    fn drop(&mut self) {
        // SAFETY: made by `opus_decoder_create`, destroyed once.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

/// How much audio a packet holds, in units of the 48 kHz RTP clock; `None` for bytes that are not
/// an Opus packet.
pub fn duration_48k(packet: &[u8]) -> Option<u32> {
    let length = i32::try_from(packet.len()).ok().filter(|l| *l > 0)?;
    // SAFETY: the pointer is readable for `length` bytes; only the header is read.
    let samples = unsafe { sys::opus_packet_get_nb_samples(packet.as_ptr(), length, 48_000) };
    u32::try_from(samples).ok().filter(|s| *s > 0)
}

/// libopus conceals in whole multiples of 2.5 ms, up to 120 ms.
fn whole(samples: usize) -> usize {
    (samples / 40).clamp(1, LONGEST / 40) * 40
}

#[cfg(test)]
mod tests;
