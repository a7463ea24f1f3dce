//! Numbers and what they count.
use super::{Place, Rules, Said};
use crate::normalise::{
    Language,
    number::{cardinal, counted, digits, ordinal, year},
};

/// A number as written.
pub(super) struct Number {
    negative: bool,
    /// At most 18 digits.
    whole: String,
    fraction: Option<String>,
    /// Digits alone, as a year or a code would be.
    bare: bool,
}

impl Number {
    fn value(&self) -> u64 {
        self.whole.parse().unwrap_or(u64::MAX)
    }

    fn is_one(&self) -> bool {
        self.value() == 1 && self.fraction.is_none()
    }

    pub fn words(&self, rules: &Rules<'_>) -> String {
        self.of(rules, None)
    }

    /// In front of a noun of this gender, or alone.
    fn of(&self, rules: &Rules<'_>, feminine: Option<bool>) -> String {
        let language = rules.language;
        let value = self.value();
        let zeros = self.whole.len() > 1 && self.whole.starts_with('0');
        let mut words = match (&self.fraction, feminine) {
            _ if zeros => digits(language, &self.whole),
            (None, Some(feminine)) => counted(language, value, feminine),
            (None, None) if self.bare && (1100..2100).contains(&value) => year(language, value),
            _ => cardinal(language, value),
        };
        if let Some(fraction) = &self.fraction {
            words = format!(
                "{words} {} {}",
                rules.lexicon.point,
                digits(language, fraction)
            );
        }
        if self.negative {
            words = format!("{} {words}", rules.lexicon.minus);
        }
        words
    }
}

impl Rules<'_> {
    /// Reads a number with the separators of the language, or with the other's where that is the
    /// only way to read it.
    pub(super) fn number(&self, text: &str) -> Option<Number> {
        let unsigned = text.strip_prefix('-');
        let rest = unsigned.unwrap_or(text);
        if !rest.starts_with(|c: char| c.is_ascii_digit())
            || !rest.ends_with(|c: char| c.is_ascii_digit())
            || rest.len() > 24
            || !rest
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '\''))
        {
            return None;
        }
        let number = |whole: String, fraction: Option<&str>| {
            let number = Number {
                negative: unsigned.is_some(),
                bare: whole.len() == rest.len(),
                whole,
                fraction: fraction.map(str::to_owned),
            };
            (number.whole.len() <= 18).then_some(number)
        };
        let (point, group) = if self.lexicon.comma {
            (',', '.')
        } else {
            ('.', ',')
        };
        if let Some((whole, fraction)) = rest.split_once(point)
            && let Some(whole) = self.grouped(whole, group)
            && fraction.chars().all(|c| c.is_ascii_digit())
        {
            return number(whole, Some(fraction));
        }
        if let Some(whole) = self.grouped(rest, group) {
            return number(whole, None);
        }
        let (whole, fraction) = rest.split_once(group)?;
        let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_digit());
        (plain(whole) && plain(fraction)).then(|| number(whole.to_owned(), Some(fraction)))?
    }

    /// Digits with separators behind every three of them; behind two in India.
    fn grouped(&self, text: &str, group: char) -> Option<String> {
        let group = if text.contains('\'') { '\'' } else { group };
        let mut pieces = text.split(group);
        let first = pieces.next()?;
        let rest: Vec<&str> = pieces.collect();
        let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_digit());
        let last = rest.len().saturating_sub(1);
        let fits = |(i, s): (usize, &&str)| {
            plain(s) && (s.len() == 3 || (s.len() == 2 && i < last && group == ','))
        };
        let short = rest.is_empty() || first.len() <= 3;
        let sound = plain(first) && short && rest.iter().enumerate().all(fits);
        sound.then(|| text.replace(group, ""))
    }

    /// The number at a place, over several words where French puts spaces into it.
    fn number_at(&self, place: &Place<'_>) -> Option<(Number, usize)> {
        let mut text = place.core.to_owned();
        let mut used = 1;
        if self.language == Language::Fr && (1..=3).contains(&text.len()) && !text.starts_with('0')
        {
            let three = |s: &str| {
                let digits = s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                digits == 3 && (s.len() == 3 || s[3..].starts_with(','))
            };
            while !text.contains(',')
                && text.chars().all(|c| c.is_ascii_digit())
                && let Some(next) = place.next(used).filter(|s| three(s))
            {
                text.push_str(next);
                used += 1;
            }
        }
        Some((self.number(&text)?, used))
    }

    pub(super) fn money(&self, place: &Place<'_>) -> Option<Said> {
        let core = place.core;
        let sign_first = |core: &str| {
            let signs = ["€", "$", "£", "¥", "₹"];
            let negative = core.strip_prefix('-');
            let sign = signs
                .into_iter()
                .find(|s| negative.unwrap_or(core).starts_with(s))?;
            let amount = negative.unwrap_or(core).strip_prefix(sign)?;
            Some((
                sign,
                format!("{}{amount}", if negative.is_some() { "-" } else { "" }),
            ))
        };
        if let Some((sign, amount)) = sign_first(core)
            && !amount.is_empty()
        {
            let number = self.number(&amount)?;
            return self.amount(place, &number, sign, 1);
        }
        if self.lexicon.currency(core).is_some() {
            let number = self.number(place.next(1)?)?;
            return self.amount(place, &number, core, 2);
        }
        let last = core.chars().last().filter(|c| !c.is_ascii_digit())?;
        if let Some(amount) = core.strip_suffix(last)
            && self.lexicon.currency(&last.to_string()).is_some()
        {
            return self.amount(place, &self.number(amount)?, &last.to_string(), 1);
        }
        None
    }

    /// A number with its currency behind it as a word of its own.
    fn money_behind(&self, place: &Place<'_>, number: &Number, used: usize) -> Option<Said> {
        let next = place.next(used)?;
        if self.lexicon.currency(next).is_some() {
            return self.amount(place, number, next, used + 1);
        }
        let magnitude = self
            .lexicon
            .magnitudes
            .iter()
            .find(|m| next == m.trim_end_matches('.'))?;
        let ahead = place.tokens.get(used + 1)?;
        let currency = self.lexicon.currency(super::parts(&ahead.text).core)?;
        let said = self
            .lexicon
            .abbreviations
            .iter()
            .find(|a| a.0 == *magnitude);
        let magnitude = said.map_or(*magnitude, |a| a.1);
        let of = match self.language {
            Language::Fr | Language::Es | Language::Pt if magnitude != "mil" => " de",
            Language::It => " di",
            _ => "",
        };
        let words = number.of(self, Some(false));
        let of = match currency.many {
            euros if of == " de" && self.language == Language::Fr && euros.starts_with('e') => {
                " d'"
            }
            _ if of.is_empty() => " ",
            _ => &format!("{of} "),
        };
        Some(Said {
            words: format!("{words} {magnitude}{of}{}", currency.many),
            used: used + 2,
        })
    }

    fn amount(&self, place: &Place<'_>, number: &Number, sign: &str, used: usize) -> Option<Said> {
        let currency = self.lexicon.currency(sign)?;
        if used == 1
            && let Some(next) = place.next(1)
            && let Some(magnitude) = self.lexicon.magnitudes.iter().find(|m| **m == next)
        {
            let words = number.of(self, Some(false));
            return Some(Said {
                words: format!("{words} {magnitude} {}", currency.many),
                used: 2,
            });
        }
        let cents = match number.fraction.as_deref() {
            Some(two) if two.len() == 2 => two.parse().ok()?,
            Some(one) if one.len() == 1 => one.parse::<u64>().ok()? * 10,
            None => 0,
            Some(_) => {
                let words = number.words(self);
                return Some(Said {
                    words: format!("{words} {}", currency.many),
                    used,
                });
            }
        };
        let hundredths = || {
            let name = if cents == 1 {
                currency.hundredth
            } else {
                currency.hundredths
            };
            format!("{} {name}", counted(self.language, cents, false))
        };
        let whole = Number {
            negative: number.negative,
            whole: number.whole.clone(),
            fraction: None,
            bare: false,
        };
        let units = || {
            let name = if whole.is_one() {
                currency.one
            } else {
                currency.many
            };
            format!("{} {name}", whole.of(self, Some(currency.feminine)))
        };
        let words = match (whole.value(), cents) {
            (_, 0) => units(),
            (0, _) => hundredths(),
            _ => {
                let (joint, named) = self.lexicon.cents;
                let cents = if named {
                    hundredths()
                } else {
                    cardinal(self.language, cents)
                };
                match (self.language, joint) {
                    // The Arabic "and" is part of the word behind it.
                    (Language::Ar, joint) => format!("{} {joint}{cents}", units()),
                    (_, "") => format!("{} {cents}", units()),
                    (_, joint) => format!("{} {joint} {cents}", units()),
                }
            }
        };
        Some(Said { words, used })
    }

    /// Numbers, with a percent sign or a unit in the same word or the next.
    pub(super) fn quantity(&self, place: &Place<'_>) -> Option<Said> {
        let core = place.core;
        if let Some((number, used)) = self.number_at(place) {
            if let Some(said) = self.money_behind(place, &number, used) {
                return Some(said);
            }
            let sign = place.next(used).filter(|next| !next.is_empty());
            let words = sign.and_then(|sign| self.with_unit(&number, sign));
            return Some(match words {
                Some(words) => Said {
                    words,
                    used: used + 1,
                },
                None => Said {
                    words: number.words(self),
                    used,
                },
            });
        }
        if let Some(rest) = core.strip_prefix('+') {
            let number = self.number(rest)?;
            return Said::one(format!("{} {}", self.lexicon.plus, number.words(self)));
        }
        let digits_end = core.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (amount, sign) = core.split_at(digits_end);
        if let Some(number) = self.number(amount)
            && let Some(words) = self.with_unit(&number, sign)
        {
            return Said::one(words);
        }
        self.version(core)
    }

    fn with_unit(&self, number: &Number, sign: &str) -> Option<String> {
        if sign == "%" {
            return Some(format!(
                "{} {}",
                number.of(self, None),
                self.lexicon.percent
            ));
        }
        let (one, many, feminine) = self.lexicon.unit(sign)?;
        let name = if number.is_one() { one } else { many };
        let counted = Number {
            negative: number.negative,
            whole: number.whole.clone(),
            fraction: number.fraction.clone(),
            bare: false,
        };
        if self.language == Language::It && number.is_one() && name == "ora" {
            return Some("un'ora".to_owned());
        }
        Some(format!("{} {name}", counted.of(self, Some(feminine))))
    }

    /// Three or more numbers with dots between them.
    fn version(&self, core: &str) -> Option<Said> {
        let pieces: Vec<&str> = core.trim_start_matches(['v', 'V']).split('.').collect();
        let plain = |s: &&str| !s.is_empty() && s.chars().all(|c| c.is_ascii_digit());
        if pieces.len() < 3 || !pieces.iter().all(plain) {
            return None;
        }
        let words: Vec<String> = pieces.iter().map(|p| self.plain_number(p)).collect();
        let dot = match self.language {
            Language::En => self.lexicon.point,
            _ => self.lexicon.dot,
        };
        Said::one(words.join(&format!(" {dot} ")))
    }

    /// 3-5, 10–12 and what is counted behind it.
    pub(super) fn range(&self, place: &Place<'_>) -> Option<Said> {
        let (from, to) = place.core.split_once(['-', '–'])?;
        let end = to.rfind(|c: char| c.is_ascii_digit())? + 1;
        let (from, upto) = (self.number(from)?, self.number(&to[..end])?);
        let sign = &to[end..];
        let last = match sign {
            "" => upto.words(self),
            sign => self.with_unit(&upto, sign)?,
        };
        Said::one(format!("{} {} {last}", from.words(self), self.lexicon.to))
    }

    pub(super) fn ordinal(&self, place: &Place<'_>) -> Option<Said> {
        let core = place.core;
        let end = core.find(|c: char| !c.is_ascii_digit())?;
        let (number, suffix) = core.split_at(end);
        let n: u64 = number.parse().ok().filter(|n| *n > 0)?;
        let feminine = matches!(suffix, "ª" | "a" | "ère" | "re");
        let fits = match self.language {
            Language::En => matches!(suffix, "st" | "nd" | "rd" | "th"),
            Language::Fr => {
                matches!(
                    suffix,
                    "er" | "ère" | "re" | "e" | "è" | "ème" | "ième" | "eme" | "nd"
                )
            }
            Language::Es | Language::It | Language::Pt => {
                matches!(suffix, "º" | "ª" | ".º" | "°") && (suffix != "°" || n <= 10)
            }
            Language::Nl => matches!(suffix, "e" | "de" | "ste"),
            Language::De | Language::Ar | Language::Hi => false,
        };
        let words = fits.then(|| ordinal(self.language, n)).flatten()?;
        let stem = words.strip_suffix('o').filter(|_| feminine);
        Said::one(match stem {
            Some(stem) => format!("{stem}a"),
            None if words == "premier" && feminine => "première".to_owned(),
            None => words,
        })
    }
}
