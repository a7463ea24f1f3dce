//! TLS on the listener itself: a certificate chain and its key from PEM files, read again on
//! request, so that a renewed certificate needs no restart.
use std::{
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::ring::{default_provider, sign::any_supported_type},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind.
    #[error("{path} holds no {what} in PEM form: {why}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// The key is of no supported kind, or not the certificate's.
    #[error("the key in {path} cannot be used with the certificate: {why}")]
    Key {
        /// The file with the key.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A certificate and its key, as two files.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// When they cannot be used together.
    pub fn open(chain: &Path, key: &Path) -> Result<Arc<Certificate>, TlsError> {
        Ok(Arc::new(Certificate {
            chain: chain.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(Arc::new(read(chain, key)?)),
        }))
    }

    /// Reads both files again: connections from now on see what they hold.
    ///
    /// # Errors
    /// When they cannot be used together; then the old ones go on.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(read(&self.chain, &self.key)?);
        // No code panics while holding it.
        *self.current.write().unwrap_or_else(|e| e.into_inner()) = new;
        Ok(())
    }

    /// What takes connections with it: TLS 1.2 and 1.3, HTTP/1.1.
    pub fn acceptor(self: &Arc<Certificate>) -> TlsAcceptor {
        let provider = Arc::new(default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default protocol versions")
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.current
                .read()
                .unwrap_or_else(|e| e.into_inner())
                .clone(),
        )
    }
}

fn read(chain: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let pem = |path: &Path, what, why: String| TlsError::Pem {
        path: path.to_owned(),
        what,
        why,
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| pem(chain, "certificate", error.to_string()))?;
    if certificates.is_empty() {
        return Err(pem(chain, "certificate", "there is none".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| pem(key, "private key", error.to_string()))?;
    let unusable = |error: rustls::Error| TlsError::Key {
        path: key.to_owned(),
        why: error.to_string(),
    };
    let signing = any_supported_type(&secret).map_err(unusable)?;
    let certified = CertifiedKey::new(certificates, signing);
    match certified.keys_match() {
        // Some kinds of key cannot be compared.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(error) => Err(unusable(error)),
    }
}
