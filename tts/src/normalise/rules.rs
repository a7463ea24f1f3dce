//! placeholder
use super::{Language, Token};
use std::collections::HashMap;
pub(super) struct Rules<'a> {
    language: Language,
    pronunciations: &'a HashMap<String, String>,
}
impl<'a> Rules<'a> {
    pub fn new(language: Language, pronunciations: &'a HashMap<String, String>) -> Rules<'a> {
        Rules {
            language,
            pronunciations,
        }
    }
    pub fn say(&self, tokens: &[Token]) -> (usize, String) {
        let _ = (self.language, self.pronunciations);
        (1, tokens[0].text.clone())
    }
}
