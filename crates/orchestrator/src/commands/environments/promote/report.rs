//! How a promotion is asked for, and what it came to.

use baton_core::{Fingerprint, Timestamp};
use baton_plan::{Behind, NeededApproval, SavedPlan};
use serde::Serialize;

use crate::commands::environments::merge::{Conflict, Move, Prefer};

/// How a promotion is done.
#[derive(Debug, Clone, Default)]
pub struct PromoteOptions {
    /// Say what would happen; move nothing.
    pub dry_run: bool,
    /// Merge by key also the rows of tables that can be computed again.
    pub merge_rows: bool,
    /// For which side conflicts are decided; `None` refuses.
    pub prefer: Option<Prefer>,
    /// Plan it also where no policy asks for that.
    pub plan: bool,
    /// The digest of the plan that it has to be; anything else is refused.
    pub exactly: Option<Fingerprint>,
}

/// Who changed an asset on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SideChange {
    /// The environment.
    pub environment: String,
    /// The commit that changed it.
    pub commit: String,
    /// Who made the commit.
    pub author: String,
    /// When, on the machine's clock.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// What it changed, a line each.
    pub details: Vec<String>,
}

/// What a promotion came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromoteReport {
    /// What was promoted.
    pub source: String,
    /// Where to.
    pub target: String,
    /// The commit that both come from.
    pub base: Option<String>,
    /// The new commit; `None` when nothing moved.
    pub commit: Option<String>,
    /// The logical clock of the target after it.
    pub as_of: Timestamp,
    /// Whether it was only asked what would happen.
    pub dry_run: bool,
    /// What moves.
    pub moves: Vec<Move>,
    /// What both sides changed; nothing moves while there are any.
    pub conflicts: Vec<Conflict>,
    /// What the next run or apply brings up to date.
    pub behind: Vec<Behind>,
    /// Owners who have to agree and have not yet; nothing moves while there are any.
    pub approvals: Vec<NeededApproval>,
    /// The promotion as a plan, where a policy or the caller asks for one.
    #[serde(skip)]
    pub saved: Option<SavedPlan>,
}
