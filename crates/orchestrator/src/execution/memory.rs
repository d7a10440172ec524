//! Steps that run out of memory: once more when no other step takes of it, and then with joins that spill.
//!
//! How a query joins may decide the last bits of its sums, so a step falls back to joins that spill only where it failed
//! by itself: never because others happened to work beside it.

use baton_core::AssetName;
use baton_engine::EngineError;
use baton_plan::Stage;
use tokio::sync::RwLock;

use super::{Execution, StepOutcome};
use crate::error::RunError;

/// Steps that are executed side by side: each reads, one that wants to be alone writes.
pub(super) type Others = RwLock<()>;

impl Execution<'_> {
    /// Performs a step in the memory that there is.
    pub(super) async fn perform_in_memory(
        &mut self,
        stage: &Stage,
        asset: &AssetName,
    ) -> Result<StepOutcome, RunError> {
        self.spill_joins = false;
        let Some(others) = self.others.clone() else { return self.perform_alone(stage, asset).await };
        let mark = self.mark();
        let beside = others.read().await;
        match self.perform(stage, asset).await {
            Err(error) if is_out_of_memory(&error) => self.back_to(&mark),
            outcome => return outcome,
        }
        drop(beside);
        let _alone = others.write().await;
        self.perform_alone(stage, asset).await
    }

    async fn perform_alone(&mut self, stage: &Stage, asset: &AssetName) -> Result<StepOutcome, RunError> {
        let mark = self.mark();
        match self.perform(stage, asset).await {
            Err(error) if is_out_of_memory(&error) && matches!(stage, Stage::Build { .. }) => self.back_to(&mark),
            outcome => return outcome,
        }
        self.spill_joins = true;
        self.perform(stage, asset).await
    }
}

fn is_out_of_memory(error: &RunError) -> bool {
    matches!(error, RunError::Engine(EngineError::OutOfMemory { .. }))
}
