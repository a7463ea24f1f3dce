//! The part of flite's C interface that is used, behind safe types: a voice says one clause and
//! hands its audio over while it is being made.
//!
//! Guarantees: a [`Voice`] is used by one thread at a time and shares nothing that changes with
//! another; nothing of an utterance outlives [`Voice::say`].
#![allow(unsafe_code)]
use std::{
    ffi::{CStr, CString, c_char, c_float, c_int, c_void},
    ptr::{self, NonNull},
    slice,
    sync::{Mutex, PoisonError},
};

use crate::VoiceInfo;

/// Samples per second of every voice used here.
pub const RATE: u32 = 16_000;

/// How much audio is handed over at a time: 50 ms.
const PIECE: c_int = 800;

/// The end of a word of the clause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Bytes of the clause, up to and with the word and its punctuation.
    pub text_end: usize,
    /// Seconds from the beginning of the clause's audio.
    pub at: f32,
}

/// Where a clause goes while it is being made.
pub trait Sink {
    /// Where the words end; told once, before the first audio.
    fn marks(&mut self, marks: Vec<Mark>);
    /// The next audio, 16 kHz. `false` stops the synthesis.
    fn audio(&mut self, samples: &[i16]) -> bool;
}

/// A voice as the library knows it.
pub struct VoiceDefinition {
    /// For those who choose.
    pub info: VoiceInfo,
    register: unsafe extern "C" fn(*const c_char) -> *mut CstVoice,
    /// Where `register` keeps the voice it made; it makes a new one when that is empty.
    registered: *mut *mut CstVoice,
}

// SAFETY: the pointer is to a C global, which is touched only under `LIBRARY`.
unsafe impl Sync for VoiceDefinition {}

/// All voices linked in; the first is the default.
pub static VOICES: [VoiceDefinition; 3] = [
    VoiceDefinition {
        info: VoiceInfo {
            name: "slt",
            language: "en-US",
            description: "a woman from the United States, clear and calm",
        },
        register: register_cmu_us_slt,
        registered: &raw mut cmu_us_slt_cg,
    },
    VoiceDefinition {
        info: VoiceInfo {
            name: "rms",
            language: "en-US",
            description: "a man from the United States, deep and even",
        },
        register: register_cmu_us_rms,
        registered: &raw mut cmu_us_rms_cg,
    },
    VoiceDefinition {
        info: VoiceInfo {
            name: "awb",
            language: "en-US",
            description: "a man with a Scottish accent",
        },
        register: register_cmu_us_awb,
        registered: &raw mut cmu_us_awb_cg,
    },
];

/// Guards the library's globals (registered voices, lexicon), which only registering touches, and
/// holds the voices that nobody uses. They are kept for good: the library cannot free one without
/// the lexicon they share.
static LIBRARY: Mutex<Vec<Voice>> = Mutex::new(Vec::new());

/// One instance of a voice, with features of its own.
pub struct Voice {
    which: usize,
    raw: NonNull<CstVoice>,
}

// SAFETY: the library keeps no thread-local state, and a voice is moved, never shared.
unsafe impl Send for Voice {}

impl Voice {
    /// An instance of `VOICES[which]`: one that lies idle, or a new one (below a millisecond).
    /// `None` when the library has no memory for it.
    pub fn take(which: usize) -> Option<Voice> {
        let mut idle = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = idle.iter().position(|voice| voice.which == which) {
            return Some(idle.swap_remove(at));
        }
        let definition = &VOICES[which];
        // SAFETY: the lock is held, so nobody else registers. Emptying the global makes the library
        // build another instance instead of handing out the last one; the last one stays valid, it
        // is owned by a `Voice`.
        let raw = unsafe {
            keep_out_sound_cards();
            *definition.registered = ptr::null_mut();
            (definition.register)(ptr::null())
        };
        NonNull::new(raw).map(|raw| Voice { which, raw })
    }

    /// Leaves the instance for others to take.
    pub fn give_back(self) {
        LIBRARY
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self);
    }

    /// Says `text`, `stretch` times as slowly as is natural. `false` when the library could not.
    pub fn say(&mut self, text: &CStr, stretch: f32, sink: &mut dyn Sink) -> bool {
        let mut listener = Listener { sink, began: false };
        // SAFETY: the utterance is made, used and deleted here; the streaming information belongs
        // to its features and dies with them; `listener` outlives both. The library copies `text`.
        unsafe {
            let utterance = new_utterance();
            if utterance.is_null() {
                return false;
            }
            let streaming = new_audio_streaming_info();
            if streaming.is_null() {
                delete_utterance(utterance);
                return false;
            }
            (*streaming).min_buffsize = PIECE;
            (*streaming).callback = Some(on_audio);
            (*streaming).userdata = (&raw mut listener).cast();
            utt_set_input_text(utterance, text.as_ptr());
            let features = (*utterance).features;
            feat_set(
                features,
                c"streaming_info".as_ptr(),
                audio_streaming_info_val(streaming),
            );
            feat_set_float(features, c"duration_stretch".as_ptr(), stretch);
            utt_init(utterance, self.raw.as_ptr());
            let made = utt_synth(utterance);
            delete_utterance(utterance);
            !made.is_null()
        }
    }
}

struct Listener<'a> {
    sink: &'a mut dyn Sink,
    began: bool,
}

/// Called by the library with everything made so far; `start` and `size` say what is new.
///
/// # Safety
/// The library calls it with a live wave and the streaming information set in [`Voice::say`].
unsafe extern "C" fn on_audio(
    wave: *const Wave,
    start: c_int,
    size: c_int,
    _last: c_int,
    streaming: *mut Streaming,
) -> c_int {
    const STOP: c_int = -1;
    const GO_ON: c_int = 0;
    // SAFETY: see above; `userdata` is the listener of the `say` this is called from.
    let (wave, listener, utterance) = unsafe {
        if wave.is_null() || streaming.is_null() || (*streaming).userdata.is_null() {
            return STOP;
        }
        let listener = &mut *(*streaming).userdata.cast::<Listener<'_>>();
        (&*wave, listener, (*streaming).utterance)
    };
    if !listener.began {
        listener.began = true;
        // SAFETY: the utterance is being synthesised by the caller, on this thread.
        listener.sink.marks(unsafe { marks(utterance) });
    }
    let (Ok(start), Ok(size), Ok(samples)) = (
        usize::try_from(start),
        usize::try_from(size),
        usize::try_from(wave.num_samples),
    ) else {
        return STOP;
    };
    let end = start.saturating_add(size).min(samples);
    if wave.samples.is_null() || start >= end {
        return GO_ON;
    }
    // SAFETY: the wave holds `num_samples` samples and `start..end` lies within.
    let new = unsafe { slice::from_raw_parts(wave.samples.add(start), end - start) };
    if listener.sink.audio(new) {
        GO_ON
    } else {
        STOP
    }
}

/// Where the tokens of the utterance end, in its text and in its audio.
///
/// # Safety
/// `utterance` is null or alive.
unsafe fn marks(utterance: *const Utterance) -> Vec<Mark> {
    let mut marks = Vec::new();
    // SAFETY: items are followed by the library's own accessors, which take and give null at the
    // ends, inside a live utterance; all strings are literals.
    unsafe {
        if utterance.is_null() || utt_relation_present(utterance, c"Token".as_ptr()) == 0 {
            return marks;
        }
        let mut token = relation_head(utt_relation(utterance, c"Token".as_ptr()));
        while !token.is_null() {
            let mut at: f32 = 0.0;
            let mut word = item_daughter(token);
            while !word.is_null() {
                let in_words = item_as(word, c"Word".as_ptr());
                if !in_words.is_null() {
                    let path = c"R:SylStructure.daughtern.daughtern.R:Segment.end";
                    // A word without sounds (a lone full stop) says zero.
                    at = at.max(ffeature_float(in_words, path.as_ptr()));
                }
                word = item_next(word);
            }
            if at > 0.0 && item_feat_present(token, c"file_pos".as_ptr()) != 0 {
                let after = item_feat_int(token, c"file_pos".as_ptr());
                if let Ok(text_end) = usize::try_from(after) {
                    marks.push(Mark { text_end, at });
                }
            }
            token = item_next(token);
        }
    }
    marks
}

/// `text` as the library takes it. What is no ASCII or cannot be said was taken out by
/// [`crate::spoken`]; a NUL that got here anyway ends the text.
pub fn c_text(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().take_while(|byte| *byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}

#[repr(C)]
struct CstVoice {
    _private: [u8; 0],
}

#[repr(C)]
struct Features {
    _private: [u8; 0],
}

#[repr(C)]
struct Value {
    _private: [u8; 0],
}

#[repr(C)]
struct Relation {
    _private: [u8; 0],
}

#[repr(C)]
struct Item {
    _private: [u8; 0],
}

/// The head of `cst_utterance`; it is only ever made by the library.
#[repr(C)]
struct Utterance {
    features: *mut Features,
}

/// `cst_wave`.
#[repr(C)]
struct Wave {
    kind: *const c_char,
    sample_rate: c_int,
    num_samples: c_int,
    num_channels: c_int,
    samples: *const i16,
}

type AudioCallback =
    unsafe extern "C" fn(*const Wave, c_int, c_int, c_int, *mut Streaming) -> c_int;

/// `cst_audio_streaming_info`.
#[repr(C)]
struct Streaming {
    min_buffsize: c_int,
    callback: Option<AudioCallback>,
    utterance: *const Utterance,
    item: *const Item,
    userdata: *mut c_void,
}

unsafe extern "C" {
    static mut cmu_us_slt_cg: *mut CstVoice;
    static mut cmu_us_rms_cg: *mut CstVoice;
    static mut cmu_us_awb_cg: *mut CstVoice;
    fn register_cmu_us_slt(directory: *const c_char) -> *mut CstVoice;
    fn register_cmu_us_rms(directory: *const c_char) -> *mut CstVoice;
    fn register_cmu_us_awb(directory: *const c_char) -> *mut CstVoice;

    fn new_utterance() -> *mut Utterance;
    fn delete_utterance(utterance: *mut Utterance);
    fn utt_set_input_text(utterance: *mut Utterance, text: *const c_char) -> c_int;
    fn utt_init(utterance: *mut Utterance, voice: *mut CstVoice) -> c_int;
    fn utt_synth(utterance: *mut Utterance) -> *mut Utterance;

    fn new_audio_streaming_info() -> *mut Streaming;
    fn audio_streaming_info_val(info: *mut Streaming) -> *mut Value;
    fn feat_set(features: *mut Features, name: *const c_char, value: *const Value);
    fn feat_set_float(features: *mut Features, name: *const c_char, value: c_float);

    fn utt_relation_present(utterance: *const Utterance, name: *const c_char) -> c_int;
    fn utt_relation(utterance: *const Utterance, name: *const c_char) -> *mut Relation;
    fn relation_head(relation: *mut Relation) -> *mut Item;
    fn item_next(item: *const Item) -> *mut Item;
    fn item_daughter(item: *const Item) -> *mut Item;
    fn item_as(item: *const Item, relation: *const c_char) -> *mut Item;
    fn item_feat_present(item: *const Item, name: *const c_char) -> c_int;
    fn item_feat_int(item: *const Item, name: *const c_char) -> c_int;
    fn ffeature_float(item: *const Item, path: *const c_char) -> c_float;
}

// The library's streaming code can also play to a sound card, and its object for that wants ALSA.
// Nothing here plays, so these five symbols stand in for that object and ALSA is not linked.

/// # Safety
/// Called by nobody: it stands in for a symbol the linker asks for.
#[unsafe(no_mangle)]
unsafe extern "C" fn audio_open_alsa(_: c_int, _: c_int, _: c_int) -> *mut c_void {
    ptr::null_mut()
}

/// # Safety
/// As [`audio_open_alsa`].
#[unsafe(no_mangle)]
unsafe extern "C" fn audio_close_alsa(_: *mut c_void) -> c_int {
    -1
}

/// # Safety
/// As [`audio_open_alsa`].
#[unsafe(no_mangle)]
unsafe extern "C" fn audio_write_alsa(_: *mut c_void, _: *mut c_void, _: c_int) -> c_int {
    -1
}

/// # Safety
/// As [`audio_open_alsa`].
#[unsafe(no_mangle)]
unsafe extern "C" fn audio_drain_alsa(_: *mut c_void) -> c_int {
    -1
}

/// # Safety
/// As [`audio_open_alsa`].
#[unsafe(no_mangle)]
unsafe extern "C" fn audio_flush_alsa(_: *mut c_void) -> c_int {
    -1
}

/// Makes the linker take the five symbols above before it looks into the library for them.
fn keep_out_sound_cards() {
    let stand_ins: [*const (); 5] = [
        audio_open_alsa as *const (),
        audio_close_alsa as *const (),
        audio_write_alsa as *const (),
        audio_drain_alsa as *const (),
        audio_flush_alsa as *const (),
    ];
    std::hint::black_box(stand_ins);
}
