//! The settings of the interpreter as they are written.
use crate::config::keys::{Kind, section};

section! {
    /// Simultaneous translation: rooms, translation sessions and `voiced translate`.
    Interpreter at "interpreter" {
        /// Who translates: "glossary" exchanges the words of phrase tables, for a demonstration
        /// between British and American English; "mind" asks the chat model of `mind.engine`,
        /// which must be a real one.
        translator: String = "glossary".into(), Kind::OneOf(&["glossary", "mind"]);
        /// More phrase tables for "glossary", each a file like
        /// configs/glossaries/british-american.toml.
        glossaries: Vec<String> = Vec::new(), Kind::Texts;
        /// Translations at once, for "glossary".
        rows: u32 = 64, Kind::Whole(1, 10_000);
        /// When heard words are translated: "clause" waits for the end of a clause, "agreement"
        /// until successive hypotheses of the recogniser agree on a word, "wait-k" stays a number
        /// of words behind the speaker.
        commit: String = "clause".into(), Kind::OneOf(&["clause", "agreement", "wait-k"]);
        /// For "clause": words a clause has at least.
        clause_min_words: u32 = 3, Kind::Whole(1, 50);
        /// For "clause": words that are translated without waiting for its end.
        clause_max_words: u32 = 10, Kind::Whole(1, 200);
        /// For "agreement": hypotheses in a row that must agree.
        agreeing: u32 = 2, Kind::Whole(2, 10);
        /// For "wait-k": words behind the speaker.
        wait_words: u32 = 3, Kind::Whole(1, 50);
        /// A silence this long ends an utterance: what is unfinished is translated.
        utterance_gap_ms: u32 = 700, Kind::Whole(200, 10_000);
        /// Speech without a silence is cut after so long, for recognisers that work by
        /// utterances.
        cut_after_s: u32 = 20, Kind::Whole(5, 600);
        /// When the interpreter is this late it speaks faster.
        quicken_after_ms: u32 = 3_000, Kind::Whole(500, 60_000);
        /// Its highest tempo.
        fastest: f64 = 1.25, Kind::Number(1.0, 1.5);
        /// When it is this late the translator is asked to be brief.
        brief_after_ms: u32 = 8_000, Kind::Whole(500, 120_000);
        /// Words that would sound later than this are shown but not said.
        skip_after_ms: u32 = 15_000, Kind::Whole(1_000, 300_000);
        /// How loud the original is while nothing is interpreted, for listeners of another
        /// language; 0 leaves it out.
        original_open: f64 = 0.5, Kind::Number(0.0, 1.0);
        /// How loud it is under the interpreter.
        original_under: f64 = 0.1, Kind::Number(0.0, 1.0);
        /// Voices by language, given to speakers in turn: "fr: name, name". A language without an
        /// entry gets `voice.voice`.
        voices: Vec<String> = Vec::new(), Kind::Texts;
        /// Rooms at once.
        max_rooms: u32 = 16, Kind::Whole(1, 1_000);
        /// People in a room.
        max_people: u32 = 8, Kind::Whole(2, 100);
    }
}
