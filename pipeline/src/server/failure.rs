//! Why a server gave no answer, and whether asking again may help.
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;
use time::{Date, Month, OffsetDateTime, Time};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or it broke before an answer.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server said no.
    #[error("the server refused with status {status} {code}{detail}")]
    Refused {
        /// HTTP status; 0 when told inside the stream.
        status: u16,
        /// The server's own code or type, when it told one.
        code: String,
        /// The server's own words, cut; empty where they might repeat what was said in a call.
        detail: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
    },
    /// Nothing came for too long.
    #[error("the server sent no {what} within {within:?}")]
    Late {
        /// What was waited for: `first token`.
        what: &'static str,
        /// The limit.
        within: Duration,
    },
    /// The reply broke off.
    #[error("the server's reply broke off: {0}")]
    Broken(String),
    /// The reply is not what was asked for.
    #[error("the server's reply is not understood: {0}")]
    Malformed(String),
}

impl Failure {
    /// Whether the same request may succeed soon.
    pub fn may_pass(&self) -> bool {
        match self {
            Failure::Refused { status, code, .. } => {
                // An empty account does not fill itself while a caller waits.
                let passing = matches!(status, 408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 | 529);
                let told = *status == 0 && (code.contains("overloaded") || code.contains("server"));
                (passing || told) && code != "insufficient_quota"
            }
            _ => true,
        }
    }

    /// How long the server wants to be left alone.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Failure::Refused { wait, .. } => *wait,
            _ => None,
        }
    }

    /// From an answer that is no success. `body` is its beginning.
    pub fn refused(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        // A complaint about the request may quote the conversation.
        let quotes = matches!(status, 400 | 413 | 422);
        Self::told(status, &body, !quotes, retry_after(headers))
    }

    /// From an `error` inside a stream.
    pub fn in_stream(chunk: &Value) -> Option<Self> {
        let error = chunk.get("error").filter(|error| !error.is_null())?;
        let status = error.get("code").and_then(Value::as_u64).unwrap_or(0);
        let status = u16::try_from(status).unwrap_or(0);
        Some(Self::told(status, chunk, false, None))
    }

    fn told(status: u16, body: &Value, with_detail: bool, wait: Option<Duration>) -> Self {
        let error = body.get("error").unwrap_or(body);
        let text = |key: &str| {
            error
                .get(key)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        let code = text("code").or(text("type")).unwrap_or_default();
        let words = text("message").or(error.as_str()).unwrap_or_default();
        let detail = if with_detail && !words.is_empty() {
            format!(": {}", words.chars().take(200).collect::<String>())
        } else {
            String::new()
        };
        Failure::Refused {
            status,
            code: code.chars().take(60).collect(),
            detail,
            wait,
        }
    }
}

/// How long a refusal asks to wait: milliseconds, seconds, or a date, which is measured from the
/// server's own date so that clocks need not agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = |text: &str, scale: f64| {
        let value = text.parse::<f64>().ok()? * scale;
        Duration::try_from_secs_f64(value).ok()
    };
    if let Some(wait) = text("retry-after-ms").and_then(|text| seconds(text, 1e-3)) {
        return Some(wait);
    }
    let after = text("retry-after")?;
    if let Some(wait) = seconds(after, 1.0) {
        return Some(wait);
    }
    let wait = http_date(after)? - http_date(text("date")?)?;
    Some(wait.try_into().unwrap_or(Duration::ZERO))
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`.
fn http_date(text: &str) -> Option<OffsetDateTime> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts[..] else {
        return None;
    };
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = Month::try_from(u8::try_from(month).ok()? + 1).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let clock: Vec<u8> = time
        .split(':')
        .map_while(|part| part.parse().ok())
        .collect();
    let [hour, minute, second] = clock[..] else {
        return None;
    };
    let time = Time::from_hms(hour, minute, second).ok()?;
    Some(date.with_time(time).assume_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_wait_asked_for_is_understood() {
        let ms = |n| Some(Duration::from_millis(n));
        let date = ("date", "Wed, 21 Oct 2015 07:27:58 GMT");
        let table = [
            (vec![("retry-after", "2")], ms(2000)),
            (vec![("retry-after", "0.5")], ms(500)),
            (
                vec![("retry-after", "9"), ("retry-after-ms", "250")],
                ms(250),
            ),
            (
                vec![("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), date],
                ms(2000),
            ),
            (
                vec![("retry-after", "Wed, 21 Oct 2015 07:20:00 GMT"), date],
                ms(0),
            ),
            (vec![("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], None),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ];
        for (lines, expected) in table {
            assert_eq!(retry_after(&headers(&lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_what_may_pass_is_asked_again() {
        let refused =
            |status, body: &str| Failure::refused(status, &HeaderMap::new(), body.as_bytes());
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(refused(status, "").may_pass(), "{status}");
        }
        for status in [400, 401, 403, 404, 422, 501] {
            assert!(!refused(status, "").may_pass(), "{status}");
        }
        let broke = r#"{"error":{"message":"You are broke","code":"insufficient_quota"}}"#;
        assert!(!refused(429, broke).may_pass());
        assert!(Failure::Unreachable(String::new()).may_pass());
    }

    #[test]
    fn a_refusal_tells_why_but_does_not_quote_the_conversation() {
        let body = br#"{"error":{"message":"no such model","type":"not_found"}}"#;
        let told = Failure::refused(404, &HeaderMap::new(), body).to_string();
        assert_eq!(
            told,
            "the server refused with status 404 not_found: no such model"
        );
        let told = Failure::refused(400, &HeaderMap::new(), body).to_string();
        assert_eq!(told, "the server refused with status 400 not_found");
        let told = Failure::refused(502, &HeaderMap::new(), b"<html>").to_string();
        assert_eq!(told, "the server refused with status 502 ");
    }

    #[test]
    fn an_error_inside_the_stream_is_one() {
        let chunk = serde_json::json!({"error": {"message": "x", "code": 503}});
        assert!(Failure::in_stream(&chunk).unwrap().may_pass());
        let chunk = serde_json::json!({"error": {"type": "invalid_request_error"}});
        assert!(!Failure::in_stream(&chunk).unwrap().may_pass());
        assert_eq!(
            Failure::in_stream(&serde_json::json!({"error": null})),
            None
        );
    }
}
