//! Where a ledger is: a file, or a schema on a PostgreSQL server.
//!
//! Addresses hold passwords: what is shown of one is user, host, database and schema.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use baton_core::ports::LedgerError;
use sqlx::postgres::PgConnectOptions;

use crate::error::reason;

/// Where a ledger is.
#[derive(Clone)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A schema on a PostgreSQL server.
    Server(Box<Server>),
}

/// A schema on a PostgreSQL server.
#[derive(Clone)]
pub struct Server {
    pub(crate) options: PgConnectOptions,
    /// The schema, where the address names one.
    pub(crate) schema: Option<String>,
}

impl Location {
    /// Reads what `ledger:` says, secrets filled in: `postgres://…` is a server, anything else a file below `folder`.
    ///
    /// `?schema=NAME` in an address chooses the schema, so that several projects share a database. `sslmode` is that of
    /// libpq, and `sslrootcert` a file with who must have signed the server's certificate; without it, who signs the web's.
    ///
    /// # Errors
    /// [`LedgerError::Storage`] when an address cannot be read; the message does not show it.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, LedgerError> {
        let refused =
            |reason: String| LedgerError::Storage { action: "read the address of the ledger".to_owned(), reason };
        match text.split_once("://") {
            None => return Ok(Self::File(folder.join(text))),
            Some((scheme, _)) if !is_address(text) => {
                return Err(refused(format!("a ledger is a file or at `postgres://…`, and this is at `{scheme}://…`")));
            }
            Some(_) => {}
        }
        let (address, schema) = split_schema(text);
        if let Some(schema) = schema.as_deref().filter(|schema| !is_plain(schema)) {
            return Err(refused(format!("schema `{schema}` is no name; use a-z, 0-9 and `_`, at most 63 of them")));
        }
        let options = PgConnectOptions::from_str(&address).map_err(|error| {
            let form = "write `postgres://user:${env:PGPASSWORD}@host:5432/database?schema=name`";
            refused(format!("{form} ({})", reason(&error)))
        })?;
        let settings = schema.iter().map(|schema| ("search_path", schema.as_str()));
        let options = options.options(settings.chain([("idle_in_transaction_session_timeout", "0")]));
        Ok(Self::Server(Box::new(Server { options: options.application_name("baton"), schema })))
    }
}

/// Whether `ledger:` names a server.
pub fn is_address(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Server(server) => server.fmt(formatter),
        }
    }
}

// The options hold the password.
impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Location({self})")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, schema } = self;
        let database = options.get_database().unwrap_or(options.get_username());
        write!(formatter, "postgres://{}@", options.get_username())?;
        match options.get_socket() {
            Some(socket) => write!(formatter, "{}/{database}", socket.display())?,
            None => write!(formatter, "{}:{}/{database}", options.get_host(), options.get_port())?,
        }
        schema.iter().try_for_each(|schema| write!(formatter, "?schema={schema}"))
    }
}

/// Takes `schema=…` out of an address's query: PostgreSQL itself has no such parameter.
fn split_schema(text: &str) -> (String, Option<String>) {
    let Some((address, query)) = text.split_once('?') else { return (text.to_owned(), None) };
    let mut schema = None;
    let is_other = |pair: &&str| match pair.strip_prefix("schema=") {
        None => true,
        Some(name) => {
            schema = Some(name.to_owned());
            false
        }
    };
    let others: Vec<&str> = query.split('&').filter(is_other).collect();
    let address = if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
    (address, schema)
}

fn is_plain(schema: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter == b'_';
    let fits = (1..=63).contains(&schema.len()) && schema.bytes().next().is_some_and(is_letter);
    fits && schema.bytes().all(|letter| is_letter(letter) || letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match Location::parse(text, Path::new("/project")) {
            Ok(location) => format!("{location} {location:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn files_are_below_the_project() {
        assert_eq!(shown(".baton/ledger.db"), "/project/.baton/ledger.db Location(/project/.baton/ledger.db)");
        assert_eq!(shown("/var/ledger.db"), "/var/ledger.db Location(/var/ledger.db)");
    }

    #[test]
    fn addresses_are_shown_without_their_password() {
        let expected = "postgres://ada@db.example:5433/work?schema=flights";
        let text = "postgres://ada:s3cret@db.example:5433/work?sslmode=disable&schema=flights";
        assert_eq!(shown(text), format!("{expected} Location({expected})"));
    }

    #[test]
    fn wrong_addresses_are_refused_without_being_shown() {
        for (text, expected) in [
            (
                "postgres://ada:s3cret@db:none/work",
                "write `postgres://user:${env:PGPASSWORD}@host:5432/database?schema=name`",
            ),
            ("postgres://ada:s3cret@db/work?schema=a;b", "schema `a;b` is no name"),
            ("postgres://ada:s3cret@db/work?schema=", "schema `` is no name"),
            ("mysql://ada:s3cret@db/work", "a ledger is a file or at `postgres://…`, and this is at `mysql://…`"),
            ("postgres://ada:s3cret@db/work?sslmode=always", "unknown value \"always\" for `ssl_mode`"),
        ] {
            let told = shown(text);
            assert!(told.starts_with("ledger cannot read the address of the ledger: "), "{told}");
            assert!(told.contains(expected) && !told.contains("s3cret"), "{told}");
        }
    }
}
