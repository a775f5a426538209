//! TLS to TURN servers (RFC 8656 §3.1): whom we trust, and who the server must be.
//!
//! The server proves to have the host of its URL as its name (RFC 8489 §6.2.3), which may be an IP
//! address. Trusted are the roots of the operating system (`SSL_CERT_FILE` names others) and the
//! certificates that the application adds. They are read when the first stream needs them.
//!
//! Book: chapter "Relay".

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::debug;

/// The TLS side of an endpoint.
#[derive(Default)]
pub(in super::super) struct Tls {
    /// Trusted besides the system's.
    extra: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// Trusts the certificates in a PEM file too, if one is given.
    pub(in super::super) fn new(file: Option<&Path>) -> io::Result<Tls> {
        let extra = file.map(certificates).transpose()?.unwrap_or_default();
        Ok(Tls { extra, config: OnceCell::new() })
    }

    /// Has the server prove to be `host`. The error is a sentence.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} is not a name that a certificate can have"))?;
        let config = self.config.get_or_try_init(|| configure(self.extra.clone())).await?;
        let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        connecting.await.map_err(|error| explain(host, &error))
    }
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let invalid = |error: &dyn std::fmt::Display| {
        let file = file.display();
        io::Error::new(io::ErrorKind::InvalidData, format!("{file}: {error}"))
    };
    let read = CertificateDer::pem_file_iter(file).map_err(|error| invalid(&error))?;
    let found: Result<Vec<_>, _> = read.collect();
    let found = found.map_err(|error| invalid(&error))?;
    if found.is_empty() { Err(invalid(&"there is no certificate in it")) } else { Ok(found) }
}

async fn configure(extra: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
    // Reading the system's roots takes files, and some milliseconds.
    let roots = tokio::task::spawn_blocking(move || roots(extra)).await;
    let roots = roots.map_err(|_| "the trusted certificates could not be read".to_owned())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(extra: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        debug!(%error, "some of the system's trusted certificates cannot be read");
    }
    let (added, ignored) = roots.add_parsable_certificates(system.certs.into_iter().chain(extra));
    debug!(added, ignored, "trusted certificates");
    roots
}

/// A sentence with what to do.
fn explain(host: &str, error: &io::Error) -> String {
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(UnknownIssuer)) => {
            "its certificate is signed by nobody whom this machine trusts: SSL_CERT_FILE can name \
             the file of its authority"
                .to_owned()
        }
        Some(rustls::Error::InvalidCertificate(
            NotValidForName | NotValidForNameContext { .. },
        )) => {
            format!("its certificate is not for {host}: write its name as in the certificate")
        }
        Some(rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. })) => {
            "its certificate has expired: ask its operator".to_owned()
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            format!("it does not speak TLS ({error}): is this its port for TLS?")
        }
        _ => format!("TLS failed: {error}"),
    }
}
