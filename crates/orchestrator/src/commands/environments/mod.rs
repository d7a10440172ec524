//! Environments: names that point at commits, made, compared, promoted, moved back and removed without copying data.

mod ancestor;
mod compare;
mod create;
mod merge;
mod names;
mod online;
mod policy;
mod promote;
mod rollback;
mod rows;
mod settle;
mod tags;

pub use compare::{AssetDifference, Comparison, compare};
pub use create::{EnvironmentLine, copy_environment, create_environment, environments, remove_environment};
pub use merge::{Conflict, Move, MoveKind, Prefer};
pub use names::{check_name, resolve_commit};
pub use promote::{PromoteOptions, PromoteReport, SideChange, promote};
pub(crate) use rollback::resolve_rollback;
pub use rollback::{RolledBack, rollback, rollback_told};
pub use rows::RowConflict;
pub(crate) use rows::{MergedRows, RowMerge};
pub use tags::{TagLine, delete_tag, set_tag, tags};

use baton_core::{AssetName, Commit, EventKind, NewEvent, Timestamp};
use serde_json::Value;

use crate::error::RunError;
use crate::services::Services;

/// The commits of an environment, newest first.
pub async fn history(services: &Services, environment: &str, limit: u32) -> Result<Vec<Commit>, RunError> {
    Ok(services.ledger.history(environment, limit).await?)
}

/// An event of no run.
fn event_of(
    services: &Services,
    environment: &str,
    as_of: Timestamp,
    asset: Option<&AssetName>,
    kind: EventKind,
    (key, body): (&str, Value),
) -> NewEvent {
    NewEvent {
        at: services.clock.now(),
        as_of,
        environment: environment.to_owned(),
        run: None,
        asset: asset.cloned(),
        kind,
        key: key.to_owned(),
        body,
    }
}
