//! The certificate that the server shows over TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::arguments::TurnServerArgs;
use crate::program::failure::{Explain, Failure};

/// What takes TLS connections; `None` if no certificate is given.
pub(super) fn acceptor(arguments: &TurnServerArgs) -> Result<Option<TlsAcceptor>, Failure> {
    match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => load(certificate, key).map(Some),
        _ => Ok(None),
    }
}

fn load(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Failure> {
    let cannot_read = |path: &Path| format!("cannot read {}", path.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .explain(|| cannot_read(certificate))?;
    let private_key = PrivateKeyDer::from_pem_file(key).explain(|| cannot_read(key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private_key))
        .explain(|| format!("cannot use the certificate {}", certificate.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
