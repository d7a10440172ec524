//! What is computed differently: the optimizer's plans of a table's query on both sides, line by line.

use std::borrow::Cow;

use baton_core::asset::Table;
use baton_core::{Asset, Commit, Definition, Pin, Timestamp};
use baton_engine::SessionInput;

use super::definition::unified_lines;
use super::report::AssetDiff;
use super::{Comparison, Declared};
use crate::error::RunError;
use crate::for_each::sample;
use crate::services::Services;
use crate::sessions::inputs_of;

impl Comparison<'_> {
    /// Adds the difference between both plans, or the note that the queries are written otherwise and computed alike.
    pub(super) async fn plan(&self, found: &mut AssetDiff, pins: (Option<&Pin>, Option<&Pin>), declared: &Declared) {
        let queries = (query_of(declared.before.as_ref()), query_of(declared.after.as_ref()));
        let ((Some(old), Some(new)), (Some(before), Some(after))) = (pins, queries) else { return };
        let is_rewritten = before != after;
        if !is_rewritten && found.schema.is_empty() {
            return;
        }
        if is_rewritten && (&old.fingerprint, &old.columns) == (&new.fingerprint, &new.columns) {
            found.notes.push("its query is written otherwise and computed alike".to_owned());
            return;
        }
        // One clock for both: what asks for the time would differ by it and nothing else.
        let clock = self.new.as_of;
        let plans = (
            plan_text(self.services, self.old, old, &before, clock).await,
            plan_text(self.services, self.new, new, &after, clock).await,
        );
        match plans {
            (Ok(before), Ok(after)) => found.plan = unified_lines(&before, &after),
            (Err(error), _) | (_, Err(error)) => found.notes.push(format!("plans cannot be compared: {error}")),
        }
    }
}

/// The SELECT of a table, with what stands for a value where it is made for several; `None` for what a function or a command
/// makes.
fn query_of(asset: Option<&Asset>) -> Option<Cow<'_, str>> {
    match asset.map(|asset| &asset.definition) {
        Some(Definition::Table(table @ Table { python: None, command: None, .. })) => sample(table).ok(),
        _ => None,
    }
}

/// The plan of a query over what its table was made from.
async fn plan_text(
    services: &Services,
    commit: &Commit,
    pin: &Pin,
    sql: &str,
    clock: Timestamp,
) -> Result<String, RunError> {
    let tables = inputs_of(services, &commit.assets, pin.inputs.keys()).await?;
    let session = services.engine.session(SessionInput { tables, as_of: Some(clock) })?;
    Ok(session.plan_text(sql)?)
}
