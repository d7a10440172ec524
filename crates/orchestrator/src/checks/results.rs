//! Results of checks: merged over deliveries, and judged.

use baton_core::AssetName;
use baton_core::check::{CheckResult, Severity};

use super::SAMPLES;
use crate::error::RunError;
use crate::report::rows_of;

/// Results of the same checks on several deliveries as results on all of them.
pub(crate) fn merged(parts: impl IntoIterator<Item = Vec<CheckResult>>) -> Vec<CheckResult> {
    let mut all: Vec<CheckResult> = Vec::new();
    for result in parts.into_iter().flatten() {
        match all.iter_mut().find(|found| found.check == result.check) {
            Some(found) => merge(found, result),
            None => all.push(result),
        }
    }
    all
}

fn merge(whole: &mut CheckResult, part: CheckResult) {
    whole.passed &= part.passed;
    whole.rows += part.rows;
    whole.failed_rows += part.failed_rows;
    whole.samples.extend(part.samples);
    whole.samples.truncate(SAMPLES);
    whole.message = match whole.failed_rows {
        0 => format!("all {} hold", rows_of(whole.rows)),
        failed => format!("{failed} of {} do not hold", rows_of(whole.rows)),
    };
}

/// Fails when a check with severity error did not hold.
pub(crate) fn judge(asset: &AssetName, results: &[CheckResult]) -> Result<(), RunError> {
    let broken: Vec<&CheckResult> =
        results.iter().filter(|result| !result.passed && result.severity == Severity::Error).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let messages: Vec<&str> = broken.iter().take(3).map(|result| result.message.as_str()).collect();
    Err(RunError::Checks {
        asset: asset.clone(),
        failed: if broken.len() == 1 { "1 check".to_owned() } else { format!("{} checks", broken.len()) },
        summary: messages.join("; "),
    })
}
