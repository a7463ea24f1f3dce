//! From where requests may come. A page of another site must not be able to talk with this daemon
//! through its visitor's browser: not by asking across origins, and not by pointing its own name at
//! this machine (DNS rebinding).
use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, Uri, header, uri::Authority};

use super::Refusal;

/// Names by which the listener may be called, and pages that may call it.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The listener can only be reached from this machine.
    pub loopback: bool,
    /// Host names the listener may be called by, beside IP addresses and `localhost`. When there
    /// are none and the listener is not on loopback, every name is good: a key is needed there.
    pub hosts: Vec<String>,
    /// Origins other than the listener's own whose pages may call, as `https://example.com`; `*`
    /// is every one.
    pub origins: Vec<String>,
}

impl Trust {
    /// Judges a request by its headers.
    pub fn judge(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .and_then(|host| host.parse::<Authority>().ok())
            .ok_or_else(|| {
                Refusal::bad_request("missing_host", "The request has no usable Host header.")
            })?;
        if !self.is_our_name(host.host()) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "host_not_allowed",
                "The server is not to be called by this name; allow it in its configuration.",
            ));
        }
        let origins: Vec<_> = headers.get_all(header::ORIGIN).iter().collect();
        let allowed = origins
            .iter()
            .all(|origin| origin.to_str().is_ok_and(|o| self.is_our_page(o, &host)));
        if origins.len() > 1 || !allowed {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "origin_not_allowed",
                "Pages of this origin may not call; allow it in the server's configuration.",
            ));
        }
        Ok(())
    }

    fn is_our_name(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // A name is what rebinding needs; an address is always the one that was dialled.
        let local = host.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || host.to_ascii_lowercase().ends_with(".localhost");
        let listed = self
            .hosts
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host));
        local || listed || (!self.loopback && self.hosts.is_empty())
    }

    fn is_our_page(&self, origin: &str, host: &Authority) -> bool {
        let listed = |listed: &String| {
            listed == "*" || listed.trim_end_matches('/').eq_ignore_ascii_case(origin)
        };
        self.origins.iter().any(listed) || is_same(origin, host)
    }
}

/// Whether a page of `origin` came from where its request goes.
fn is_same(origin: &str, host: &Authority) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    let usual = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    origin.authority().is_some_and(|from| {
        from.host().eq_ignore_ascii_case(host.host())
            && from.port_u16().unwrap_or(usual) == host.port_u16().unwrap_or(usual)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(trust: &Trust, host: &str, origin: Option<&str>) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        trust.judge(&headers).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_loopback_listener_answers_to_local_names_only() {
        let trust = Trust {
            loopback: true,
            ..Trust::default()
        };
        for host in [
            "localhost",
            "localhost:8080",
            "LOCALHOST:1",
            "voiced.localhost",
            "127.0.0.1:8080",
            "[::1]:8080",
            "192.168.0.7",
        ] {
            assert_eq!(judge(&trust, host, None), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
        ] {
            assert_eq!(judge(&trust, host, None), Err("host_not_allowed"), "{host}");
        }
        assert_eq!(judge(&trust, "", None), Err("missing_host"));
        assert_eq!(
            trust.judge(&HeaderMap::new()).map_err(|r| r.code),
            Err("missing_host")
        );
    }

    #[test]
    fn a_public_listener_answers_to_any_name_unless_some_are_listed() {
        let open = Trust::default();
        assert_eq!(judge(&open, "voice.example", None), Ok(()));
        let listed = Trust {
            hosts: vec!["voice.example".into()],
            ..Trust::default()
        };
        assert_eq!(judge(&listed, "Voice.Example:443", None), Ok(()));
        assert_eq!(
            judge(&listed, "other.example", None),
            Err("host_not_allowed")
        );
    }

    #[test]
    fn pages_of_other_origins_may_not_call_unless_listed() {
        let trust = Trust {
            loopback: true,
            origins: vec!["https://app.example/".into()],
            ..Trust::default()
        };
        let host = "127.0.0.1:8080";
        for origin in ["http://127.0.0.1:8080", "https://app.example"] {
            assert_eq!(judge(&trust, host, Some(origin)), Ok(()), "{origin}");
        }
        for origin in [
            "http://127.0.0.1:8081",
            "http://localhost:8080",
            "https://evil.example",
            "null",
            "https://app.example.evil",
            "file://",
            "https://127.0.0.1",
            "",
        ] {
            assert_eq!(
                judge(&trust, host, Some(origin)),
                Err("origin_not_allowed"),
                "{origin}"
            );
        }
        assert_eq!(
            judge(
                &Trust::default(),
                "voice.example",
                Some("https://voice.example")
            ),
            Ok(()),
            "behind a proxy the port is the scheme's"
        );
        let any = Trust {
            origins: vec!["*".into()],
            ..Trust::default()
        };
        assert_eq!(judge(&any, host, Some("https://evil.example")), Ok(()));
    }
}
