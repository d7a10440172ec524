//! An export as a step of a run.

use baton_core::asset::Export;
use baton_core::runbook::Pausable;
use baton_core::{AssetName, EventKind};
use serde_json::json;

use super::{Delivering, Outcome, delivered_asset};
use crate::commands::is_applied;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::held::{held_back, told};
use crate::steps::Rejected;

/// Rows that an alert names.
const NAMED_ROWS: usize = 5;

impl Execution<'_> {
    /// Delivers what was published last; an export that was not applied yet waits for it.
    pub(crate) async fn export(
        &mut self,
        asset: &AssetName,
        export: &Export,
        full: bool,
    ) -> Result<StepOutcome, RunError> {
        let Some(commit) = self.base.clone() else { return Ok(StepOutcome::up_to_date()) };
        self.report.commit.get_or_insert_with(|| commit.id.clone());
        if !commit.assets.get(asset).is_some_and(|pin| is_applied(pin, asset, self.prepared)) {
            return Ok(StepOutcome::skipped("changed in the project since the last apply; run `baton apply`"));
        }
        let what = Pausable::Export(asset.to_string());
        if self.reason != "export"
            && let Some(held) = held_back(self.services, &self.environment, &what).await?
        {
            return Ok(StepOutcome::skipped(told(&held)));
        }
        let delivering = Delivering {
            services: self.services,
            project: &self.prepared.project.name,
            name: asset,
            export,
            asset: delivered_asset(&self.prepared.project.assets, export),
            environment: &self.environment,
            commit: &commit,
            run: Some(self.run.clone()),
            schemas: &self.prepared.schemas,
            full,
        };
        match delivering.deliver().await? {
            Outcome::NoRows => Ok(StepOutcome::skipped(format!("{} has no rows yet", export.from))),
            Outcome::UpToDate(_) => Ok(StepOutcome::up_to_date()),
            Outcome::Delivered(report, rejected) => {
                if report.rejected > 0 {
                    let first: Vec<&str> = rejected.iter().take(NAMED_ROWS).map(|row| row.reason.as_str()).collect();
                    let rows = crate::report::rows_of(report.rejected);
                    let reason = format!("{asset} ({}): {rows} set aside: {}", export.connector, first.join("; "));
                    let rejected = Rejected {
                        key: format!("{asset}/{}", report.delivery),
                        whole: false,
                        path: format!("{asset} ({})", export.connector),
                        rows: Some(report.rejected),
                        reason: reason.clone(),
                    };
                    let event = self.event(EventKind::FileRejected, asset, &rejected.key, json!(rejected));
                    self.pending.push(event);
                    self.raise_rejected(asset, &reason);
                }
                let outcome = StepOutcome::done(report.detail()).with_rows(report.rows());
                self.report.exports.push(report);
                Ok(outcome)
            }
        }
    }
}
