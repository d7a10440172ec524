//! A connection to PostgreSQL: URL, TLS as libpq has it, session settings, and its errors in words.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::PostgresSource;
use crate::ConnectorError;
use crate::answer::{PATIENCE, within};

/// Texts are written so that they can be read back without loss, whatever the server's settings.
const SESSION: &str = "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'iso_8601'; \
                       set extra_float_digits = 3; set bytea_output = 'hex'; set statement_timeout = 0; \
                       set idle_in_transaction_session_timeout = 0";

/// After so long without a word the other machine is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);

/// A session, and what messages call the server.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) origin: String,
}

impl Session {
    /// Connects to where a source is read.
    pub(super) async fn open(postgres: &PostgresSource) -> Result<Self, ConnectorError> {
        let (authority, what) = (postgres.certificate_authority.as_deref(), "the `url` of a postgres source");
        Self::connect_trusting(&postgres.url, authority, what).await
    }

    /// Connects; `what` is what messages call an address that cannot be read.
    pub(super) async fn connect(url: &str, what: &str) -> Result<Self, ConnectorError> {
        Self::connect_trusting(url, None, what).await
    }

    /// The same; `authority` is who must have signed the server's certificate, as text in PEM.
    async fn connect_trusting(url: &str, authority: Option<&str>, what: &str) -> Result<Self, ConnectorError> {
        let (url, verifies) = ssl_mode(url);
        let verifies = verifies || authority.is_some();
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| ConnectorError::Origin {
            // The URL holds the password, so it is not shown.
            origin: what.to_owned(),
            reason: format!("cannot be read: {}", with_cause(&error)),
            hint: "write `postgres://user:${env:PGPASSWORD}@host:5432/database`".to_owned(),
            is_transient: false,
        })?;
        if verifies {
            config.ssl_mode(SslMode::Require);
        }
        config.application_name("baton");
        // A server whose machine vanished is noticed after a minute, whatever is waited for.
        config.keepalives_idle(QUIET).keepalives_interval(QUIET / 2).keepalives_retries(2);
        let origin = origin_of(&config);
        let tls = MakeRustlsConnect::new(tls_config(verifies, authority).map_err(|reason| ConnectorError::Origin {
            origin: origin.clone(),
            reason,
            hint:
                "give `certificate_authority`, install the system's certificates, or use another `sslmode`".to_owned(),
            is_transient: false,
        })?);
        let connecting = async {
            let (client, connection) = config.connect(tls).await.map_err(|error| refused(&origin, &error))?;
            // The task ends with the connection, and that with the client; what went wrong the client hears.
            tokio::spawn(async move { drop(connection.await) });
            client.batch_execute(SESSION).await.map_err(|error| refused(&origin, &error))?;
            Ok(client)
        };
        let client = within(PATIENCE, &origin, connecting).await?;
        Ok(Self { client, origin })
    }

    /// The server's refusal in words.
    pub(super) fn refused(&self, error: &tokio_postgres::Error) -> ConnectorError {
        refused(&self.origin, error)
    }

    /// Something that is missing at the server.
    pub(super) fn missing(&self, reason: impl Into<String>, hint: impl Into<String>) -> ConnectorError {
        let (origin, reason, hint) = (self.origin.clone(), reason.into(), hint.into());
        ConnectorError::Origin { origin, reason, hint, is_transient: false }
    }

    /// The position is no longer there.
    pub(super) fn lost(&self, reason: impl Into<String>) -> ConnectorError {
        ConnectorError::PositionLost {
            origin: self.origin.clone(),
            reason: reason.into(),
            hint: "changes may be missing, so every row must be read again: set another `slot` in `options` and apply"
                .to_owned(),
        }
    }
}

/// Takes `sslmode` values out of the URL that the client does not know; true when the certificate is to be verified.
fn ssl_mode(url: &str) -> (String, bool) {
    for mode in ["verify-full", "verify-ca"] {
        if url.contains(&format!("sslmode={mode}")) {
            return (url.replace(&format!("sslmode={mode}"), "sslmode=require"), true);
        }
    }
    (url.to_owned(), false)
}

fn origin_of(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("postgres at {host}:{port}/{}", config.get_dbname().unwrap_or_default())
}

fn refused(origin: &str, error: &tokio_postgres::Error) -> ConnectorError {
    let (reason, hint, is_transient) = match error.as_db_error() {
        Some(answer) => {
            let class = answer.code().code().get(..2).unwrap_or_default().to_owned();
            let hint = answer.hint().unwrap_or("mend the source or the role's rights").to_owned();
            // Connection, resources, operator's intervention: these pass.
            (format!("refuses: {}", answer.message()), hint, matches!(class.as_str(), "08" | "53" | "57" | "40" | "55"))
        }
        None => (
            format!("cannot be reached: {}", with_cause(error)),
            "look whether it runs and `url` leads there".to_owned(),
            true,
        ),
    };
    ConnectorError::Origin { origin: origin.to_owned(), reason, hint, is_transient }
}

fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

/// TLS that verifies the server's certificate, or like libpq's `require` only encrypts.
fn tls_config(verifies: bool, authority: Option<&str>) -> Result<ClientConfig, String> {
    if verifies {
        return crate::tls::verifying(authority);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot be spoken to over TLS: {error}"))?;
    let verifier = Arc::new(Unverified { provider });
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Takes any certificate: `sslmode=require` encrypts and does not ask who answers.
#[derive(Debug)]
struct Unverified {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
