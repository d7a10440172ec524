//! Stages, which aliases have taken the place of; older programs still use them.

use baton_ledger::database::{Statement, Transaction};

use super::{ModelVersion, names, read, versions};
use crate::{TrackingError, TrackingStore};

/// Stages whose other versions can be archived when one moves there.
const ACTIVE: [&str; 2] = ["Staging", "Production"];

impl TrackingStore {
    /// Moves a version to a stage, and those that are there to `Archived` if that is asked for.
    ///
    /// # Errors
    /// When there is no such version or stage.
    pub async fn transition_model_version(
        &self,
        name: String,
        version: &str,
        stage: &str,
        archive_existing: bool,
    ) -> Result<ModelVersion, TrackingError> {
        let (number, now, to) = (names::version_number(version)?, self.now(), names::stage(stage)?);
        if archive_existing && !ACTIVE.contains(&to) {
            return Err(TrackingError::Internal(format!(
                "Model version transition cannot archive existing model versions because '{stage}' is not an Active stage. \
                 Valid stages are ['Staging', 'Production']"
            )));
        }
        let move_to = Move { number, to, archive_existing, now };
        self.write(move |transaction| Box::pin(transition(transaction, name, move_to))).await
    }
}

struct Move {
    number: i64,
    to: &'static str,
    archive_existing: bool,
    now: i64,
}

async fn transition(
    transaction: &mut Transaction,
    name: String,
    Move { number, to, archive_existing, now }: Move,
) -> Result<ModelVersion, TrackingError> {
    let row = read::version_row(transaction, &name, number).await?;
    if archive_existing {
        let archive = Statement::new(
            "UPDATE model_versions SET stage = 'Archived', last_update_time = $4
              WHERE model = $1 AND version <> $2 AND stage = $3 AND deleted = 0",
        );
        transaction.execute(archive.bind(row.model).bind(number).bind(to).bind(now)).await?;
    }
    let update = "UPDATE model_versions SET stage = $2, last_update_time = $3 WHERE id = $1";
    transaction.execute(Statement::new(update).bind(row.id).bind(to).bind(now)).await?;
    versions::touch(transaction, row.model, now).await?;
    let row = read::version_row(transaction, &name, number).await?;
    read::whole_version(transaction, row).await
}
