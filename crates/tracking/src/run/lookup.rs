//! Finding a run by what people call it.

use baton_ledger::database::Statement;

use super::{COLUMNS, RunInfo, RunRow};
use crate::error::Result;
use crate::store::TrackingStore;

impl TrackingStore {
    /// Runs whose id begins with `text`, or whose name it is; at most `most`, the newest first. One whose id it is stands alone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn runs_called(&self, text: &str, most: u32) -> Result<Vec<RunInfo>> {
        // Ids that begin so lie between it and what follows it, so that their index is used.
        let mut after = text.to_owned();
        after.push('\u{10ffff}');
        let select = Statement::new(format!(
            "SELECT {COLUMNS} FROM runs r WHERE (r.run_id >= $1 AND r.run_id < $2) OR r.name = $1 \
             ORDER BY r.start_time DESC, r.run_id LIMIT $3"
        ));
        let rows: Vec<RunRow> = self.all(select.bind(text).bind(after).bind(most)).await?;
        let mut runs: Vec<RunInfo> = rows.into_iter().map(RunRow::into_info).collect();
        if let Some(place) = runs.iter().position(|run| run.run_id == text) {
            runs = vec![runs.swap_remove(place)];
        }
        Ok(runs)
    }
}
