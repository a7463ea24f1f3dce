//! Who may enter: API keys, and the short-lived secrets made with them for browsers.
//!
//! Guarantees: neither keys nor secrets are kept, only their digests; digests are compared in time
//! that does not depend on them; the number of secrets is bounded.
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};
use serde_json::Value;
use subtle::{Choice, ConstantTimeEq};

/// How many secrets may be alive at once.
pub const MAX_SECRETS: usize = 4_096;
/// How long a secret may be asked to live, in seconds.
pub const SECRET_SECONDS: std::ops::RangeInclusive<u64> = 10..=7_200;
/// How long a secret lives when its maker does not say, in seconds.
pub const DEFAULT_SECRET_SECONDS: u64 = 600;

type Digest = [u8; 32];

/// The keys of a daemon and the secrets it has given out.
pub struct Keys {
    keys: Vec<Digest>,
    secrets: Mutex<HashMap<Digest, Secret>>,
    random: SystemRandom,
}

/// What a secret opens.
#[derive(Clone, Debug)]
struct Secret {
    expires_at: u64,
    session: Option<Value>,
}

/// Who came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// With an API key, or without one where none is needed.
    Key,
    /// With a secret, and the session object it was made with.
    Secret(Option<Value>),
}

/// Why somebody did not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEntry {
    /// There was no token.
    Missing,
    /// The token is none of ours, or its time is over.
    Wrong,
}

/// Too many secrets are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_SECRETS} client secrets are alive; wait until some expire")]
pub struct TooManySecrets;

/// A variable that was to hold an API key does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is not set.
    #[error("the environment variable {0}, which is to hold an API key, is not set")]
    Unset(String),
    /// It holds nothing.
    #[error("the environment variable {0}, which is to hold an API key, is empty")]
    Empty(String),
}

impl Keys {
    /// Every token, and none, is good. For listeners that only this machine can reach.
    pub fn open() -> Self {
        Self::new([])
    }

    /// These API keys. None of them is the same as [`Keys::open`].
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self {
            keys: keys.into_iter().map(hash).collect(),
            secrets: Mutex::default(),
            random: SystemRandom::new(),
        }
    }

    /// The keys in these environment variables.
    pub fn from_env(names: &[String]) -> Result<Self, KeysError> {
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            let key = std::env::var(name).map_err(|_| KeysError::Unset(name.clone()))?;
            if key.trim().is_empty() {
                return Err(KeysError::Empty(name.clone()));
            }
            keys.push(key.trim().to_owned());
        }
        Ok(Self::new(keys.iter().map(String::as_str)))
    }

    /// Whether a key is needed at all.
    pub fn are_needed(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Judges a token at Unix second `now`.
    pub fn check(&self, token: Option<&str>, now: u64) -> Result<Entry, NoEntry> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return if self.are_needed() {
                Err(NoEntry::Missing)
            } else {
                Ok(Entry::Key)
            };
        };
        let token = hash(token);
        let known = self
            .keys
            .iter()
            .fold(Choice::from(0), |known, key| known | key.ct_eq(&token));
        if bool::from(known) {
            return Ok(Entry::Key);
        }
        // Found by its digest, which nobody can steer towards another's: the time of the look-up
        // tells nothing of the secrets.
        let secret = self.secrets().get(&token).cloned();
        match secret {
            Some(secret) if secret.expires_at > now => Ok(Entry::Secret(secret.session)),
            _ if self.are_needed() => Err(NoEntry::Wrong),
            _ => Ok(Entry::Key),
        }
    }

    /// Makes a secret that begins with `prefix` at Unix second `now` that opens sessions as `session` describes them for
    /// `lifetime`, which lies in [`SECRET_SECONDS`]. Returns it and the second it expires.
    pub fn mint(
        &self,
        prefix: &str,
        session: Option<Value>,
        lifetime: Duration,
        now: u64,
    ) -> Result<(String, u64), TooManySecrets> {
        let mut bytes = [0; 32];
        self.random
            .fill(&mut bytes)
            .expect("the operating system gives random bytes");
        let value = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes));
        let lifetime = lifetime
            .as_secs()
            .clamp(*SECRET_SECONDS.start(), *SECRET_SECONDS.end());
        let expires_at = now + lifetime;
        let mut secrets = self.secrets();
        if secrets.len() >= MAX_SECRETS {
            secrets.retain(|_, secret| secret.expires_at > now);
        }
        if secrets.len() >= MAX_SECRETS {
            return Err(TooManySecrets);
        }
        secrets.insert(
            hash(&value),
            Secret {
                expires_at,
                session,
            },
        );
        Ok((value, expires_at))
    }

    fn secrets(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Secret>> {
        // No code panics while holding it.
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// The Unix second now.
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn hash(text: &str) -> Digest {
    let mut hashed = Digest::default();
    hashed.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hashed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn keys_open_and_others_do_not() {
        let keys = Keys::new(["one", "two"]);
        for (token, entry) in [
            (Some("one"), Ok(Entry::Key)),
            (Some("two"), Ok(Entry::Key)),
            (Some("onetwo"), Err(NoEntry::Wrong)),
            (Some("ek_forged"), Err(NoEntry::Wrong)),
            (Some(""), Err(NoEntry::Missing)),
            (None, Err(NoEntry::Missing)),
        ] {
            assert_eq!(keys.check(token, 0), entry, "{token:?}");
        }
        assert!(!format!("{keys:?}").contains("one"));
    }

    #[test]
    fn without_keys_everybody_may_enter() {
        let keys = Keys::open();
        assert_eq!(keys.check(None, 0), Ok(Entry::Key));
        assert_eq!(keys.check(Some("anything"), 0), Ok(Entry::Key));
    }

    #[test]
    fn a_secret_opens_its_session_until_it_expires() {
        let keys = Keys::new(["one"]);
        let session = Some(json!({"type": "realtime"}));
        let (value, expires_at) = keys.mint("ek_", session.clone(), LONG, 1_000).unwrap();
        assert!(value.starts_with("ek_") && value.len() > 40);
        assert_eq!(expires_at, 1_600);
        assert_eq!(keys.check(Some(&value), 1_599), Ok(Entry::Secret(session)));
        assert_eq!(keys.check(Some(&value), 1_600), Err(NoEntry::Wrong));
        let forged = value.replace("ek_", "ek_A");
        assert_eq!(keys.check(Some(&forged), 1_000), Err(NoEntry::Wrong));
        let (_, clamped) = keys.mint("ek_", None, Duration::from_secs(1), 0).unwrap();
        assert_eq!(clamped, 10);
    }

    #[test]
    fn secrets_are_bounded_and_expired_ones_make_room() {
        let keys = Keys::new(["one"]);
        for _ in 0..MAX_SECRETS {
            keys.mint("ek_", None, LONG, 0).unwrap();
        }
        assert_eq!(keys.mint("ek_", None, LONG, 599), Err(TooManySecrets));
        assert!(keys.mint("ek_", None, LONG, 600).is_ok());
    }

    #[test]
    fn a_named_variable_must_hold_a_key() {
        let name = "VOICED_TEST_NO_SUCH_KEY".to_owned();
        let missing = Keys::from_env(std::slice::from_ref(&name)).unwrap_err();
        assert_eq!(missing, KeysError::Unset(name));
        // `PATH` is set and not empty wherever tests run.
        assert!(Keys::from_env(&["PATH".to_owned()]).unwrap().are_needed());
    }
}
