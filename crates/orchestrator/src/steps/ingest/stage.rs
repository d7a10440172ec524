//! One delivery aside: read, stamped and checked; kept when it is good, named when it is not.

use baton_connectors::{Connector, ReadReport, SchemaChange, Unit};
use baton_core::{AssetName, failpoint};

use super::{Arrivals, Staged};
use crate::checks::{checks_of_pass, judge};
use crate::error::RunError;
use crate::execution::Execution;
use crate::report::rows_of;
use crate::steps::landed::{LandedUnit, refusal_key};
use crate::steps::output::Rejected;
use crate::steps::unit::{Destination, StagedUnit, keep_rejected, stage_unit};

impl Execution<'_> {
    pub(super) async fn stage(
        &self,
        asset: &AssetName,
        connector: &'static dyn Connector,
        unit: &Unit,
        hash: &str,
        landing: &Arrivals<'_>,
    ) -> Result<(Staged, ReadReport), RunError> {
        let destination = Destination {
            asset,
            location: &landing.location,
            base: landing.base.as_ref().map(|table| table.version),
            files_before: landing.staged.iter().map(|part| part.files.len()).sum(),
            checks: &checks_of_pass(&landing.checks, false),
            now: self.as_of,
            usual: landing.usual.as_deref(),
        };
        let staged = stage_unit(self.services, connector, unit, landing.source, &destination).await?;
        let StagedUnit { written, schema, report, held } = staged;
        judge(asset, &written.checks)?;
        failpoint::reach("ingest.unit_staged");
        let landed = LandedUnit {
            path: unit.path.clone(),
            hash: hash.to_owned(),
            size: unit.size,
            arrived_at: unit.modified_at,
            rows: written.rows,
            rejected: report.rejected_total,
            schema_changes: Vec::new(),
            differs: report.schema_changes.iter().filter(|change| !is_added(change)).map(ToString::to_string).collect(),
        };
        Ok((Staged { unit: landed, files: written.files, schema, checks: written.checks, held }, report))
    }

    /// Keeps a good delivery; names a bad one, and rows that were set aside.
    pub(super) fn sort_out(
        &mut self,
        asset: &AssetName,
        unit: &Unit,
        hash: &str,
        outcome: Result<(Staged, ReadReport), RunError>,
        landing: &mut Arrivals<'_>,
    ) -> Result<(), RunError> {
        let key = refusal_key(&landing.terms, &unit.path, hash);
        let path = unit.path.clone();
        let rejected = match outcome {
            Ok((staged, report)) => {
                let advice = how_to_land_others(&staged.held);
                landing.take(staged)?;
                if report.rejected_total == 0 {
                    return Ok(());
                }
                let folder = self.services.lake.warehouse().join("quarantine").join(asset.as_str());
                keep_rejected(&folder, hash, &report)?;
                let first: Vec<String> = report.rejected.iter().take(5).map(ToString::to_string).collect();
                let (rows, first) = (rows_of(report.rejected_total), first.join("; "));
                let reason = format!("{path}: {rows} set aside: {first}{advice}");
                Rejected { key, whole: false, path, rows: Some(report.rejected_total), reason }
            }
            Err(error) if is_delivery_at_fault(&error) => {
                let reason = error.to_string();
                self.services.progress.failed("set aside", &path, &reason);
                Rejected { key, whole: true, path, rows: None, reason }
            }
            Err(error) => return Err(error),
        };
        self.note_rejected(asset, &rejected);
        landing.rejected.push(rejected);
        Ok(())
    }
}

/// What to do about values that do not fit the type with which an undeclared column is landed.
fn how_to_land_others(held: &[String]) -> String {
    let names: Vec<String> = held.iter().map(|name| format!("`{name}`")).collect();
    match names.is_empty() {
        true => String::new(),
        false => {
            format!("; {} is landed with another type: declare the one that fits all under `columns`", names.join(", "))
        }
    }
}

/// Faults of the delivery itself: it is set aside and the others go on.
fn is_delivery_at_fault(error: &RunError) -> bool {
    match error {
        RunError::Connector(error) => error.is_unit_at_fault(),
        RunError::Checks { .. } => true,
        _ => false,
    }
}

/// A column that is not declared: it lands, so the landing sees it where it is new.
fn is_added(change: &SchemaChange) -> bool {
    matches!(change, SchemaChange::Added { .. })
}
