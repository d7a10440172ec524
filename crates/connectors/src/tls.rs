//! TLS that verifies who answers, for connectors that bring their own protocol.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Settings that trust the system's certificates; or only those in `authorities`, a text in PEM.
///
/// # Errors
/// There are no certificates, as a phrase that follows what the server is called.
pub(crate) fn verifying(authorities: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot be spoken to over TLS: {error}"))?;
    let mut roots = RootCertStore::empty();
    let certificates: Vec<CertificateDer<'static>> = match authorities {
        Some(text) => CertificateDer::pem_slice_iter(text.as_bytes()).flatten().collect(),
        None => rustls_native_certs::load_native_certs().certs,
    };
    match (roots.add_parsable_certificates(certificates).0, authorities) {
        (0, Some(_)) => Err("cannot be verified: the text of its authority is no certificate in PEM".to_owned()),
        (0, None) => Err("cannot be verified: the system has no certificates".to_owned()),
        _ => Ok(builder.with_root_certificates(roots).with_no_client_auth()),
    }
}
