//! The hub's client: what a revision holds, and its files, resumed where they were cut off.
//!
//! Guarantees: a token goes to the hub and nowhere it redirects to; a file that is given out has
//! the size and the checksum the hub told.
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, Response, StatusCode, header::RANGE};
use serde::Deserialize;

use super::{checksum::Checksum, known::Model, manifest::Entry, part::Part};
use crate::config::Models;

/// How often a file is asked for in a row without a byte of progress.
const ATTEMPTS: u32 = 5;
/// A server that sends nothing for so long has gone.
const QUIET: Duration = Duration::from_secs(60);

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// No connection, or it broke too often.
    #[error(
        "{url} cannot be reached: {why}; what was fetched is kept, repeat the command to go on"
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened.
        why: String,
    },
    /// The hub wants to know who asks.
    #[error(
        "{repository} needs an account that has agreed to its terms (status {status}): agree on the \
         hub's page of it, and put an access token into the environment variable HF_TOKEN"
    )]
    Gated {
        /// What was asked for.
        repository: String,
        /// The hub's answer.
        status: u16,
    },
    /// It is not there.
    #[error("there is no {what} at {url}: is the mirror complete?")]
    Missing {
        /// What was asked for.
        what: String,
        /// Where.
        url: String,
    },
    /// Another answer.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: u16,
    },
    /// The answer is not understood.
    #[error("{url} does not answer like a hub: {why}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The bytes are not those the hub told.
    #[error(
        "{file} does not have the checksum that the hub tells, twice: what {url} sends is damaged"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Where it came from.
        url: String,
    },
    /// The disk.
    #[error("cannot write {path}: {source}", path = path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Somebody else is at it.
    #[error("another voiced is fetching {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// A file of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its path in the repository.
    pub path: String,
    /// What it should be.
    pub entry: Entry,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

/// A hub or a mirror of it.
pub struct Hub {
    client: Client,
    endpoint: String,
    /// The wait before asking again; it doubles.
    pub retry_after: Duration,
}

impl Hub {
    /// As configured.
    ///
    /// # Errors
    /// When the token cannot be sent, or the system has no client.
    pub fn new(models: &Models) -> Result<Hub, HubError> {
        let wrong = |error: &dyn std::fmt::Display| HubError::Client(error.to_string());
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some(token) = &models.token {
            let value = format!("Bearer {}", token.reveal());
            let value = reqwest::header::HeaderValue::from_str(&value);
            let mut value =
                value.map_err(|_| wrong(&"the hub's token is not one line of ASCII"))?;
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been faster, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = Client::builder()
            .user_agent(concat!("voiced/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(15))
            .read_timeout(QUIET)
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Hub {
            client,
            endpoint: models.hub.clone(),
            retry_after: Duration::from_secs(1),
        })
    }

    /// The files of a model at a revision.
    ///
    /// # Errors
    /// When the hub cannot be asked, or lacks one.
    pub async fn files(&self, model: &Model, revision: &str) -> Result<Vec<Remote>, HubError> {
        let repository = model.repository;
        let url = format!(
            "{}/api/models/{repository}/tree/{revision}?recursive=true",
            self.endpoint
        );
        let response = self.get(&url, None).await?;
        let response = checked(response, &url, repository, "such model or revision")?;
        let malformed = |why: String| HubError::Malformed {
            url: url.clone(),
            why,
        };
        let body = response.bytes().await.map_err(|e| malformed(cause(&e)))?;
        let listed: Vec<Listed> =
            serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
        let files = listed.into_iter().filter(|file| file.kind == "file");
        let files: Vec<Remote> = files
            .filter(|file| model.wants(&file.path) && is_plain(&file.path))
            .map(|file| Remote {
                path: file.path,
                entry: match file.lfs {
                    Some(lfs) => Entry {
                        size: lfs.size,
                        checksum: Checksum::Sha256(lfs.oid),
                    },
                    None => Entry {
                        size: file.size,
                        checksum: Checksum::Git(file.oid),
                    },
                },
            })
            .collect();
        for wanted in model.files {
            if !files.iter().any(|file| file.path == *wanted) {
                let what = (*wanted).to_owned();
                return Err(HubError::Missing { what, url });
            }
        }
        Ok(files)
    }

    /// Fetches a file to `to`, going on where an earlier attempt ended; `watch` is told how many
    /// bytes are there.
    ///
    /// # Errors
    /// When it cannot be had whole.
    pub async fn fetch(
        &self,
        model: &Model,
        revision: &str,
        file: &Remote,
        to: &Path,
        watch: &(dyn Fn(u64) + Sync),
    ) -> Result<(), HubError> {
        let repository = model.repository;
        let url = format!(
            "{}/{repository}/resolve/{revision}/{}",
            self.endpoint, file.path
        );
        let mut part = Part::open(to, &file.entry)?;
        for again in [false, true] {
            self.complete(&mut part, &url, repository, file, watch)
                .await?;
            if part.fits() {
                return part.finish(to);
            }
            if again {
                part.empty()?;
                break;
            }
            // What lay here from before may be to blame: once more from the beginning.
            tracing::warn!(
                file = file.path,
                "the checksum does not fit: fetching it again"
            );
            part.empty()?;
        }
        let file = file.path.clone();
        Err(HubError::Damaged { file, url })
    }

    /// Asks until every byte is there.
    async fn complete(
        &self,
        part: &mut Part,
        url: &str,
        repository: &str,
        file: &Remote,
        watch: &(dyn Fn(u64) + Sync),
    ) -> Result<(), HubError> {
        let mut attempts = 0;
        while part.len < file.entry.size {
            let before = part.len;
            let failed = match self.stretch(part, url, repository, file, watch).await {
                Ok(()) => "it ended before its end".to_owned(),
                Err(Ended::For(error)) => return Err(error),
                Err(Ended::Cut(why)) => why,
            };
            if part.len == file.entry.size {
                break;
            }
            attempts = if part.len > before { 1 } else { attempts + 1 };
            if attempts == ATTEMPTS {
                let url = url.to_owned();
                return Err(HubError::Unreachable { url, why: failed });
            }
            tokio::time::sleep(self.retry_after * 2_u32.pow(attempts - 1)).await;
        }
        Ok(())
    }

    /// One request for what is missing.
    async fn stretch(
        &self,
        part: &mut Part,
        url: &str,
        repository: &str,
        file: &Remote,
        watch: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Ended> {
        let response = self.get(url, Some(part.len)).await.map_err(|error| {
            Ended::Cut(match error {
                HubError::Unreachable { why, .. } => why,
                error => error.to_string(),
            })
        })?;
        if response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS
        {
            return Err(Ended::Cut(format!("status {}", response.status().as_u16())));
        }
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            part.empty().map_err(Ended::For)?;
            return Err(Ended::Cut("it has less than lies here".to_owned()));
        }
        let mut response = checked(response, url, repository, &file.path).map_err(Ended::For)?;
        if response.status() != StatusCode::PARTIAL_CONTENT && part.len > 0 {
            // It does not resume: everything comes again.
            part.empty().map_err(Ended::For)?;
        }
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    part.append(&bytes).map_err(Ended::For)?;
                    watch(part.len);
                    if part.len > file.entry.size {
                        part.empty().map_err(Ended::For)?;
                        return Err(Ended::Cut("it sends more than it told".to_owned()));
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(Ended::Cut(cause(&error))),
            }
        }
    }

    async fn get(&self, url: &str, from: Option<u64>) -> Result<Response, HubError> {
        let mut request = self.client.get(url);
        if let Some(from) = from.filter(|from| *from > 0) {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        request.send().await.map_err(|error| HubError::Unreachable {
            url: url.to_owned(),
            why: cause(&error),
        })
    }
}

/// How one request ended that did not bring everything.
enum Ended {
    /// For good.
    For(HubError),
    /// By accident: asking again may help.
    Cut(String),
}

fn checked(
    response: Response,
    url: &str,
    repository: &str,
    what: &str,
) -> Result<Response, HubError> {
    let url = url.to_owned();
    match response.status().as_u16() {
        200 | 206 => Ok(response),
        status @ (401 | 403) => Err(HubError::Gated {
            repository: repository.to_owned(),
            status,
        }),
        404 => Err(HubError::Missing {
            what: what.to_owned(),
            url,
        }),
        status => Err(HubError::Status { url, status }),
    }
}

/// The innermost cause says what happened; the outer ones only that something did.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A path that stays inside its folder.
fn is_plain(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    !path.contains('\\') && path.split('/').all(plain)
}
