//! A connection to MariaDB or MySQL: URL, session settings, and its errors in words.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::config::MysqlSource;
use crate::ConnectorError;
use crate::answer::{PATIENCE, within};

/// The server waits this long for somebody who takes rows slowly, in seconds.
const SESSION: &str = "set session net_write_timeout = 3600";
/// Errors that pass: too many connections, shutdown, lock wait, deadlock, time limits, killed.
const TRANSIENT: &[u16] = &[1040, 1053, 1205, 1213, 1317, 1927, 1969, 3024];
/// Errors that say that the server asks for encryption.
const WANTS_TLS: &[u16] = &[3159, 4031];
const ACCESS_DENIED: u16 = 1045;

/// A session, and what messages call the server.
pub(super) struct Session {
    pub(super) connection: MySqlConnection,
    pub(super) origin: Origin,
}

/// What messages call the server: never with a password.
#[derive(Debug, Clone)]
pub(super) struct Origin(String);

impl Session {
    /// Connects to where a source is read.
    pub(super) async fn open(mysql: &MysqlSource) -> Result<Self, ConnectorError> {
        let (authority, what) = (mysql.certificate_authority.as_deref(), "the `url` of a mysql source");
        Self::connect_trusting(&mysql.url, authority, what).await
    }

    /// Connects; `what` is what messages call an address that cannot be read.
    pub(super) async fn connect(url: &str, what: &str) -> Result<Self, ConnectorError> {
        Self::connect_trusting(url, None, what).await
    }

    /// The same; `authority` is who must have signed the server's certificate, as text in PEM. Times are those of UTC and
    /// texts UTF-8, which the library sees to.
    async fn connect_trusting(url: &str, authority: Option<&str>, what: &str) -> Result<Self, ConnectorError> {
        let options: MySqlConnectOptions = url.parse().map_err(|error: sqlx::Error| {
            // The URL holds the password, so it is not shown.
            let origin = Origin(what.to_owned());
            origin.told(
                format!("cannot be read: {error}"),
                "write `mysql://user:${env:MYSQL_PASSWORD}@host:3306/database`",
                false,
            )
        })?;
        let origin = Origin::of(&options);
        let options = match authority {
            Some(authority) => trusting(options, authority),
            None => options,
        };
        let options = options.pipes_as_concat(false).no_engine_substitution(false).disable_statement_logging();
        let connecting = async {
            let mut connection = options.connect().await.map_err(|error| origin.refused(&error))?;
            let set = sqlx::raw_sql(AssertSqlSafe(SESSION)).execute(&mut connection).await;
            set.map_err(|error| origin.refused(&error))?;
            Ok(connection)
        };
        let connection = within(PATIENCE, origin.name(), connecting).await?;
        Ok(Self { connection, origin })
    }
}

impl Origin {
    fn of(options: &MySqlConnectOptions) -> Self {
        let database = options.get_database().unwrap_or_default();
        match options.get_socket() {
            Some(socket) => Self(format!("mysql at {}/{database}", socket.display())),
            None => Self(format!("mysql at {}:{}/{database}", options.get_host(), options.get_port())),
        }
    }

    /// What messages call the server.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Something that is missing at the server.
    pub(super) fn missing(&self, reason: impl Into<String>, hint: &str) -> ConnectorError {
        self.told(reason.into(), hint, false)
    }

    /// The server's refusal in words.
    pub(super) fn refused(&self, error: &sqlx::Error) -> ConnectorError {
        match error {
            sqlx::Error::Database(answer) => {
                let number = answer.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
                let reason = format!("refuses: {}", answer.message());
                let hint = match number {
                    ACCESS_DENIED => {
                        "mend user or password in `url`; a role that is made with REQUIRE SSL is refused, too, where \
                         the server offers no TLS, or `ssl-mode=DISABLED` leaves it out"
                    }
                    _ if WANTS_TLS.contains(&number) => {
                        "set `ssl-mode=REQUIRED` in `url`, and give the server a certificate"
                    }
                    _ => "mend the source or the role's rights",
                };
                self.told(reason, hint, TRANSIENT.contains(&number))
            }
            sqlx::Error::Configuration(reason) if reason.to_string().contains("RSA") => self.told(
                "asks for the password in a way that needs TLS (`caching_sha2_password` or `sha256_password`), and there \
                 is none"
                    .to_owned(),
                "leave `ssl-mode=DISABLED` out of `url`, give the server a certificate, or the role another way: \
                 `alter user … identified with mysql_native_password by '…'`",
                false,
            ),
            sqlx::Error::Tls(reason) => {
                let hint = "look at the server's certificate; `certificate_authority` says who must have signed it, \
                            `ssl-mode` in `url` how much is asked of it";
                self.told(format!("cannot be spoken to over TLS: {reason}"), hint, false)
            }
            other => {
                let is_transient = matches!(other, sqlx::Error::Io(_));
                let hint = "look whether it runs and `url` leads there";
                self.told(format!("cannot be reached: {other}"), hint, is_transient)
            }
        }
    }

    fn told(&self, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
        ConnectorError::Origin { origin: self.0.clone(), reason, hint: hint.to_owned(), is_transient }
    }
}

/// Trusts whom `authority` has signed. Who names an authority wants to know who answers, unless the address says otherwise.
fn trusting(options: MySqlConnectOptions, authority: &str) -> MySqlConnectOptions {
    let mode = match options.get_ssl_mode() {
        MySqlSslMode::Preferred => MySqlSslMode::VerifyIdentity,
        said => said,
    };
    options.ssl_mode(mode).ssl_ca_from_pem(authority.as_bytes().to_vec())
}
