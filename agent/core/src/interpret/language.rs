//! Languages by their tags (BCP 47, RFC 5646), and their English names for a model's instructions.
use std::fmt;

/// A language tag: `fr`, `pt-BR`, `en-GB`. Compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(String);

/// Text that is no language tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLanguage(String);

impl fmt::Display for BadLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag: String = self.0.chars().take(40).collect();
        write!(
            f,
            "'{tag}' is not a language tag; write it like 'fr', 'pt-BR' or 'en-GB'"
        )
    }
}

impl std::error::Error for BadLanguage {}

/// Longest tag that RFC 5646 section 4.4.1 tells applications to expect.
const LONGEST_TAG: usize = 35;

/// Tags and English names of what speech models of this kind speak or hear.
const NAMES: [(&str, &str); 46] = [
    ("ar", "Arabic"),
    ("bg", "Bulgarian"),
    ("bn", "Bengali"),
    ("ca", "Catalan"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("de", "German"),
    ("el", "Greek"),
    ("en", "English"),
    ("en-gb", "British English"),
    ("en-us", "American English"),
    ("es", "Spanish"),
    ("et", "Estonian"),
    ("fa", "Persian"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hr", "Croatian"),
    ("hu", "Hungarian"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ko", "Korean"),
    ("lt", "Lithuanian"),
    ("lv", "Latvian"),
    ("ms", "Malay"),
    ("nl", "Dutch"),
    ("no", "Norwegian"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("pt-br", "Brazilian Portuguese"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sk", "Slovak"),
    ("sl", "Slovenian"),
    ("sr", "Serbian"),
    ("sv", "Swedish"),
    ("ta", "Tamil"),
    ("te", "Telugu"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("ur", "Urdu"),
    ("vi", "Vietnamese"),
    ("zh", "Chinese"),
];

impl Language {
    /// Reads a tag.
    ///
    /// # Errors
    /// When it has not the form of one.
    pub fn parse(tag: &str) -> Result<Self, BadLanguage> {
        let tag = tag.trim();
        let mut parts = tag.split(['-', '_']);
        let primary = parts.next().unwrap_or_default();
        let is_sound = (2..=3).contains(&primary.len())
            && primary.chars().all(|c| c.is_ascii_alphabetic())
            && tag.len() <= LONGEST_TAG
            && parts.all(|part| {
                (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
            });
        if !is_sound {
            return Err(BadLanguage(tag.to_owned()));
        }
        Ok(Self(tag.to_ascii_lowercase().replace('_', "-")))
    }

    /// The tag in lower case.
    pub fn tag(&self) -> &str {
        &self.0
    }

    /// The language without its region or script.
    pub fn primary(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// Its English name, or its tag where it has none here.
    pub fn name(&self) -> &str {
        let named = |tag: &str| NAMES.iter().find(|(known, _)| *known == tag);
        named(&self.0)
            .or_else(|| named(self.primary()))
            .map_or(self.tag(), |(_, name)| name)
    }

    /// Whether who understands one understands the other: equal, or one of them names no variant.
    pub fn is_understood_by(&self, other: &Language) -> bool {
        self == other
            || self.primary() == other.primary()
                && (self.0 == self.primary() || other.0 == other.primary())
    }

    /// Whether its words stand together without spaces.
    pub fn is_unspaced(&self) -> bool {
        matches!(self.primary(), "zh" | "ja" | "th" | "lo" | "km" | "my")
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tags_are_read_and_named() {
        let brazilian = Language::parse("pt_BR").unwrap();
        assert_eq!(
            (brazilian.tag(), brazilian.primary(), brazilian.name()),
            ("pt-br", "pt", "Brazilian Portuguese")
        );
        assert_eq!(Language::parse("de-AT").unwrap().name(), "German");
        assert_eq!(Language::parse("tlh").unwrap().name(), "tlh");
        for bad in [
            "",
            "f",
            "french",
            "fr-",
            "fr-toolongpart",
            "1f",
            "fr\nx",
            "é",
        ] {
            assert!(Language::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variants_are_understood_by_the_plain_language_only() {
        let tag = |tag| Language::parse(tag).unwrap();
        assert!(tag("en").is_understood_by(&tag("en-GB")));
        assert!(tag("en-GB").is_understood_by(&tag("en")));
        assert!(!tag("en-GB").is_understood_by(&tag("en-US")));
        assert!(!tag("en").is_understood_by(&tag("fr")));
    }
}
