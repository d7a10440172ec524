//! Sources: where rows come from, one folder each, one list; Arrow batches out.
//!
//! A [`Connector`] finds the units that can be landed ([`Connector::discover`]) and reads one of them
//! ([`Connector::read`]) into batches that keep to a [`Contract`]. It knows nothing of the ledger, the lake, the
//! clock or the environment: what has been landed before, when "now" is and where rows go is its caller's business.
//! Nothing here is async; callers run it on a blocking thread.

mod conform;
mod connector;
mod contract;
mod error;
mod file;
mod report;

pub use conform::type_name;
pub use connector::{Compression, Connector, DiscoverRequest, FileFormat, Format, Unit};
pub use contract::{Contract, ContractColumn, OnSchemaChange};
pub use error::ConnectorError;
pub use file::FileConnector;
pub use report::{MAX_KEPT_REJECTED_ROWS, ReadReport, RejectedRow, SchemaChange};

/// Returns every connector there is, in alphabetical order; the one list to add a new one to.
pub fn connectors() -> &'static [&'static dyn Connector] {
    &[&FileConnector]
}

/// Returns the connector called `kind` in a project file (`connector: file`), if there is one.
pub fn connector(kind: &str) -> Option<&'static dyn Connector> {
    connectors().iter().copied().find(|connector| connector.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connector_is_found_by_its_own_kind_once() {
        let kinds: Vec<&str> = connectors().iter().map(|connector| connector.kind()).collect();
        assert_eq!(kinds, ["file"]);
        assert_eq!(connector("file").map(Connector::kind), Some("file"));
        assert!(connector("fax").is_none());
    }
}
