//! The part of PocketSphinx's C interface that is used, behind safe types: a front end that turns
//! audio into cepstra, and a decoder that searches words in cepstra.
//!
//! Guarantees: neither is used by two threads at once; a decoder keeps nothing of one utterance for
//! the next, because the mean that normalises an utterance is given with it.
#![allow(unsafe_code)]
mod model;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::{self, NonNull},
};

pub use model::{LoadError, Model};

use crate::cepstra::{COEFFICIENTS, Cepstrum};

/// Longest utterance the decoder is given, in frames of 10 ms. It ends the process beyond 65,535.
pub const MOST_FRAMES: usize = 6_000;

/// Searches words in cepstra, one utterance at a time. Takes 93 MB and 0.26 s to load.
pub struct Decoder {
    raw: NonNull<PsDecoder>,
    /// Belongs to the decoder.
    normaliser: NonNull<Normaliser>,
    in_utterance: bool,
}

// SAFETY: the library has no thread-local state and decoders share nothing that changes.
unsafe impl Send for Decoder {}

/// A word the decoder heard, or a noise it knows by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// As in the dictionary; noises and silences are in brackets.
    pub word: String,
    /// Its length in frames of 10 ms.
    pub frames: usize,
}

impl Decoder {
    /// Loads a decoder.
    pub fn load(model: &Model) -> Result<Decoder, LoadError> {
        let refused = || LoadError::Refused {
            folder: model.acoustic.to_string_lossy().into_owned(),
        };
        // Chosen by word error rate (WER) on 60 sentences of the embedded voices and the recorded
        // speech of the tests, normalised over the whole utterance, one core of an EPYC (Zen 4):
        //   as below                  13.2 % WER, 0.15 x real time, 46 ms for the last pass
        //   -bestpath yes             12.4 %, but its lattice code ends the process on an
        //                             assertion when scores overflow: not on a telephone line
        //   -maxhmmpf 30000 (default) 12.4 %, 0.16 x;  3000: 14.0 %, 0.13 x;  2000: 15.1 %
        //   -fwdflat no               25 %;  -ds 2: 21 %;  -topn 2: 14.8 %;  -lw 5 or 8: 13.4, 18.3
        let arguments: [(&CStr, &CStr); 9] = [
            (c"-hmm", &model.acoustic),
            (c"-lm", &model.language),
            (c"-dict", &model.dictionary),
            (c"-logfn", c"/dev/null"),
            (c"-cmn", c"live"),
            // Whoever calls knows better where speech is, and frames must stay in step with time.
            (c"-remove_silence", c"no"),
            (c"-bestpath", c"no"),
            (c"-maxhmmpf", c"6000"),
            (c"-fwdflat", c"yes"),
        ];
        // SAFETY: the library copies the arguments. `ps_init` keeps the configuration; it is freed
        // with the decoder.
        unsafe {
            let configuration = configure(&arguments).ok_or_else(refused)?;
            let raw = ps_init(configuration);
            cmd_ln_free_r(configuration);
            let raw = NonNull::new(raw).ok_or_else(refused)?;
            let features = ps_get_feat(raw.as_ptr());
            let normaliser = features.as_ref().and_then(|f| NonNull::new(f.normaliser));
            let Some(normaliser) =
                normaliser.filter(|n| n.as_ref().length as usize == COEFFICIENTS)
            else {
                ps_free(raw.as_ptr());
                return Err(refused());
            };
            Ok(Decoder {
                raw,
                normaliser,
                in_utterance: false,
            })
        }
    }

    /// A front end that makes what this decoder reads. It stays usable without the decoder.
    pub fn front_end(&self) -> Option<FrontEnd> {
        // SAFETY: the front end retains the configuration; both stay on the engine's thread.
        let raw = unsafe { fe_init_auto_r(ps_get_config(self.raw.as_ptr())) };
        let mut front_end = FrontEnd {
            raw: NonNull::new(raw)?,
        };
        front_end.restart();
        Some(front_end)
    }

    /// Begins an utterance whose cepstra have this mean; forgets the one before.
    pub fn begin(&mut self, mean: &Cepstrum) {
        self.abandon();
        // SAFETY: decoder and normaliser are alive; the mean has as many values as the normaliser.
        unsafe {
            cmn_live_set(self.normaliser.as_ptr(), mean.as_ptr());
            ps_start_utt(self.raw.as_ptr());
        }
        self.in_utterance = true;
    }

    /// Searches on in the next frames. A second of audio takes 0.15 s.
    pub fn search(&mut self, frames: &[Cepstrum]) {
        if !self.in_utterance {
            return;
        }
        // The library normalises in place, so it gets copies.
        let mut copies = frames.to_vec();
        let mut rows: Vec<*mut f32> = copies.iter_mut().map(|row| row.as_mut_ptr()).collect();
        let Ok(count) = c_int::try_from(rows.len()) else {
            return;
        };
        // SAFETY: `rows` points to `count` live rows of COEFFICIENTS values.
        unsafe {
            ps_process_cep(self.raw.as_ptr(), rows.as_mut_ptr(), count, 0, 0);
        }
    }

    /// The best words so far.
    pub fn words(&mut self) -> String {
        // SAFETY: the text belongs to the decoder and is copied before the next call.
        unsafe {
            let text = ps_get_hyp(self.raw.as_ptr(), ptr::null_mut());
            if text.is_null() {
                return String::new();
            }
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    }

    /// Ends the utterance with a last pass over all of it: 25 ms per second of speech, measured,
    /// up to 60 ms for a long one.
    pub fn finish(&mut self) -> (String, Vec<Segment>) {
        self.abandon();
        (self.words(), self.segments())
    }

    /// Ends the utterance, if one was begun.
    fn abandon(&mut self) {
        if std::mem::take(&mut self.in_utterance) {
            // SAFETY: the decoder is alive and in an utterance.
            unsafe {
                ps_end_utt(self.raw.as_ptr());
            }
        }
    }

    fn segments(&mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        // SAFETY: the iterator is followed to its end, which frees it; words are copied.
        unsafe {
            let mut at = ps_seg_iter(self.raw.as_ptr());
            while !at.is_null() {
                let (mut from, mut to) = (0, 0);
                ps_seg_frames(at, &raw mut from, &raw mut to);
                let word = ps_seg_word(at);
                if !word.is_null() {
                    segments.push(Segment {
                        word: CStr::from_ptr(word).to_string_lossy().into_owned(),
                        frames: usize::try_from(to - from + 1).unwrap_or(0),
                    });
                }
                at = ps_seg_next(at);
            }
        }
        segments
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: it is ours and not used afterwards.
        unsafe {
            ps_free(self.raw.as_ptr());
        }
    }
}

/// Turns audio into cepstra, with an estimate of the background noise that it keeps up.
pub struct FrontEnd {
    raw: NonNull<Fe>,
}

// SAFETY: as for `Decoder`; its configuration is touched by one thread, which made it.
unsafe impl Send for FrontEnd {}

impl FrontEnd {
    /// Forgets audio and noise.
    pub fn restart(&mut self) {
        // SAFETY: the front end is alive.
        unsafe {
            fe_start_stream(self.raw.as_ptr());
            fe_start_utt(self.raw.as_ptr());
        }
    }

    /// Appends the frames that `audio`, at 16 kHz, completes.
    pub fn process(&mut self, audio: &[i16], frames: &mut Vec<Cepstrum>) {
        const AT_A_TIME: usize = 64;
        let mut rest = audio.as_ptr();
        let mut left = audio.len();
        while left > 0 {
            let mut buffer = [[0.0; COEFFICIENTS]; AT_A_TIME];
            let mut rows = buffer.each_mut().map(|row| row.as_mut_ptr());
            let mut count = AT_A_TIME as c_int;
            let before = left;
            // SAFETY: `rest` points to `left` samples and both are moved on together; there is room
            // for `count` rows of COEFFICIENTS values.
            let status = unsafe {
                fe_process_frames(
                    self.raw.as_ptr(),
                    &raw mut rest,
                    &raw mut left,
                    rows.as_mut_ptr(),
                    &raw mut count,
                    ptr::null_mut(),
                )
            };
            let made = usize::try_from(count).unwrap_or(0).min(AT_A_TIME);
            frames.extend_from_slice(&buffer[..made]);
            if status < 0 || (left == before && made == 0) {
                return;
            }
        }
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        // SAFETY: it is ours and not used afterwards.
        unsafe {
            fe_free(self.raw.as_ptr());
        }
    }
}

/// # Safety
/// The arguments live during the call.
unsafe fn configure(arguments: &[(&CStr, &CStr); 9]) -> Option<*mut Configuration> {
    let a = |n: usize| arguments[n].0.as_ptr();
    let v = |n: usize| arguments[n].1.as_ptr();
    let end: *const c_char = ptr::null();
    // SAFETY: names and values as C strings, ended by a null, as the function wants them.
    let raw = unsafe {
        cmd_ln_init(
            ptr::null_mut(),
            ps_args(),
            1,
            a(0),
            v(0),
            a(1),
            v(1),
            a(2),
            v(2),
            a(3),
            v(3),
            a(4),
            v(4),
            a(5),
            v(5),
            a(6),
            v(6),
            a(7),
            v(7),
            a(8),
            v(8),
            end,
        )
    };
    (!raw.is_null()).then_some(raw)
}

#[repr(C)]
struct Configuration {
    _private: [u8; 0],
}

#[repr(C)]
struct PsDecoder {
    _private: [u8; 0],
}

#[repr(C)]
struct Fe {
    _private: [u8; 0],
}

#[repr(C)]
struct PsSegments {
    _private: [u8; 0],
}

/// `feat_t` up to the field that is needed, as its public header has it.
#[repr(C)]
struct Features {
    references: c_int,
    name: *mut c_char,
    cepstrum_size: i32,
    streams: i32,
    stream_lengths: *mut u32,
    window: i32,
    subvectors: i32,
    subvector_lengths: *mut u32,
    subvector_indexes: *mut *mut i32,
    subvector_buffer: *mut f32,
    subvector_dimension: i32,
    normalisation: c_int,
    variance: i32,
    gain: c_int,
    compute: *const c_void,
    normaliser: *mut Normaliser,
}

// As a C compiler lays out the header of release 5prealpha.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(std::mem::offset_of!(Features, normaliser) == 88);

/// `cmn_t`.
#[repr(C)]
struct Normaliser {
    mean: *mut f32,
    variance: *mut f32,
    sum: *mut f32,
    frames: i32,
    length: i32,
}

unsafe extern "C" {
    fn ps_args() -> *const c_void;
    fn cmd_ln_init(
        inout: *mut Configuration,
        definitions: *const c_void,
        strict: c_int,
        ...
    ) -> *mut Configuration;
    fn cmd_ln_free_r(configuration: *mut Configuration) -> c_int;

    fn ps_init(configuration: *mut Configuration) -> *mut PsDecoder;
    fn ps_free(decoder: *mut PsDecoder) -> c_int;
    fn ps_get_config(decoder: *mut PsDecoder) -> *mut Configuration;
    fn ps_get_feat(decoder: *mut PsDecoder) -> *mut Features;
    fn cmn_live_set(normaliser: *mut Normaliser, mean: *const f32);
    fn ps_start_utt(decoder: *mut PsDecoder) -> c_int;
    fn ps_process_cep(
        decoder: *mut PsDecoder,
        frames: *mut *mut f32,
        count: c_int,
        no_search: c_int,
        whole: c_int,
    ) -> c_int;
    fn ps_end_utt(decoder: *mut PsDecoder) -> c_int;
    fn ps_get_hyp(decoder: *mut PsDecoder, score: *mut i32) -> *const c_char;
    fn ps_seg_iter(decoder: *mut PsDecoder) -> *mut PsSegments;
    fn ps_seg_next(segments: *mut PsSegments) -> *mut PsSegments;
    fn ps_seg_word(segments: *mut PsSegments) -> *const c_char;
    fn ps_seg_frames(segments: *mut PsSegments, from: *mut c_int, to: *mut c_int);

    fn fe_init_auto_r(configuration: *mut Configuration) -> *mut Fe;
    fn fe_free(front_end: *mut Fe) -> c_int;
    fn fe_start_stream(front_end: *mut Fe);
    fn fe_start_utt(front_end: *mut Fe) -> c_int;
    fn fe_process_frames(
        front_end: *mut Fe,
        audio: *mut *const i16,
        samples: *mut usize,
        frames: *mut *mut f32,
        count: *mut c_int,
        index: *mut i32,
    ) -> c_int;
}
