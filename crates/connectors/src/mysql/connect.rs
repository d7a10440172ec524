//! A connection to MariaDB or MySQL: URL, session settings, and its errors in words.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::config::MysqlSource;
use crate::ConnectorError;

/// The server waits this long for somebody who takes rows slowly, in seconds.
const SESSION: &str = "set session net_write_timeout = 3600";
/// Errors that pass: too many connections, shutdown, lock wait, deadlock, time limits, killed.
const TRANSIENT: &[u16] = &[1040, 1053, 1205, 1213, 1317, 1927, 1969, 3024];
/// Errors that say that the server asks for TLS.
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
    /// Connects. Times are those of UTC and texts UTF-8, which the library sees to.
    pub(super) async fn open(mysql: &MysqlSource) -> Result<Self, ConnectorError> {
        let options: MySqlConnectOptions = mysql.url.parse().map_err(|error: sqlx::Error| {
            // The URL holds the password, so it is not shown.
            let origin = Origin("the `url` of a mysql source".to_owned());
            origin.told(
                format!("cannot be read: {error}"),
                "write `mysql://user:${env:MYSQL_PASSWORD}@host:3306/database`",
                false,
            )
        })?;
        let origin = Origin::of(&options);
        if !matches!(options.get_ssl_mode(), MySqlSslMode::Preferred | MySqlSslMode::Disabled) {
            return Err(origin.without_tls("is to be reached with TLS"));
        }
        let options = options.pipes_as_concat(false).no_engine_substitution(false).disable_statement_logging();
        let mut connection = options.connect().await.map_err(|error| origin.refused(&error))?;
        let set = sqlx::raw_sql(AssertSqlSafe(SESSION)).execute(&mut connection).await;
        set.map_err(|error| origin.refused(&error))?;
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
                if WANTS_TLS.contains(&number) {
                    return self.without_tls(&reason);
                }
                let hint = match number {
                    ACCESS_DENIED => {
                        "mend user or password in `url`; a role that is made with REQUIRE SSL is refused, too, as \
                         Baton speaks no TLS to mysql"
                    }
                    _ => "mend the source or the role's rights",
                };
                self.told(reason, hint, TRANSIENT.contains(&number))
            }
            sqlx::Error::Configuration(reason) if reason.to_string().contains("RSA") => self.told(
                "asks for the password in a way that needs TLS (`caching_sha2_password` or `sha256_password`)"
                    .to_owned(),
                "give the role another: `alter user … identified with mysql_native_password by '…'`",
                false,
            ),
            sqlx::Error::Tls(_) => self.without_tls("is to be reached with TLS"),
            other => {
                let is_transient = matches!(other, sqlx::Error::Io(_));
                let hint = "look whether it runs and `url` leads there";
                self.told(format!("cannot be reached: {other}"), hint, is_transient)
            }
        }
    }

    fn without_tls(&self, reason: &str) -> ConnectorError {
        let hint = "Baton speaks no TLS to mysql: reach the server through a tunnel, or let this role in without TLS";
        self.told(reason.to_owned(), hint, false)
    }

    fn told(&self, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
        ConnectorError::Origin { origin: self.0.clone(), reason, hint: hint.to_owned(), is_transient }
    }
}
