//! What somebody holds back, whatever the project's files say.

use baton_core::ports::Adjustment;
use baton_core::runbook::Pausable;

use crate::error::RunError;
use crate::services::Services;

/// The adjustment that holds something back in an environment now.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn held_back(
    services: &Services,
    environment: &str,
    what: &Pausable,
) -> Result<Option<Adjustment>, RunError> {
    let (now, subject) = (services.clock.now(), what.subject());
    let adjustments = services.operations.adjustments(environment, now).await?;
    Ok(adjustments.into_iter().find(|found| found.subject == subject && found.value["paused"] == true))
}

/// Who holds it back, why and for how long, in a line.
pub(crate) fn told(held: &Adjustment) -> String {
    let why = if held.reason.is_empty() { String::new() } else { format!(" ({})", held.reason) };
    let until = held.until.map_or(String::new(), |until| format!(" until {}", until.format("%Y-%m-%d %H:%M UTC")));
    format!("held back by {}{why}{until}", held.by)
}
