//! The hub's side of TLS: a certificate and a key from two files. ring does the arithmetic, named explicitly so that no other
//! crate's choice decides it.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::hub::TlsTable;

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// The two do not fit together.
    #[error("certificate and key: {0}")]
    Pair(#[from] rustls::Error),
}

/// Accepts TLS with this certificate.
///
/// # Errors
/// It cannot be read, or it cannot be used.
pub fn acceptor(table: &TlsTable) -> Result<TlsAcceptor, TlsError> {
    let certificates = CertificateDer::pem_file_iter(&table.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error(&table.certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(&table.key).map_err(|error| file_error(&table.key, error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn file_error(path: &Path, error: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::File { path: path.display().to_string(), error }
}
