//! The options of connector `postgres`; its doc comments are the reference documentation.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::relation::{Relation, cursor_of, parse_options, wrong};
use crate::{ConnectorError, Mode, PullSource};

/// Names of the server's objects may be this long.
const MAX_NAME: usize = 63;

/// A PostgreSQL database, version 13 or later. Modes: `full`, `incremental`, `cdc`.
///
/// `cdc` reads every row once and then every insert, update and delete by logical replication. The server needs
/// `wal_level = logical`; the role needs REPLICATION and the right to create a publication for the table, unless it is
/// there already. The `key` must be part of the table's replica identity: the primary key, unless set otherwise.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostgresOptions {
    /// Where to connect: `postgres://user:password@host:5432/database`, the password by reference. `sslmode` in it is that
    /// of libpq: `disable`, `prefer` (default), `require`, `verify-full`.
    url: String,
    /// Who must have signed the server's certificate, as text in PEM, such as `${file:ca.pem}`; then the connection is
    /// encrypted, and the certificate must be the server's. Default, for `verify-full`: those whom the system trusts.
    #[serde(default)]
    certificate_authority: Option<String>,
    /// The table or view to read: `public.orders`.
    #[serde(default)]
    table: Option<String>,
    /// The SELECT to read instead of a table; not for `cdc`.
    #[serde(default)]
    query: Option<String>,
    /// For `cdc`: the publication to read; made when it is not there. Default: `baton_` and the source's name.
    #[serde(default)]
    publication: Option<String>,
    /// For `cdc`: the replication slot; made when it is not there. Default: `baton_`, the source's name, and what tells this
    /// contract from earlier ones.
    #[serde(default)]
    slot: Option<String>,
}

/// The options, and what follows from them.
pub(super) struct PostgresSource {
    /// Holds the password.
    pub(super) url: String,
    pub(super) certificate_authority: Option<String>,
    pub(super) relation: Relation,
    pub(super) publication: String,
    pub(super) slot: String,
}

impl PostgresSource {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: PostgresOptions = parse_options("postgres", source)?;
        let relation = Relation::of(source, options.table.as_deref(), options.query.as_deref())?;
        match (source.mode, &relation) {
            (Mode::Cdc, Relation::Query(_)) => {
                return Err(wrong(source, "changes of a query cannot be followed", "name a `table`"));
            }
            (Mode::Incremental, _) => drop(cursor_of(source)?),
            _ => {}
        }
        let name = |text: String| -> String { text.to_lowercase().chars().take(MAX_NAME).collect() };
        Ok(Self {
            url: options.url,
            certificate_authority: options.certificate_authority,
            relation,
            publication: options.publication.unwrap_or_else(|| name(format!("baton_{}", source.name))),
            slot: options.slot.unwrap_or_else(|| {
                let prefix: String = source.name.chars().take(MAX_NAME - 20).collect();
                name(format!("baton_{prefix}_{}", source.lineage))
            }),
        })
    }
}
