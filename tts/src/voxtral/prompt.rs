//! The prompt: a voice's rows, then the text, between markers. Everything up to the text is the
//! same for all that a voice says, and is read once.
use candle_core::{Result, Tensor};
use voiced_nn::tekken::Tekken;

use super::Voxtral;

/// Ids with a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    bos: u32,
    audio: u32,
    begin_audio: u32,
    /// Text follows.
    text: u32,
    /// Speech follows.
    speech: u32,
}

const PUBLISHED: Marks = Marks {
    bos: 1,
    audio: 24,
    begin_audio: 25,
    text: 36,
    speech: 35,
};

/// Makes prompts. Text is encoded as it is: names of markers inside it are ordinary text.
#[derive(Debug)]
pub struct Prompt {
    tekken: Tekken,
    marks: Marks,
}

impl Prompt {
    /// Prompts in the tokens of `tekken`; markers it does not name have their published ids.
    pub fn new(tekken: Tekken) -> Prompt {
        let id = |name: &str, published| tekken.special(name).unwrap_or(published);
        let marks = Marks {
            bos: id("<s>", PUBLISHED.bos),
            audio: id("[AUDIO]", PUBLISHED.audio),
            begin_audio: id("[BEGIN_AUDIO]", PUBLISHED.begin_audio),
            text: id("[NEXT_AUDIO_TEXT]", PUBLISHED.text),
            speech: id("[REPEAT_AUDIO_TEXT]", PUBLISHED.speech),
        };
        Prompt { tekken, marks }
    }

    /// The tokenizer.
    pub fn tekken(&self) -> &Tekken {
        &self.tekken
    }

    /// Ids in front of the text: the voice's places and the markers around them.
    pub fn before(&self, voice_rows: usize) -> Vec<u32> {
        let mut ids = vec![self.marks.bos, self.marks.begin_audio];
        ids.resize(2 + voice_rows, self.marks.audio);
        ids.push(self.marks.text);
        ids
    }

    /// Ids of the text and of what follows it.
    pub fn after(&self, text: &str) -> Vec<u32> {
        let mut ids = self.tekken.encode(text);
        ids.extend([self.marks.speech, self.marks.begin_audio]);
        ids
    }

    /// All ids.
    pub fn ids(&self, voice_rows: usize, text: &str) -> Vec<u32> {
        let mut ids = self.before(voice_rows);
        ids.extend(self.after(text));
        ids
    }

    /// The rows in front of the text, `[voice rows + 3, dim]`.
    pub fn voice_rows(&self, model: &Voxtral, voice: &Tensor) -> Result<Tensor> {
        let ids = self.before(voice.dim(0)?);
        embed(model, &ids, self.marks.audio, voice)
    }
}

/// Rows of `ids`, the ones at `audio` replaced, in order, by those of `voice`.
fn embed(model: &Voxtral, ids: &[u32], audio: u32, voice: &Tensor) -> Result<Tensor> {
    let first = ids.iter().position(|id| *id == audio).unwrap_or(ids.len());
    let count = voice.dim(0)?;
    let before = model.embed_text(&ids[..first])?;
    if count == 0 {
        return model.embed_text(ids);
    }
    let after = model.embed_text(&ids[first + count..])?;
    Tensor::cat(&[&before, voice, &after], 0)
}

impl Voxtral {
    /// The rows of a whole prompt, `[ids, dim]`, the audio places filled with those of `voice`.
    /// Fails when there are not as many places as rows, side by side.
    pub fn embed_prompt(&self, ids: &[u32], voice: &Tensor) -> Result<Tensor> {
        let audio = PUBLISHED.audio;
        let places = ids.iter().filter(|id| **id == audio).count();
        let first = ids.iter().position(|id| *id == audio).unwrap_or(0);
        let together = ids[first..].iter().take_while(|id| **id == audio).count();
        if places != voice.dim(0)? || together != places {
            candle_core::bail!("{places} places for the {} rows of a voice", voice.dim(0)?);
        }
        embed(self, ids, audio, voice)
    }
}
