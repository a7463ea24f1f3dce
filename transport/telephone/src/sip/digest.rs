//! Digest authentication (RFC 3261, section 22; RFC 8760): answers challenges, and makes and checks
//! them. Knows MD5 and SHA-256, with `qop=auth` or without.
//!
//! Guarantees: a nonce we made is valid for a short time and from one address only, and each of its
//! counts once; names and secrets are compared in constant time.
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    net::IpAddr,
    time::Duration,
};

use md5::{Digest as _, Md5};
use ring::{digest as hash, hmac};
use subtle::ConstantTimeEq;

use super::params::{Params, split};

/// How long a nonce of ours may be used.
const NONCE_LIFE: Duration = Duration::from_secs(120);
/// How many used nonces are remembered; more than can be made in their life within rate limits.
const REMEMBERED: usize = 4_096;

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Old, and what most trunks still ask for.
    Md5,
    /// RFC 8760.
    Sha256,
}

impl Algorithm {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    fn named(name: &str) -> Option<Algorithm> {
        match name.to_ascii_uppercase().as_str() {
            "" | "MD5" => Some(Algorithm::Md5),
            "SHA-256" => Some(Algorithm::Sha256),
            _ => None,
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex(hash::digest(&hash::SHA256, text.as_bytes()).as_ref()),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A name with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The secret.
    pub password: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}, ***)", self.user)
    }
}

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Where the name is known.
    pub realm: String,
    /// To be hashed with the secret.
    pub nonce: String,
    /// To be given back.
    pub opaque: Option<String>,
    /// Which hash.
    pub algorithm: Algorithm,
    /// Whether `qop=auth` is offered.
    pub qop: bool,
    /// Whether only the nonce was too old: the secret is right.
    pub stale: bool,
}

impl Challenge {
    /// The best of the challenges in `WWW-Authenticate` or `Proxy-Authenticate` headers that can
    /// be answered.
    pub fn best<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
        headers
            .filter_map(Challenge::parse)
            .max_by_key(|challenge| challenge.algorithm)
    }

    fn parse(text: &str) -> Option<Challenge> {
        let params = fields(text)?;
        let qops = params.get("qop");
        let qop = qops.is_some_and(|qops| qops.split(',').any(|qop| qop.trim() == "auth"));
        if qops.is_some_and(|qops| !qops.trim().is_empty()) && !qop {
            // Only auth-int is offered.
            return None;
        }
        Some(Challenge {
            realm: params.get("realm")?.to_owned(),
            nonce: params
                .get("nonce")
                .filter(|nonce| nonce.len() <= 512)?
                .to_owned(),
            opaque: params.get("opaque").map(str::to_owned),
            algorithm: Algorithm::named(params.get("algorithm").unwrap_or(""))?,
            qop,
            stale: params
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The `Authorization` value that answers it. `count` is how often this nonce was answered,
    /// this time included.
    pub fn answer(
        &self,
        account: &Account,
        method: &str,
        uri: &str,
        count: u32,
        cnonce: &str,
    ) -> String {
        let quoted = |text: &str| text.replace(['"', '\\'], "");
        let count = format!("{count:08x}");
        let with = self.qop.then_some((count.as_str(), cnonce));
        let response = response(
            self.algorithm,
            account,
            &self.realm,
            &self.nonce,
            method,
            uri,
            with,
        );
        let mut text = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={}",
            quoted(&account.user),
            quoted(&self.realm),
            quoted(&self.nonce),
            self.algorithm.name(),
        );
        if self.qop {
            let _ = write!(text, ", qop=auth, nc={count}, cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(text, ", opaque=\"{}\"", quoted(opaque));
        }
        text
    }
}

/// The fields of `Digest a=…, b=…`.
fn fields(text: &str) -> Option<Params> {
    let (scheme, rest) = text.trim().split_once([' ', '\t'])?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let parts: Vec<&str> = split(rest, ',');
    Some(Params::parse(&parts.join(";")))
}

fn response(
    algorithm: Algorithm,
    account: &Account,
    realm: &str,
    nonce: &str,
    method: &str,
    uri: &str,
    with: Option<(&str, &str)>,
) -> String {
    let ha1 = algorithm.hash(&format!("{}:{realm}:{}", account.user, account.password));
    let ha2 = algorithm.hash(&format!("{method}:{uri}"));
    match with {
        Some((count, cnonce)) => {
            algorithm.hash(&format!("{ha1}:{nonce}:{count}:{cnonce}:auth:{ha2}"))
        }
        None => algorithm.hash(&format!("{ha1}:{nonce}:{ha2}")),
    }
}

/// How an `Authorization` header was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Name and secret are right.
    Right,
    /// They are right, the nonce is too old or was used: ask again with `stale`.
    Stale,
    /// Anything else.
    Wrong,
}

/// Makes challenges and checks their answers.
pub struct Guard {
    realm: String,
    key: hmac::Key,
    accounts: Vec<Account>,
    /// Highest count seen of each nonce.
    counts: HashMap<String, u32>,
    order: VecDeque<String>,
}

impl Guard {
    /// A guard of `accounts` at `realm`; `key` signs nonces.
    pub fn new(realm: &str, accounts: Vec<Account>, key: &[u8]) -> Guard {
        Guard {
            realm: realm.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            accounts,
            counts: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether there is anybody to let in.
    pub fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The values of the challenges to send, the better hash first.
    pub fn challenges(&self, now: Duration, from: IpAddr, stale: bool) -> Vec<String> {
        let nonce = self.nonce(now.as_secs(), from);
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: Algorithm| {
            format!(
                "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                self.realm,
                algorithm.name()
            )
        };
        vec![challenge(Algorithm::Sha256), challenge(Algorithm::Md5)]
    }

    fn nonce(&self, made: u64, from: IpAddr) -> String {
        let tag = hmac::sign(&self.key, format!("{made}|{from}").as_bytes());
        format!("{made:x}.{}", hex(&tag.as_ref()[..16]))
    }

    /// Judges an `Authorization` value of a request.
    pub fn check(&mut self, now: Duration, from: IpAddr, method: &str, header: &str) -> Verdict {
        let Some(params) = fields(header) else {
            return Verdict::Wrong;
        };
        let get = |name| params.get(name).unwrap_or("");
        let (user, nonce, uri) = (get("username"), get("nonce"), get("uri"));
        let Some(algorithm) = Algorithm::named(get("algorithm")) else {
            return Verdict::Wrong;
        };
        // The same work is done for a name that does not exist.
        let nobody = Account {
            user: user.to_owned(),
            password: String::from("\0"),
        };
        let known = self.accounts.iter().find(|account| account.user == user);
        let account = known.unwrap_or(&nobody);
        let count = u32::from_str_radix(get("nc"), 16).unwrap_or(0);
        if get("qop") != "auth" || get("cnonce").is_empty() || count == 0 {
            return Verdict::Wrong;
        }
        let with = Some((get("nc"), get("cnonce")));
        let wanted = response(algorithm, account, &self.realm, nonce, method, uri, with);
        let matches: bool = wanted.as_bytes().ct_eq(get("response").as_bytes()).into();
        if known.is_none() || !matches || get("realm") != self.realm {
            return Verdict::Wrong;
        }
        match self.is_fresh(now, from, nonce, count) {
            true => Verdict::Right,
            false => Verdict::Stale,
        }
    }

    fn is_fresh(&mut self, now: Duration, from: IpAddr, nonce: &str, count: u32) -> bool {
        let made = nonce
            .split_once('.')
            .map(|(made, _)| u64::from_str_radix(made, 16));
        let Some(Ok(made)) = made else { return false };
        let ours: bool = self
            .nonce(made, from)
            .as_bytes()
            .ct_eq(nonce.as_bytes())
            .into();
        let age = now.as_secs().checked_sub(made);
        if !ours || age.is_none_or(|age| age > NONCE_LIFE.as_secs()) {
            return false;
        }
        match self.counts.get_mut(nonce) {
            Some(last) if count <= *last => return false,
            Some(last) => *last = count,
            None => {
                if self.order.len() >= REMEMBERED
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.counts.remove(&oldest);
                }
                self.order.push_back(nonce.to_owned());
                self.counts.insert(nonce.to_owned(), count);
            }
        }
        true
    }
}
