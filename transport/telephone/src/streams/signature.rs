//! Twilio's signature: base64 of HMAC-SHA1 over the address that was asked for, and, for a form,
//! its sorted fields.
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::hmac;

/// Whether `signature` is Twilio's for `url` and a form's fields. The address may have been signed
/// with its port or without.
pub(super) fn is_right(token: &str, url: &str, form: &[(String, String)], signature: &str) -> bool {
    let Ok(signature) = BASE64.decode(signature) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    let mut fields: Vec<&(String, String)> = form.iter().collect();
    fields.sort();
    [url.to_owned(), with_port(url), without_port(url)]
        .iter()
        .any(|url| {
            let mut signed = url.clone();
            for (name, value) in &fields {
                signed.push_str(name);
                signed.push_str(value);
            }
            // Compares in constant time.
            hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
        })
}

/// Scheme, host with port, and the rest.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let at = rest.find('/').unwrap_or(rest.len());
    Some((scheme, &rest[..at], &rest[at..]))
}

fn with_port(url: &str) -> String {
    match parts(url) {
        Some((scheme, host, rest)) if !host.contains(':') => {
            let port = if matches!(scheme, "https" | "wss") {
                443
            } else {
                80
            };
            format!("{scheme}://{host}:{port}{rest}")
        }
        _ => url.to_owned(),
    }
}

fn without_port(url: &str) -> String {
    match parts(url) {
        Some((scheme, host, rest)) => {
            let host = host.split(':').next().unwrap_or(host);
            format!("{scheme}://{host}{rest}")
        }
        None => url.to_owned(),
    }
}
