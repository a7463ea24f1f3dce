//! Dates and times of day.
use super::{Place, Rules, Said};
use crate::normalise::{
    Language,
    number::{cardinal, counted, ordinal, year},
};

struct Date {
    day: u64,
    month: u64,
    year: Option<u64>,
}

struct Time {
    hour: u64,
    minute: u64,
}

/// Hours are counted in order: the first, called the one, to the twenty-fourth.
const ARABIC_HOURS: [&str; 24] = [
    "الواحدة",
    "الثانية",
    "الثالثة",
    "الرابعة",
    "الخامسة",
    "السادسة",
    "السابعة",
    "الثامنة",
    "التاسعة",
    "العاشرة",
    "الحادية عشرة",
    "الثانية عشرة",
    "الثالثة عشرة",
    "الرابعة عشرة",
    "الخامسة عشرة",
    "السادسة عشرة",
    "السابعة عشرة",
    "الثامنة عشرة",
    "التاسعة عشرة",
    "العشرون",
    "الحادية والعشرون",
    "الثانية والعشرون",
    "الثالثة والعشرون",
    "الرابعة والعشرون",
];

/// "The third and the half": quarters and halves have names, other minutes are counted.
fn arabic_time(time: &Time) -> String {
    let hour = match time.hour {
        0 => "الثانية عشرة",
        hour => ARABIC_HOURS[hour as usize - 1],
    };
    let minutes = match time.minute {
        0 => return hour.to_owned(),
        15 => "الربع".to_owned(),
        30 => "النصف".to_owned(),
        1 => "دقيقة".to_owned(),
        2 => "دقيقتان".to_owned(),
        3..=10 => format!("{} دقائق", arabic_feminine(time.minute)),
        minute => format!("{} دقيقة", cardinal(Language::Ar, minute)),
    };
    format!("{hour} و{minutes}")
}

/// The day of a month is an ordinal, masculine and definite, up to the tenth; beyond it is counted
/// as readers do.
fn arabic_day(day: u64) -> String {
    const DAYS: [&str; 10] = [
        "الأول",
        "الثاني",
        "الثالث",
        "الرابع",
        "الخامس",
        "السادس",
        "السابع",
        "الثامن",
        "التاسع",
        "العاشر",
    ];
    match DAYS.get(day as usize - 1) {
        Some(nth) => format!("{nth} من"),
        None => cardinal(Language::Ar, day),
    }
}

/// Three to ten of something feminine, as minutes are.
fn arabic_feminine(n: u64) -> String {
    let words = cardinal(Language::Ar, n);
    let bare = words.strip_suffix('ة').unwrap_or(&words).to_owned();
    // Eight keeps its last letter in front of its noun.
    if n == 8 {
        "ثماني".to_owned()
    } else {
        bare
    }
}

fn number(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let plain = text.chars().all(|c| c.is_ascii_digit());
    (plain && lengths.contains(&text.len())).then(|| text.parse().ok())?
}

impl Rules<'_> {
    pub(super) fn date(&self, place: &Place<'_>) -> Option<Said> {
        if let Some(date) = self.numeric_date(place.core) {
            return Said::one(self.date_words(place, &date));
        }
        self.day_of_month(place)
    }

    /// 2026-03-26, 26.03.2026, 26/3/2026 and, in English, 3/26/2026.
    fn numeric_date(&self, core: &str) -> Option<Date> {
        let separator = core.chars().find(|c| !c.is_ascii_digit())?;
        let pieces: Vec<&str> = core.split(separator).collect();
        let [a, b, c] = pieces.as_slice() else {
            return None;
        };
        let date = match (separator, a.len()) {
            ('-' | '/', 4) => Date {
                year: number(a, 4..=4),
                month: number(b, 1..=2)?,
                day: number(c, 1..=2)?,
            },
            ('.' | '/' | '-', 1 | 2) => {
                let (first, second) = (number(a, 1..=2)?, number(b, 1..=2)?);
                let american = self.language == Language::En && separator == '/' && first <= 12;
                let (day, month) = if american {
                    (second, first)
                } else {
                    (first, second)
                };
                Date {
                    year: number(c, 4..=4),
                    month,
                    day,
                }
            }
            _ => return None,
        };
        let real = (1..=12).contains(&date.month) && (1..=31).contains(&date.day);
        (real && date.year.is_some()).then_some(date)
    }

    /// German "3. März", English "March 3" and "3 March", French "1 mars": the day is an ordinal
    /// where the language says so.
    fn day_of_month(&self, place: &Place<'_>) -> Option<Said> {
        let day = |text: &str| number(text, 1..=2).filter(|d| (1..=31).contains(d));
        let months = &self.lexicon.months;
        let is_month = |text: &str| months.iter().any(|m| m.eq_ignore_ascii_case(text));
        let n = day(place.core)?;
        match self.language {
            Language::De => {
                let dotted = super::parts(&place.tokens[0].text).trail == ".";
                let month = place.tokens.get(1).map(|t| super::parts(&t.text).core)?;
                (dotted && is_month(month)).then(|| {
                    // The dot belongs to the number and is not said.
                    let words = format!("{} {month}", self.german_day(place.before, n));
                    Said { words, used: 2 }
                })
            }
            Language::En => {
                let behind = is_month(super::parts(place.before).core);
                let before = place.next(1).is_some_and(is_month);
                (behind || before)
                    .then(|| ordinal(self.language, n))
                    .flatten()
                    .and_then(Said::one)
            }
            Language::Fr | Language::It if n == 1 && place.next(1).is_some_and(is_month) => {
                ordinal(self.language, n).and_then(Said::one)
            }
            _ => None,
        }
    }

    fn german_day(&self, before: &str, n: u64) -> String {
        let nominative = ordinal(Language::De, n).unwrap_or_default();
        let weak = nominative.trim_end_matches('r');
        match before.to_lowercase().as_str() {
            "am" | "dem" | "vom" | "zum" | "bis" | "ab" | "seit" | "den" | "beim" => {
                format!("{weak}n")
            }
            "der" | "jeder" => weak.to_owned(),
            _ => nominative,
        }
    }

    fn date_words(&self, place: &Place<'_>, date: &Date) -> String {
        let language = self.language;
        let month = self.lexicon.months[date.month as usize - 1];
        let years = date.year.map(|y| year(language, y)).unwrap_or_default();
        let day = || cardinal(language, date.day);
        let nth = || ordinal(language, date.day).unwrap_or_else(day);
        match language {
            Language::En => format!("{month} {}, {years}", nth()),
            Language::De => format!(
                "{} {month} {years}",
                self.german_day(place.before, date.day)
            ),
            Language::Fr | Language::It if date.day == 1 => format!("{} {month} {years}", nth()),
            Language::Es | Language::Pt => format!("{} de {month} de {years}", day()),
            Language::Ar => format!("{} {month} {years}", arabic_day(date.day)),
            _ => format!("{} {month} {years}", day()),
        }
    }

    /// 14:30, 9:05 pm, 14h30 and the word for "o'clock" behind it; two of them with a dash
    /// between.
    pub(super) fn time(&self, place: &Place<'_>) -> Option<Said> {
        if let Some((from, to)) = place.core.split_once(['-', '–'])
            && let (Some(from), Some(to)) = (self.clock(from), self.clock(to))
        {
            let (from, to) = (self.time_words(&from, None), self.time_words(&to, None));
            return Said::one(format!("{from} {} {to}", self.lexicon.to));
        }
        if self.language == Language::En
            && let Some(half) = place.core.to_ascii_lowercase().strip_suffix(['m'])
            && let Some((hour, suffix)) = half
                .strip_suffix('a')
                .map(|h| (h, "AM"))
                .or_else(|| half.strip_suffix('p').map(|h| (h, "PM")))
        {
            let time = self.clock(hour).or_else(|| self.hour(hour))?;
            return Said::one(self.time_words(&time, Some(suffix)));
        }
        let next = place.next(1).map(str::to_lowercase);
        let half = match next.as_deref() {
            Some("am" | "a.m") if self.language == Language::En => Some("AM"),
            Some("pm" | "p.m") if self.language == Language::En => Some("PM"),
            _ => None,
        };
        if let Some(half) = half {
            let time = self.clock(place.core).or_else(|| self.hour(place.core))?;
            return Some(Said {
                words: self.time_words(&time, Some(half)),
                used: 2,
            });
        }
        let clock = match self.language {
            Language::De | Language::Nl => "uhr uur",
            Language::Hi => "बजे",
            _ => "",
        };
        let named = next.is_some_and(|next| clock.split(' ').any(|c| c == next));
        let hour = || named.then(|| self.hour(place.core)).flatten();
        let time = self.clock(place.core).or_else(hour)?;
        Some(Said {
            words: self.time_words(&time, None),
            used: 1 + usize::from(named),
        })
    }

    fn hour(&self, text: &str) -> Option<Time> {
        let hour = number(text, 1..=2).filter(|h| *h <= 24)?;
        Some(Time { hour, minute: 0 })
    }

    fn clock(&self, text: &str) -> Option<Time> {
        let with_h = matches!(self.language, Language::Fr | Language::Pt);
        let (hour, minute) = match text.split_once(':') {
            Some(pair) => pair,
            None if with_h => text.split_once('h')?,
            None => return None,
        };
        let hour = number(hour, 1..=2).filter(|h| *h <= 24)?;
        let minute = match minute {
            "" if with_h => 0,
            minute => number(minute, 2..=2).filter(|m| *m < 60)?,
        };
        Some(Time { hour, minute })
    }

    fn time_words(&self, time: &Time, half: Option<&str>) -> String {
        let language = self.language;
        let minutes = || cardinal(language, time.minute);
        let hour = |feminine| counted(language, time.hour, feminine);
        let whole = time.minute == 0;
        match language {
            Language::En => {
                let hour = cardinal(language, time.hour);
                let words = match time.minute {
                    0 if half.is_some() => hour,
                    0 => format!("{hour} o'clock"),
                    1..10 => format!("{hour} oh {}", minutes()),
                    _ => format!("{hour} {}", minutes()),
                };
                half.map_or(words.clone(), |half| format!("{words} {half}"))
            }
            Language::De if whole => format!("{} Uhr", hour(false)),
            Language::De => format!("{} Uhr {}", hour(false), minutes()),
            Language::Nl if whole => format!("{} uur", hour(false)),
            Language::Nl => format!("{} uur {}", hour(false), minutes()),
            Language::Fr => {
                let name = if time.hour < 2 { "heure" } else { "heures" };
                match time.minute {
                    0 => format!("{} {name}", hour(true)),
                    _ => format!("{} {name} {}", hour(true), minutes()),
                }
            }
            Language::Es | Language::It if whole => hour(true),
            Language::Es => format!("{} y {}", hour(true), minutes()),
            Language::It => format!("{} e {}", hour(true), minutes()),
            Language::Pt => {
                let name = if time.hour < 2 { "hora" } else { "horas" };
                match time.minute {
                    0 => format!("{} {name}", hour(true)),
                    _ => format!("{} {name} e {}", hour(true), minutes()),
                }
            }
            Language::Ar => arabic_time(time),
            Language::Hi if whole => format!("{} बजे", cardinal(language, time.hour)),
            Language::Hi => {
                format!("{} बजकर {} मिनट", cardinal(language, time.hour), minutes())
            }
        }
    }
}
