//! The connection of one lease: asked for, greeted, lost and asked for again.
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use tokio::{
    net::TcpStream,
    time::{Sleep, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};
use voiced_core::engine::HearingOptions;
use voiced_pipeline::server::{Failure, jittered};

use super::{Shared, dialect::Told};

/// Largest message a server may send.
const LARGEST: usize = 4 << 20;
/// A server that takes nothing for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An open connection.
pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Sends one event.
    pub async fn send(&mut self, text: String) -> Result<(), Failure> {
        match timeout(SEND_WITHIN, self.0.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::Broken(described(&error))),
            Err(_) => Err(Failure::Broken("it takes nothing any more".to_owned())),
        }
    }

    /// The next event as text. May be dropped at any time.
    async fn next(&mut self) -> Result<String, Failure> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    return Err(Failure::Broken(format!("closed with code {code}")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Failure::Broken(described(&error))),
                None => return Err(Failure::Broken("the connection ended".to_owned())),
            }
        }
    }
}

/// What happened, without what was said.
fn described(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection ended".to_owned(),
        Error::Protocol(error) => error.to_string(),
        Error::Capacity(error) => error.to_string(),
        Error::Tls(error) => error.to_string(),
        _ => "the connection failed".to_owned(),
    }
}

/// Connects, waits for the greeting, and says what is wanted.
pub(super) async fn connect(shared: &Shared, options: &HearingOptions) -> Result<Socket, Failure> {
    let within = shared.settings.connect_within;
    timeout(within, connected(shared, options))
        .await
        .unwrap_or(Err(Failure::Late {
            what: "greeting",
            within,
        }))
}

async fn connected(shared: &Shared, options: &HearingOptions) -> Result<Socket, Failure> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let (settings, dialect) = (&shared.settings, shared.settings.dialect);
    let address = dialect.address(&shared.place, &settings.model);
    let unusable = |error: Error| Failure::Unreachable(described(&error));
    let mut request = address.into_client_request().map_err(unusable)?;
    for (name, value) in &shared.place.headers {
        request.headers_mut().insert(name, value.clone());
    }
    let limits = WebSocketConfig::default()
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST));
    let (stream, _) = connect_async_with_config(request, Some(limits), true)
        .await
        .map_err(|error| match error {
            Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                Failure::refused(response.status().as_u16(), response.headers(), body)
            }
            error => unusable(error),
        })?;
    let mut socket = Socket(stream);
    loop {
        match dialect.understand(&socket.next().await?) {
            Told::Created => break,
            Told::Failed(failure) => return Err(failure),
            _ => {}
        }
    }
    socket
        .send(dialect.opening(settings, options).to_string())
        .await?;
    Ok(socket)
}

type Connecting = Pin<Box<dyn Future<Output = Result<Socket, Failure>> + Send>>;

/// Where the connection is.
pub(super) enum Link {
    /// Wanted again after a while.
    Waiting(Pin<Box<Sleep>>),
    /// On its way.
    Connecting(Connecting),
    /// There.
    Up(Box<Socket>),
}

/// What became of it.
pub(super) enum LinkNews {
    /// It stands.
    Up,
    /// The server said something.
    Told(String),
    /// It broke, or could not be had.
    Lost(Failure),
}

impl Link {
    /// Asks for a connection now.
    pub fn connecting(shared: &Arc<Shared>, options: &HearingOptions) -> Link {
        let (shared, options) = (shared.clone(), options.clone());
        Link::Connecting(Box::pin(async move { connect(&shared, &options).await }))
    }

    /// Asks for one later, the later the more often it failed.
    pub fn waiting(shared: &Shared, failures: u32, failure: &Failure) -> Link {
        let doubled = shared.settings.retry_after * 2_u32.pow(failures.clamp(1, 8) - 1);
        let wait = failure.wait().unwrap_or(doubled).min(LONGEST_WAIT);
        Link::Waiting(Box::pin(sleep(jittered(wait))))
    }

    /// The open connection.
    pub fn socket(&mut self) -> Option<&mut Socket> {
        match self {
            Link::Up(socket) => Some(socket),
            _ => None,
        }
    }

    /// Waits for news. May be dropped at any time.
    pub async fn news(&mut self, shared: &Arc<Shared>, options: &HearingOptions) -> LinkNews {
        loop {
            match self {
                Link::Waiting(wait) => {
                    wait.await;
                    *self = Link::connecting(shared, options);
                }
                Link::Connecting(connecting) => match connecting.await {
                    Ok(socket) => {
                        *self = Link::Up(Box::new(socket));
                        return LinkNews::Up;
                    }
                    Err(failure) => return LinkNews::Lost(failure),
                },
                Link::Up(socket) => {
                    return match socket.next().await {
                        Ok(text) => LinkNews::Told(text),
                        Err(failure) => LinkNews::Lost(failure),
                    };
                }
            }
        }
    }
}
