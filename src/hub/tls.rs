//! The hub's side of TLS: a certificate and a key from two files, read again when they are renewed. ring does the arithmetic,
//! named explicitly so that no other crate's choice decides it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tracing::{error, info};

use crate::config::hub::TlsTable;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

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

/// The certificate in use. Connections keep the one they began with; new ones get the newest.
#[derive(Debug)]
pub struct Certificate {
    table: TlsTable,
    current: RwLock<Arc<CertifiedKey>>,
    seen: Mutex<Stamps>,
}

/// What shows that a file is another one: inode, size, time of the last change.
type Stamps = [Option<(u64, u64, i64, i64)>; 2];

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// They cannot be read, or do not fit together.
    pub fn load(table: &TlsTable) -> Result<Arc<Self>, TlsError> {
        // Before the reading: a change in between is seen at the next look.
        let seen = Mutex::new(stamps(table));
        Ok(Arc::new(Self { table: table.clone(), current: RwLock::new(read(table)?), seen }))
    }

    /// Accepts TLS 1.2 and 1.3 with the newest certificate.
    ///
    /// # Errors
    /// The library does not know its own versions.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again whenever they changed, and when asked to. A pair that cannot be used leaves the old one in
    /// force. Never ends.
    pub async fn stay_new(&self, asked: &Notify) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = looks.tick() => if self.is_unchanged() { continue },
                () = asked.notified() => drop(self.is_unchanged()),
            }
            match read(&self.table) {
                Ok(fresh) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                    info!(certificate = %self.table.certificate.display(), "certificate read again");
                }
                // A renewal replaces one file after the other; the second one is seen at the next look.
                Err(error) => error!(%error, "the new certificate cannot be used, the old one stays"),
            }
        }
    }

    fn is_unchanged(&self) -> bool {
        let now = stamps(&self.table);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *seen, now) == now
    }
}

fn stamps(table: &TlsTable) -> Stamps {
    [&table.certificate, &table.key].map(|path| {
        let file = fs::metadata(path).ok()?;
        Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
    })
}

fn read(table: &TlsTable) -> Result<Arc<CertifiedKey>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(&table.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file_error(&table.certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(&table.key).map_err(|error| file_error(&table.key, error))?;
    Ok(Arc::new(CertifiedKey::from_der(certificates, key, &rustls::crypto::ring::default_provider())?))
}

fn file_error(path: &Path, error: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::File { path: path.display().to_string(), error }
}
