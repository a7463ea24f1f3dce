//! The time and the date as people say them.
use std::{fmt, str::FromStr};

use time::{Date, OffsetDateTime, Time, UtcOffset};
use voiced_llm::numbers::{ordinal, spell};

/// For where the time is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// This machine's time zone (its `TZ`, summer time included).
    #[default]
    Local,
    /// A fixed distance from UTC.
    Fixed(UtcOffset),
}

impl Zone {
    /// The time there, now.
    pub fn now(self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        let offset = match self {
            // A machine that does not know its zone tells UTC.
            Zone::Local => UtcOffset::local_offset_at(now).unwrap_or(UtcOffset::UTC),
            Zone::Fixed(offset) => offset,
        };
        now.to_offset(offset)
    }
}

/// Why a text names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no time zone: write local, utc or a distance from UTC such as +02:00")]
pub struct NoZone(String);

impl FromStr for Zone {
    type Err = NoZone;

    fn from_str(text: &str) -> Result<Self, NoZone> {
        let wrong = || NoZone(text.to_owned());
        match text.to_ascii_lowercase().as_str() {
            "local" => return Ok(Zone::Local),
            "utc" => return Ok(Zone::Fixed(UtcOffset::UTC)),
            _ => {}
        }
        let (sign, digits) = match text.split_at_checked(1) {
            Some(("+", digits)) => (1, digits),
            Some(("-", digits)) => (-1, digits),
            _ => return Err(wrong()),
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "00"));
        let number = |text: &str, most: i8| {
            let fits = text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse().ok().filter(|n: &i8| fits && *n <= most);
            number.ok_or_else(wrong)
        };
        let (hours, minutes) = (number(hours, 14)?, number(minutes, 59)?);
        let offset = UtcOffset::from_hms(sign * hours, sign * minutes, 0);
        offset.map(Zone::Fixed).map_err(|_| wrong())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Local => f.write_str("local"),
            Zone::Fixed(offset) => f.write_str(&zone_name(*offset)),
        }
    }
}

/// `UTC`, `+02:00`.
pub(super) fn zone_name(offset: UtcOffset) -> String {
    if offset.is_utc() {
        return "UTC".to_owned();
    }
    let sign = if offset.is_negative() { '-' } else { '+' };
    let (hours, minutes, _) = offset.as_hms();
    format!("{sign}{:02}:{:02}", hours.abs(), minutes.abs())
}

/// "three forty-two in the afternoon".
pub fn spoken_time(time: Time) -> String {
    let (hour, minute) = (time.hour(), time.minute());
    match (hour, minute) {
        (0, 0) => return "midnight".to_owned(),
        (12, 0) => return "noon".to_owned(),
        _ => {}
    }
    let said_hour = spell(f64::from(match hour % 12 {
        0 => 12,
        hour => hour,
    }));
    let said_minute = match minute {
        0 => "o'clock".to_owned(),
        1..=9 => format!("oh {}", spell(f64::from(minute))),
        _ => spell(f64::from(minute)),
    };
    let part = match hour {
        5..=11 => "in the morning",
        12..=17 => "in the afternoon",
        18..=21 => "in the evening",
        _ => "at night",
    };
    format!("{said_hour} {said_minute} {part}")
}

/// "Friday, the twenty-first of November, twenty twenty-five".
pub fn spoken_date(date: Date) -> String {
    let (weekday, day, month) = (date.weekday(), ordinal(date.day()), date.month());
    format!(
        "{weekday}, the {day} of {month}, {}",
        spoken_year(date.year())
    )
}

fn spoken_year(year: i32) -> String {
    let number = |n: i32| spell(f64::from(n));
    match (year / 100, year % 100) {
        // "two thousand and five", "one thousand"
        (century, 0..10) if century % 10 == 0 => number(year),
        (_, 0) if (1_000..10_000).contains(&year) => format!("{} hundred", number(year / 100)),
        (century, rest @ 1..10) if (10..100).contains(&century) => {
            format!("{} oh {}", number(century), number(rest))
        }
        (century, rest) if (10..100).contains(&century) => {
            format!("{} {}", number(century), number(rest))
        }
        _ => number(year),
    }
}
