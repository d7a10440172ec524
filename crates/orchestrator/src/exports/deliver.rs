//! One delivery, from what the destination says it holds to what the commit has.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use baton_connectors::{Delivery, Destination, ExportTarget, Exporter, Mark, RejectedRow, Sent, exporter};
use baton_core::asset::{Export, ExportMode, GoneRows};
use baton_core::{AssetName, Commit, EventKind, Fingerprint, NewEvent, failpoint};
use serde_json::{Value, json};

use super::changes::{Changes, Rows};
use super::place::{definition_of, resolved_place};
use super::record::{DeliveryRecord, DeliveryReport, Recorded, recorded};
use super::schema::{Exported, delivered_schema, exported};
use super::sending::{Counts, send};
use super::version::DeliveredVersion;
use crate::error::RunError;
use crate::services::Services;

/// Digits of a delivery's name.
const DIGITS: usize = 16;

/// An export that is to be delivered.
pub(crate) struct Delivering<'a> {
    pub(crate) services: &'a Services,
    /// The project's name.
    pub(crate) project: &'a str,
    pub(crate) name: &'a AssetName,
    pub(crate) export: &'a Export,
    /// The asset of the commit that has the rows.
    pub(crate) asset: AssetName,
    pub(crate) environment: &'a str,
    /// What was published last.
    pub(crate) commit: &'a Commit,
    /// The run that delivers.
    pub(crate) run: Option<String>,
    /// Columns of assets, for those that are not stored.
    pub(crate) schemas: &'a BTreeMap<AssetName, SchemaRef>,
    /// Whether all rows are delivered, whatever is there.
    pub(crate) full: bool,
}

/// What came of an export.
pub(crate) enum Outcome {
    /// The commit has no rows of it.
    NoRows,
    /// The destination holds the version already.
    UpToDate(DeliveryReport),
    /// Rows were delivered, and some set aside.
    Delivered(DeliveryReport, Vec<RejectedRow>),
}

/// What is to be delivered.
struct Extent {
    /// What the destination says it holds.
    mark: Option<Mark>,
    /// What is compared with; `None` for all rows.
    since: Option<DeliveredVersion>,
    version: DeliveredVersion,
    /// Whether rows of earlier deliveries that do not come again are gone.
    mirror: bool,
}

/// A destination and what it is told.
struct Open {
    connector: &'static dyn Exporter,
    target: ExportTarget,
    destination: Box<dyn Destination>,
    definition: String,
}

impl Delivering<'_> {
    /// Brings the destination to the version of the commit.
    ///
    /// # Errors
    /// Whatever keeps the rows from being delivered; the destination holds what it held before then.
    pub(crate) async fn deliver(&self) -> Result<Outcome, RunError> {
        let Some(version) = DeliveredVersion::of(self.commit, &self.asset) else { return Ok(Outcome::NoRows) };
        let mut known = recorded(self.services, self.environment, self.name).await?;
        let mut open = self.open().await?;
        if let Some(begun) = known.open.take().filter(|_| !open.connector.remembers()) {
            self.finish(&mut open, &begun).await?;
            known = recorded(self.services, self.environment, self.name).await?;
            open = self.open().await?;
        }
        let mark = self.mark(&mut open, &known).await?;
        if let Some(mark) = mark.as_ref().filter(|mark| !self.full && self.holds(mark, &open, &version)) {
            return self.up_to_date(&mut open, mark, &known, version).await;
        }
        let extent = self.extent(&open, mark, version).await?;
        self.bring(&mut open, extent).await.map(|(report, rejected)| Outcome::Delivered(report, rejected))
    }

    /// What a delivery would come to; nothing is sent or written.
    ///
    /// # Errors
    /// As [`Self::deliver`], as far as it shows without sending.
    pub(crate) async fn preview(&self) -> Result<Outcome, RunError> {
        let Some(version) = DeliveredVersion::of(self.commit, &self.asset) else { return Ok(Outcome::NoRows) };
        let known = recorded(self.services, self.environment, self.name).await?;
        let mut open = self.open().await?;
        let mark = self.mark(&mut open, &known).await?;
        if let Some(mark) = mark.as_ref().filter(|mark| !self.full && self.holds(mark, &open, &version)) {
            return Ok(Outcome::UpToDate(self.report(&mark.delivery, None, &version, Counts::default(), 0)));
        }
        let extent = self.extent(&open, mark, version).await?;
        let columns = self.columns(&extent.version).await?;
        let changes = self.changes(&extent, &columns).await?;
        changes.check_keys(&self.rows()).await?;
        let counts = send(&changes, self.export, &columns, None).await?;
        let id = self.name_of(&open, &extent);
        Ok(Outcome::Delivered(self.report(&id, extent.since.as_ref(), &extent.version, counts, 0), Vec::new()))
    }

    async fn open(&self) -> Result<Open, RunError> {
        let of = (self.name, self.export);
        let (connector, target) = resolved_place(self.services, self.project, of, self.environment)?;
        let destination = connector.open(&target).await?;
        Ok(Open { connector, target, destination, definition: definition_of(connector, self.export) })
    }

    fn rows(&self) -> Rows<'_> {
        let (services, commit, name, export) = (self.services, self.commit, self.name, self.export);
        // A destination that does not remember knows a request by its rows.
        let ordered = exporter(&export.connector).is_some_and(|connector| !connector.remembers());
        Rows { services, commit, name, export, asset: &self.asset, ordered }
    }

    /// What the destination says it holds; of those that do not remember, what the ledger says.
    async fn mark(&self, open: &mut Open, known: &Recorded) -> Result<Option<Mark>, RunError> {
        if open.connector.remembers() {
            return Ok(open.destination.mark().await?);
        }
        let made = known.delivered.as_ref();
        Ok(made.map(|made| Mark {
            delivery: made.delivery.clone(),
            definition: made.definition.clone(),
            version: json!(made.version),
        }))
    }

    fn holds(&self, mark: &Mark, open: &Open, version: &DeliveredVersion) -> bool {
        mark.definition == open.definition && version_of(mark).as_ref() == Some(version)
    }

    /// Nothing is to do but to write down what somebody who was killed did not.
    async fn up_to_date(
        &self,
        open: &mut Open,
        mark: &Mark,
        known: &Recorded,
        version: DeliveredVersion,
    ) -> Result<Outcome, RunError> {
        open.destination.tidy().await?;
        let report = self.report(&mark.delivery, None, &version, Counts::default(), 0);
        if known.delivered.as_ref().is_none_or(|made| made.delivery != mark.delivery) {
            let (delivery, definition) = (mark.delivery.clone(), mark.definition.clone());
            let record = DeliveryRecord { delivery, definition, version: Some(version), ..DeliveryRecord::default() };
            self.write(EventKind::ExportDelivered, &record).await?;
        }
        Ok(Outcome::UpToDate(report))
    }

    /// What is to be sent so that the destination holds `version`.
    async fn extent(&self, open: &Open, mark: Option<Mark>, version: DeliveredVersion) -> Result<Extent, RunError> {
        let columns = self.columns(&version).await?;
        let before = mark.as_ref().and_then(version_of);
        let same = mark.as_ref().is_some_and(|mark| mark.definition == open.definition);
        let comparable = match &before {
            Some(before) => version.table.is_some() && self.rows().can_compare(before, &columns).await,
            None => false,
        };
        let since = match self.export.mode {
            ExportMode::Replace => None,
            ExportMode::Upsert => before.filter(|_| same && comparable && !self.full),
            ExportMode::Append => {
                self.refuse_doubles(mark.is_some(), comparable)?;
                before
            }
        };
        let by_key = self.export.mode == ExportMode::Upsert && self.export.deletes != GoneRows::Ignore;
        let mirror = by_key && since.is_none() && (self.full || mark.is_some());
        Ok(Extent { mark, since, version, mirror })
    }

    /// Rows that are added cannot be taken back, so none may be added twice.
    fn refuse_doubles(&self, is_there: bool, comparable: bool) -> Result<(), RunError> {
        let name = self.name;
        let reason = match (is_there, comparable) {
            _ if self.full => "all rows once more would be there twice",
            (true, false) => {
                "the version that was delivered last is no longer kept, so nobody knows which rows are new"
            }
            _ => return Ok(()),
        };
        let hint = "empty the destination and its record of deliveries, or use mode `replace` or `upsert`";
        Err(RunError::Project(format!("export `{name}` appends: {reason}; {hint}")))
    }

    async fn columns(&self, version: &DeliveredVersion) -> Result<Vec<Exported>, RunError> {
        let schema = self.rows().schema(version, self.schemas).await?;
        exported(self.name, self.export, &schema)
    }

    async fn changes(&self, extent: &Extent, columns: &[Exported]) -> Result<Changes, RunError> {
        match &extent.since {
            Some(since) => self.rows().between(since, &extent.version, columns).await,
            None => self.rows().whole(&extent.version, columns).await,
        }
    }

    /// The name of a delivery: always the same for the same rows on the same destination.
    fn name_of(&self, open: &Open, extent: &Extent) -> String {
        let before = extent.mark.as_ref().map_or("", |mark| mark.delivery.as_str());
        let version = serde_json::to_string(&(&extent.since, &extent.version)).unwrap_or_default();
        let again = if self.full { self.services.clock.now().to_rfc3339() } else { String::new() };
        let name = Fingerprint::of([open.target.identity.as_str(), &open.definition, before, &version, &again]);
        name.as_str().get(..DIGITS).unwrap_or_default().to_owned()
    }

    async fn bring(&self, open: &mut Open, extent: Extent) -> Result<(DeliveryReport, Vec<RejectedRow>), RunError> {
        let id = self.name_of(open, &extent);
        if !open.connector.remembers() {
            let record = DeliveryRecord {
                delivery: id.clone(),
                definition: open.definition.clone(),
                since: extent.since.clone(),
                version: Some(extent.version.clone()),
                report: None,
            };
            self.write(EventKind::ExportBegun, &record).await?;
        }
        self.bring_as(open, &extent, id).await
    }

    /// A delivery that was begun at a destination which does not remember: the same rows in the same requests.
    async fn finish(&self, open: &mut Open, begun: &DeliveryRecord) -> Result<(), RunError> {
        let Some(version) = begun.version.clone().filter(|_| begun.definition == open.definition) else {
            return Ok(());
        };
        let columns = self.columns(&version).await;
        let rows = self.rows();
        let is_there = match (&begun.since, &columns) {
            (_, Err(_)) => false,
            (Some(since), Ok(columns)) => {
                rows.can_compare(since, columns).await && rows.can_compare(&version, columns).await
            }
            (None, Ok(columns)) => rows.can_compare(&version, columns).await,
        };
        if !is_there {
            return Ok(());
        }
        let extent = Extent { mark: None, since: begun.since.clone(), version, mirror: false };
        self.bring_as(open, &extent, begun.delivery.clone()).await.map(drop)
    }

    async fn bring_as(
        &self,
        open: &mut Open,
        extent: &Extent,
        id: String,
    ) -> Result<(DeliveryReport, Vec<RejectedRow>), RunError> {
        let columns = self.columns(&extent.version).await?;
        let changes = self.changes(extent, &columns).await?;
        changes.check_keys(&self.rows()).await?;
        let delivery = Delivery {
            before: extent.mark.clone(),
            mark: Mark { delivery: id.clone(), definition: open.definition.clone(), version: json!(extent.version) },
            schema: delivered_schema(&columns),
            whole: extent.since.is_none(),
            mirror: extent.mirror,
        };
        open.destination.begin(&delivery).await?;
        failpoint::reach("export.begun");
        let counts = send(&changes, self.export, &columns, Some(&mut *open.destination)).await?;
        open.destination.seal().await?;
        failpoint::reach("export.sealed");
        let sent = open.destination.publish().await?;
        failpoint::reach("export.published");
        open.destination.tidy().await?;
        let report = self.report(&id, extent.since.as_ref(), &extent.version, counts, sent.rejected_total);
        self.write_delivered(&open.definition, extent, id, &report, &sent).await?;
        failpoint::reach("export.recorded");
        Ok((report, sent.rejected))
    }

    async fn write_delivered(
        &self,
        definition: &str,
        extent: &Extent,
        delivery: String,
        report: &DeliveryReport,
        sent: &Sent,
    ) -> Result<(), RunError> {
        let record = DeliveryRecord {
            delivery,
            definition: definition.to_owned(),
            since: extent.since.clone(),
            version: Some(extent.version.clone()),
            report: Some(report.clone()),
        };
        failpoint::reach("export.before_record");
        self.keep_rejected(&record.delivery, &sent.rejected)?;
        self.write(EventKind::ExportDelivered, &record).await
    }

    /// Keeps rows that the destination refused where people can look at them.
    fn keep_rejected(&self, delivery: &str, rejected: &[RejectedRow]) -> Result<(), RunError> {
        if rejected.is_empty() {
            return Ok(());
        }
        let folder = self.services.lake.warehouse().join("quarantine").join(self.name.as_str());
        let path = folder.join(format!("export-{delivery}.jsonl"));
        let lines: Vec<String> = rejected.iter().filter_map(|row| serde_json::to_string(row).ok()).collect();
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, lines.join("\n") + "\n"));
        written.map_err(|error| RunError::File { path: path.display().to_string(), reason: error.to_string() })
    }

    async fn write(&self, kind: EventKind, record: &DeliveryRecord) -> Result<(), RunError> {
        let mut body = json!(record);
        if let Value::Object(body) = &mut body {
            body.insert("commit".to_owned(), json!(self.commit.id));
        }
        let event = NewEvent {
            at: self.services.clock.now(),
            as_of: self.commit.as_of,
            environment: self.environment.to_owned(),
            run: self.run.clone(),
            asset: Some(self.name.clone()),
            kind,
            key: self.name.to_string(),
            body,
        };
        self.services.ledger.append(vec![event]).await?;
        Ok(())
    }

    fn report(
        &self,
        delivery: &str,
        since: Option<&DeliveredVersion>,
        version: &DeliveredVersion,
        counts: Counts,
        rejected: u64,
    ) -> DeliveryReport {
        DeliveryReport {
            export: self.name.to_string(),
            to: self.export.connector.clone(),
            delivery: delivery.to_owned(),
            since: since.map(|since| since.text.clone()),
            version: version.text.clone(),
            inserted: counts.inserted,
            updated: counts.updated,
            deleted: counts.deleted,
            rejected,
        }
    }
}

fn version_of(mark: &Mark) -> Option<DeliveredVersion> {
    serde_json::from_value(mark.version.clone()).ok()
}
