//! The words that open, close and leave open a turn, in each language.
mod french;
mod german;
mod spanish;

use french::FRENCH;
use german::GERMAN;
use spanish::SPANISH;

/// One language's words, all in lower case.
pub struct Language {
    /// Common words that give the language away.
    pub common: &'static [&'static str],
    /// Sounds that hold the floor.
    pub fillers: &'static [&'static str],
    /// A turn made of these alone is whole.
    pub short: &'static [&'static str],
    /// As the first word, a question.
    pub questions: &'static [&'static str],
    /// Within the first three words, a question.
    pub strong_questions: &'static [&'static str],
    /// Want more after them, always.
    pub hanging: &'static [&'static str],
    /// Want an object, unless it is a question.
    pub wants: &'static [&'static str],
    /// Want more in general, but may end a question.
    pub closes_questions: &'static [&'static str],
    /// Prepositions, or parts of a verb that end an order.
    pub particles: &'static [&'static str],
    /// Two last words that want more though the last alone does not.
    pub hanging_pairs: &'static [&'static str],
    /// Two last words that are whole though the last alone is not.
    pub closed_pairs: &'static [&'static str],
    /// Ends of polite sentences.
    pub closing: &'static [&'static str],
}

/// The language with the most common words among these; English when none has.
pub fn language_of(words: &[String]) -> &'static Language {
    let hits = |language: &Language| {
        let common = |word: &&String| language.common.contains(&word.as_str());
        words.iter().filter(common).count()
    };
    let mut best = &ENGLISH;
    for language in [&FRENCH, &GERMAN, &SPANISH] {
        if hits(language) > hits(best) {
            best = language;
        }
    }
    best
}

/// Whether a word holds the floor in some language; one such word does not give the language away.
pub fn is_filler(word: &str) -> bool {
    [&ENGLISH, &FRENCH, &GERMAN, &SPANISH]
        .iter()
        .any(|language| language.fillers.contains(&word))
}

static ENGLISH: Language = Language {
    common: &[
        "the", "a", "i", "you", "is", "it", "to", "and", "of", "my", "what", "do", "can", "please",
        "that", "for", "i'm", "i'd", "are", "have", "yes", "in", "on", "with",
    ],
    fillers: &[
        "um",
        "uh",
        "uhm",
        "erm",
        "er",
        "hmm",
        "mm",
        "ah",
        "well",
        "like",
        "basically",
        "actually",
    ],
    short: &[
        "yes",
        "yeah",
        "yep",
        "yup",
        "no",
        "nope",
        "nah",
        "sure",
        "okay",
        "ok",
        "right",
        "correct",
        "exactly",
        "absolutely",
        "definitely",
        "maybe",
        "thanks",
        "thank",
        "you",
        "please",
        "hello",
        "hi",
        "hey",
        "bye",
        "goodbye",
        "stop",
        "cancel",
        "great",
        "good",
        "fine",
        "perfect",
        "nothing",
        "never",
        "mind",
        "sorry",
        "go",
        "ahead",
        "help",
        "repeat",
        "again",
        "pardon",
        "wait",
        "of",
        "course",
        "not",
        "really",
        "very",
        "much",
    ],
    questions: &[
        "what", "where", "when", "who", "whom", "whose", "why", "how", "which", "can", "could",
        "would", "will", "shall", "should", "do", "does", "did", "is", "are", "was", "were", "am",
        "have", "has", "what's", "where's", "who's", "how's", "when's", "isn't", "aren't", "don't",
        "can't",
    ],
    strong_questions: &["what", "where", "why", "who", "when", "how"],
    hanging: &[
        "and", "or", "but", "because", "since", "although", "though", "unless", "until", "while",
        "if", "whether", "than", "the", "a", "an", "my", "your", "his", "their", "our", "its",
        "is", "are", "was", "were", "am", "i'm", "you're", "it's", "that's", "there's", "i've",
        "i'll", "i'd", "we're", "be", "been", "being", "will", "would", "could", "should", "can",
        "might", "must", "shall", "to", "of", "from", "with", "for", "at", "by", "into", "onto",
        "about", "between", "without", "during", "i", "we", "he", "she", "they", "very", "so",
        "then", "which", "who", "whose", "where", "when", "some", "every", "mr", "mrs", "dr",
        "dot", "plus", "minus", "gonna", "wanna", "also", "just", "really", "kind", "sort", "via",
        "per", "as", "what", "how", "why",
    ],
    wants: &[
        "want",
        "need",
        "have",
        "has",
        "had",
        "get",
        "got",
        "take",
        "send",
        "give",
        "buy",
        "order",
        "book",
        "say",
        "said",
        "think",
        "mean",
        "guess",
        "trying",
        "looking",
        "going",
        "called",
        "like",
        "make",
        "prefer",
        "know",
        "wondering",
        "hoping",
        "speak",
        "talk",
        "change",
        "move",
    ],
    closes_questions: &[
        "to", "of", "from", "with", "for", "at", "about", "is", "are", "was", "am", "like", "it's",
        "will", "would", "should", "can", "could", "i", "we", "he", "she", "they", "then", "how",
        "why", "when", "where", "who", "what",
    ],
    particles: &[
        "in", "on", "up", "off", "out", "down", "over", "through", "after", "before", "near",
    ],
    hanging_pairs: &[
        "you know",
        "i know",
        "think that",
        "said that",
        "know that",
        "is that",
        "believe that",
        "so that",
        "such as",
        "as well",
        "in the",
        "more than",
        "going on",
        "name is",
        "number is",
        "or not",
        "i was",
        "not sure",
    ],
    closed_pairs: &[
        "think so",
        "hope so",
        "guess so",
        "believe so",
        "as well",
        "i am",
        "it is",
        "they are",
        "i will",
        "i would",
        "i can",
        "i could",
        "you are",
        "we are",
        "i do",
        "why not",
        "what for",
        "who is",
        "so what",
        "right then",
        "okay then",
        "or so",
        "i think",
        "not really",
        "i don't know",
        "don't know",
        "or not",
        "like to",
        "want to",
        "not sure",
        "come in",
        "hold on",
        "hang up",
        "go on",
    ],
    closing: &[
        "please", "thanks", "you", "bye", "goodbye", "today", "tomorrow", "tonight", "now",
        "instead", "anymore", "there", "me", "it", "too",
    ],
};
