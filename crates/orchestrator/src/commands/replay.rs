//! Replay: the scheduler driven over history by a logical clock.

use baton_core::Timestamp;
use chrono::TimeDelta;

use super::change::run_again;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::report::{ReplayReport, RunReport};
use crate::services::Services;

/// Which history, in which steps.
#[derive(Debug, Clone, Copy)]
pub struct ReplayOptions {
    /// The clock before the first tick.
    pub from: Timestamp,
    /// The clock of the last tick.
    pub to: Timestamp,
    /// Time between ticks.
    pub every: TimeDelta,
}

/// Ticks from `from` (exclusive) to `to` (inclusive). Ticks up to the environment's own clock are done already, so a
/// replay that was stopped goes on where it was.
pub async fn replay(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    options: &ReplayOptions,
) -> Result<ReplayReport, RunError> {
    let mut report = ReplayReport::default();
    let done_through = last_tick(services, environment).await?;
    let ticks = ticks(options);
    let total = ticks.len() as u64;
    for (number, tick) in ticks.into_iter().enumerate() {
        if done_through.is_some_and(|done| tick <= done) {
            continue;
        }
        let is_last = number as u64 + 1 == total;
        let tick_report = run_again(services, prepared, environment, tick, is_last).await?;
        add(&mut report, tick_report);
        let subject = format!("{environment} {}", tick.format("%Y-%m-%d"));
        services.progress.advanced(&subject, number as u64 + 1, total);
    }
    Ok(report)
}

/// The environment's clock: that of its head.
async fn last_tick(services: &Services, environment: &str) -> Result<Option<Timestamp>, RunError> {
    Ok(services.ledger.head(environment).await?.map(|commit| commit.as_of))
}

fn ticks(options: &ReplayOptions) -> Vec<Timestamp> {
    let mut ticks = Vec::new();
    let mut clock = options.from;
    while options.every > TimeDelta::zero() && clock < options.to {
        clock = (clock + options.every).min(options.to);
        ticks.push(clock);
    }
    ticks
}

fn add(report: &mut ReplayReport, tick: RunReport) {
    report.ticks += 1;
    report.commits += u64::from(tick.moved);
    report.checks += tick.checks.len() as u64;
    report.failed_checks += tick.checks.iter().filter(|check| !check.passed).count() as u64;
    for step in &tick.steps {
        match step.verb.as_str() {
            "score" => report.predictions += step.rows.unwrap_or_default(),
            "train" => report.trained.push(step.detail.clone()),
            _ => {}
        }
    }
    report.failures.extend(tick.failures().cloned());
    report.exports.extend(tick.exports);
    for incident in tick.incidents {
        report.incidents.insert(incident.id.clone(), incident);
    }
}

#[cfg(test)]
mod tests {
    use baton_core::time::timestamp_from_micros;

    use super::*;

    #[test]
    fn ticks_reach_the_end_exactly() {
        let day = |day: i64| timestamp_from_micros(day * 86_400_000_000);
        let options = ReplayOptions { from: day(0), to: day(3), every: TimeDelta::days(2) };
        assert_eq!(ticks(&options), [day(2), day(3)]);
        assert!(ticks(&ReplayOptions { every: TimeDelta::zero(), ..options }).is_empty());
    }
}
