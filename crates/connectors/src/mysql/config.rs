//! The options of connector `mysql`; its doc comments are the reference documentation.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::relation::{Relation, cursor_of, parse_options, wrong};
use crate::{ConnectorError, Mode, PullSource};

/// A MariaDB or MySQL database. Modes: `full`, `incremental`.
///
/// The role logs in with `mysql_native_password`, MariaDB's usual way, or `caching_sha2_password`, MySQL's, which needs TLS.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MysqlOptions {
    /// Where to connect: `mysql://user:password@host:3306/database`, the password by reference. `socket=/path` behind a
    /// question mark connects through the server's socket. `ssl-mode` there is that of MySQL's clients: `DISABLED`,
    /// `PREFERRED` (default: encrypted where the server can), `REQUIRED`, `VERIFY_CA`, `VERIFY_IDENTITY`.
    url: String,
    /// Who must have signed the server's certificate, as text in PEM, such as `${file:ca.pem}`; then the connection is
    /// encrypted, and the certificate must be the server's, unless `ssl-mode` asks for less. Default: authorities of the web.
    #[serde(default)]
    certificate_authority: Option<String>,
    /// The table or view to read: `orders`, or `shop.orders` for one of another database.
    #[serde(default)]
    table: Option<String>,
    /// The SELECT to read instead of a table, in the server's words.
    #[serde(default)]
    query: Option<String>,
}

/// The options, and what follows from them.
pub(super) struct MysqlSource {
    /// Holds the password.
    pub(super) url: String,
    pub(super) certificate_authority: Option<String>,
    pub(super) relation: Relation,
}

impl MysqlSource {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: MysqlOptions = parse_options("mysql", source)?;
        let relation = Relation::of(source, options.table.as_deref(), options.query.as_deref())?;
        match source.mode {
            Mode::Cdc => {
                let hint = "use `full`, or `incremental` with a `cursor` and a `key`";
                return Err(wrong(source, "connector `mysql` has no mode `cdc`", hint));
            }
            Mode::Incremental => drop(cursor_of(source)?),
            Mode::Full => {}
        }
        Ok(Self { url: options.url, certificate_authority: options.certificate_authority, relation })
    }

    /// The relation as it stands behind FROM.
    pub(super) fn from(&self) -> String {
        self.relation.as_sql_with(quoted)
    }
}

/// A name in backticks: the only quotes that the server knows whatever its `sql_mode`.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
