//! Sources and destinations: where rows come from and where they go to, one folder each, one list; Arrow batches.
//!
//! Sources have two ports. A [`Connector`] finds the units that can be landed ([`Connector::discover`]) and reads one of them
//! ([`Connector::read`]): files. A [`Puller`] is asked for the rows that follow a [`Position`]: databases, APIs, queues.
//! Both hand on batches that keep to a [`Contract`]. Destinations have one, [`Exporter`]: it takes a [`Delivery`]. Nothing here knows the ledger, the lake, the clock or the process
//! environment: what has been landed before, when "now" is, what a secret is and where rows go is the caller's business.

mod answer;
mod changes;
mod conform;
mod connector;
mod contract;
mod cursor;
mod duckdb;
mod error;
mod export;
mod file;
mod http;
mod kafka;
mod messages;
mod mqtt;
mod mysql;
mod nats;
mod postgres;
#[cfg(test)]
mod pull_suite;
mod puller;
mod push;
#[cfg(test)]
mod reference;
mod relation;
mod report;
mod s3;
mod secrets;
mod sink;
mod spooled;
mod sqlite;
mod tls;
mod written;

pub use conform::type_name;
pub use connector::{Compression, Connector, DiscoverRequest, FileFormat, Format, Remote, Unit};
pub use contract::{Contract, ContractColumn, OnSchemaChange};
pub use duckdb::DuckdbPuller;
pub use error::ConnectorError;
pub use export::{Change, DELETED_AT, Delivery, DeliveryMode, Destination, ExportTarget, Exporter, Gone, Mark, Sent};
pub use file::{FileConnector, FileExporter};
pub use http::{HttpExporter, HttpPuller};
pub use kafka::KafkaPuller;
pub use mqtt::MqttPuller;
pub use mysql::{MysqlExporter, MysqlPuller};
pub use nats::NatsPuller;
pub use postgres::{PostgresExporter, PostgresPuller};
pub use puller::{Limits, Mode, Position, PullRequest, PullSource, Pulled, Puller};
pub use push::{BrokenLine, DeliveryFormat, Inbox, InboxError, PushPuller, Receipt, push_inbox};
pub use report::{MAX_KEPT_REJECTED_ROWS, ReadReport, RejectedRow, SchemaChange};
pub use s3::{BucketFolder, S3Connector, S3Exporter, bucket_folder};
pub use secrets::{Variables, resolve_secrets};
pub use sink::{FORMER_KEY, OPERATION, PullSink, UNCHANGED, is_change_column, landed_schema};
pub use sqlite::SqlitePuller;

/// Returns every connector that finds units, in alphabetical order; the one list to add a new one to.
pub fn connectors() -> &'static [&'static dyn Connector] {
    &[&FileConnector, &S3Connector]
}

/// Returns the connector called `kind` in a project file (`connector: file`), if there is one.
pub fn connector(kind: &str) -> Option<&'static dyn Connector> {
    connectors().iter().copied().find(|connector| connector.kind() == kind)
}

/// Returns every connector that is asked for rows, in alphabetical order; the one list to add a new one to.
pub fn pullers() -> &'static [&'static dyn Puller] {
    &[
        &DuckdbPuller,
        &HttpPuller,
        &KafkaPuller,
        &MqttPuller,
        &MysqlPuller,
        &NatsPuller,
        &PostgresPuller,
        &PushPuller,
        &SqlitePuller,
    ]
}

/// Returns the puller called `kind` in a project file (`connector: sqlite`), if there is one.
pub fn puller(kind: &str) -> Option<&'static dyn Puller> {
    pullers().iter().copied().find(|puller| puller.kind() == kind)
}

/// Returns every destination, in alphabetical order; the one list to add a new one to.
pub fn exporters() -> &'static [&'static dyn Exporter] {
    &[&FileExporter, &HttpExporter, &MysqlExporter, &PostgresExporter, &S3Exporter]
}

/// Returns the destination called `kind` in a project file (`to: {connector: postgres}`), if there is one.
pub fn exporter(kind: &str) -> Option<&'static dyn Exporter> {
    exporters().iter().copied().find(|exporter| exporter.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connector_is_found_by_its_own_kind_once() {
        let kinds: Vec<&str> = connectors().iter().map(|connector| connector.kind()).collect();
        assert_eq!(kinds, ["file", "s3"]);
        assert_eq!(connector("file").map(Connector::kind), Some("file"));
        assert!(connector("fax").is_none());
        let kinds: Vec<&str> = pullers().iter().map(|puller| puller.kind()).collect();
        assert_eq!(kinds, ["duckdb", "http", "kafka", "mqtt", "mysql", "nats", "postgres", "push", "sqlite"]);
        assert_eq!(puller("sqlite").map(Puller::kind), Some("sqlite"));
        let kinds: Vec<&str> = exporters().iter().map(|exporter| exporter.kind()).collect();
        assert_eq!(kinds, ["file", "http", "mysql", "postgres", "s3"]);
        assert_eq!(exporter("s3").map(Exporter::kind), Some("s3"));
    }
}
