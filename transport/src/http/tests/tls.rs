//! TLS on the listener: what is served, what is refused, what a new certificate changes.
use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::front_desk::doors;
use crate::http::{
    router,
    serve::{ServeLimits, serve},
    tls::{Certificate, TlsError},
};

/// Long enough for a busy machine; nothing waits this long when it works.
const PATIENCE: Duration = Duration::from_secs(20);

struct Files {
    _folder: tempfile::TempDir,
    chain: PathBuf,
    key: PathBuf,
}

/// A certificate of our own for localhost in two files.
fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (
        folder.path().join("chain.pem"),
        folder.path().join("key.pem"),
    );
    let files = Files {
        _folder: folder,
        chain,
        key,
    };
    renew(&files);
    files
}

fn renew(files: &Files) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    fs::write(&files.chain, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
}

/// A client that trusts what is in the file now.
fn client(files: &Files) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&files.chain).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn ask(client: &TlsConnector, address: SocketAddr) -> std::io::Result<String> {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address).await?;
    let mut stream = client.connect(name, stream).await?;
    let asked = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(asked).await?;
    let mut answer = String::new();
    // A server may close without saying goodbye in TLS.
    let _ = stream.read_to_string(&mut answer).await;
    Ok(answer)
}

#[tokio::test]
async fn a_listener_speaks_tls_and_takes_a_renewed_certificate() {
    let files = files();
    let certificate = Certificate::open(&files.chain, &files.key).unwrap();
    let doors = doors(4);
    let (drain, sockets) = (doors.drain.clone(), doors.sockets.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    let (limits, tls) = (ServeLimits::default(), Some(certificate.acceptor()));
    let router = router(Arc::new(doors));
    serving.spawn(serve(listener, tls, router, limits, sockets, drain));
    let old = client(&files);
    let answer = timeout(PATIENCE, ask(&old, address))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // Plain words are no handshake; the listener goes on.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    renew(&files);
    let new = client(&files);
    assert!(ask(&new, address).await.is_err(), "not before it is read");
    certificate.reload().unwrap();
    let answer = timeout(PATIENCE, ask(&new, address))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // Half a renewal changes nothing.
    fs::write(&files.key, "nothing").unwrap();
    assert!(matches!(certificate.reload(), Err(TlsError::Pem { .. })));
    assert!(timeout(PATIENCE, ask(&new, address)).await.unwrap().is_ok());
}

#[test]
fn files_that_do_not_belong_together_are_told_apart() {
    let (one, other) = (files(), files());
    assert!(matches!(
        Certificate::open(&one.chain, &other.key),
        Err(TlsError::Key { .. })
    ));
    for (chain, key, what) in [
        (&one.key, &one.key, "certificate"),
        (&one.chain, &one.chain, "private key"),
    ] {
        let error = Certificate::open(chain, key).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let missing = one.chain.with_file_name("missing.pem");
    let error = Certificate::open(&missing, &one.key)
        .unwrap_err()
        .to_string();
    assert!(error.contains("missing.pem"), "{error}");
}
