//! What the server asks of schedules: to run one. The binary brings the answer.

use async_trait::async_trait;

/// How a schedule was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It waits under this number; 0 when it waited already.
    Waits(u64),
    /// There is no schedule of this name; the nearest one is told.
    Unknown(Option<String>),
    /// The ledger does not answer.
    Failed(String),
}

/// Takes requests for schedules.
#[async_trait]
pub trait ScheduleDesk: Send + Sync {
    /// Asks for a run of the schedule `name`.
    async fn ask(&self, name: &str) -> Asked;
}
