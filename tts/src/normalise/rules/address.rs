//! Addresses: mail, web, telephone.
use super::{Place, Rules, Said, parts};
use crate::normalise::number::digits;

/// Endings that make a word with a dot a web address.
const ENDINGS: [&str; 34] = [
    "com", "org", "net", "edu", "gov", "info", "io", "ai", "app", "dev", "eu", "de", "fr", "es",
    "it", "pt", "br", "nl", "be", "ch", "at", "uk", "us", "in", "ca", "mx", "ar", "ae", "sa", "eg",
    "co", "me", "tv", "example",
];

impl Rules<'_> {
    pub(super) fn mail(&self, place: &Place<'_>) -> Option<Said> {
        let address = place.core.strip_prefix("mailto:").unwrap_or(place.core);
        let (user, host) = address.split_once('@')?;
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        let sound =
            !user.is_empty() && host.contains('.') && address.replace('@', "").chars().all(fits);
        sound.then(|| Said::one(self.spelled(address)))?
    }

    pub(super) fn web(&self, place: &Place<'_>) -> Option<Said> {
        let schemes = ["https://", "http://"];
        let scheme = schemes.iter().find_map(|s| place.core.strip_prefix(s));
        let address = scheme.unwrap_or(place.core).trim_end_matches('/');
        let host = address.split(['/', '?', '#']).next().unwrap_or_default();
        let ending = host
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase());
        let known = ending.is_some_and(|e| ENDINGS.contains(&e.as_str()));
        let letters = host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && host.contains(|c: char| c.is_ascii_alphabetic())
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        if !(scheme.is_some() || host.starts_with("www.") || (known && letters)) {
            return None;
        }
        // What comes behind a question mark is for machines.
        let said = address.split(['?', '#']).next().unwrap_or_default();
        Said::one(self.spelled(said))
    }

    /// An address as somebody would dictate it: its words, and the signs between them by name.
    fn spelled(&self, address: &str) -> String {
        let lexicon = self.lexicon;
        let mut words: Vec<String> = Vec::new();
        let mut rest = address;
        while let Some(first) = rest.chars().next() {
            let sign = match first {
                '@' => Some(lexicon.at),
                '.' => Some(lexicon.dot),
                '/' => Some(lexicon.slash),
                '-' => Some(lexicon.dash),
                '_' => Some(lexicon.underscore),
                '+' => Some(lexicon.plus),
                '=' => Some(lexicon.equals),
                '&' => Some(lexicon.and),
                _ => None,
            };
            if let Some(sign) = sign {
                words.push(sign.to_owned());
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let digit = first.is_ascii_digit();
            let other = |c: char| {
                c.is_ascii_digit() != digit || !(c.is_alphanumeric() || c == '~' || c == '%')
            };
            let end = rest.find(other).unwrap_or(rest.len()).max(first.len_utf8());
            let (run, others) = rest.split_at(end);
            rest = others;
            match run {
                "www" => words.push("w w w".to_owned()),
                run if digit => words.push(digits(self.language, run)),
                run if run.chars().all(char::is_alphanumeric) => words.push(run.to_owned()),
                _ => {}
            }
        }
        words.join(" ")
    }

    /// A telephone number, over several words: begins with + or 0, or has the groups of one. Said
    /// digit by digit with a pause between the groups.
    pub(super) fn telephone(&self, place: &Place<'_>) -> Option<Said> {
        let first = &place.tokens[0].text;
        let lead = first.chars().find(|c| *c != '(')?;
        if !(lead == '+' || lead.is_ascii_digit()) || first.contains(['.', ',', ':', '%']) {
            return self.dotted(place.core);
        }
        let mut groups: Vec<String> = Vec::new();
        let mut used = 0;
        for token in place.tokens {
            let text = token.text.as_str();
            let core = text.trim_end_matches(['.', ',', ';', '!', '?']);
            let fits = |c: char| c.is_ascii_digit() || matches!(c, '(' | ')' | '-' | '/' | '+');
            if core.is_empty() || !core.chars().all(fits) || (used > 0 && core.contains('+')) {
                break;
            }
            let pieces = core.split(|c: char| !c.is_ascii_digit());
            groups.extend(pieces.filter(|p| !p.is_empty()).map(str::to_owned));
            used += 1;
            if core.len() < text.len() {
                break;
            }
        }
        let count: usize = groups.iter().map(String::len).sum();
        let international = lead == '+';
        let national = lead == '0' && groups.len() >= 2;
        let compact = lead == '0' && groups.len() == 1 && count >= 9;
        let grouped =
            used == 1 && matches!(lengths(&groups)[..], [3, 4] | [3, 3, 4] | [1, 3, 3, 4]);
        let spaced = first.starts_with('(') && groups.len() >= 3;
        let whole = (7..=15).contains(&count);
        if !whole || !(international || national || compact || grouped || spaced) {
            return None;
        }
        let said: Vec<String> = groups.iter().map(|g| digits(self.language, g)).collect();
        let plus = if international {
            format!("{} ", self.lexicon.plus)
        } else {
            String::new()
        };
        Some(Said {
            words: format!("{plus}{}", said.join(", ")),
            used,
        })
    }

    /// 06.12.34.56.78, as it is written in France.
    fn dotted(&self, core: &str) -> Option<Said> {
        let groups: Vec<&str> = core.split('.').collect();
        let two = |g: &&str| g.len() == 2 && g.chars().all(|c| c.is_ascii_digit());
        if groups.len() != 5 || !core.starts_with('0') || !groups.iter().all(two) {
            return None;
        }
        let said: Vec<String> = groups.iter().map(|g| digits(self.language, g)).collect();
        debug_assert!(parts(core).trail.is_empty(), "a core has no trail");
        Said::one(said.join(", "))
    }
}

fn lengths(groups: &[String]) -> Vec<usize> {
    groups.iter().map(String::len).collect()
}
