//! Certificates of encrypted signalling, read and checked.
use std::{net::SocketAddr, sync::Arc};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use voiced_telephone::connections::Tls;

use super::socket;
use crate::config::{findings::Findings, raw};

/// The listener's address and both sides' certificates.
pub(super) fn tls(raw: &raw::TelephoneTls, findings: &mut Findings) -> (Option<SocketAddr>, Tls) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = raw.roots.as_ref().and_then(|file| {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates("telephone.tls.roots", file, findings) {
            // One that cannot be understood cannot vouch for anybody either.
            let _ = roots.add(certificate);
        }
        let config = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(Arc::new(config))
    });
    let Some(address) = &raw.address else {
        return (
            None,
            Tls {
                server: None,
                client,
            },
        );
    };
    let address = socket("telephone.tls.address", address, findings);
    let (Some(certificate), Some(key)) = (&raw.certificate, &raw.key) else {
        findings.note_at(
            "telephone.tls.address",
            "needs telephone.tls.certificate and telephone.tls.key",
        );
        return (
            None,
            Tls {
                server: None,
                client,
            },
        );
    };
    let chain = certificates("telephone.tls.certificate", certificate, findings);
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        findings.note_at("telephone.tls.key", format!("cannot read {key}: {error}"));
    });
    let server = key.ok().filter(|_| !chain.is_empty()).and_then(|key| {
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_no_client_auth()
            .with_single_cert(chain, key);
        config
            .map_err(|error| findings.note_at("telephone.tls.certificate", error.to_string()))
            .ok()
    });
    (
        Some(address),
        Tls {
            server: server.map(Arc::new),
            client,
        },
    )
}

fn certificates(key: &str, file: &str, findings: &mut Findings) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => {
            findings.note_at(key, format!("there is no certificate in {file}"));
            certificates
        }
        Ok(certificates) => certificates,
        Err(error) => {
            findings.note_at(key, format!("cannot read {file}: {error}"));
            Vec::new()
        }
    }
}
