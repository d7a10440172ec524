//! What came of a search, as text.

use baton_orchestrator::{SearchOutcome, TrialLine};

use super::table::{Table, count};

/// The best trial, the next ones, and where all of them are.
pub(crate) fn search(outcome: &SearchOutcome, limit: usize) -> String {
    let stated = |state: &str| outcome.trials.iter().filter(|trial| word(trial) == state).count();
    let known = outcome.trials.iter().filter(|trial| trial.known).count();
    let mut text = format!(
        "{} on {} rows of {}: {} trials, of which {} stopped early, {} failed and {known} were known; {:.1}s\n",
        outcome.model,
        count(outcome.rows as u64),
        outcome.environment,
        outcome.trials.len(),
        stated("pruned"),
        stated("failed"),
        outcome.seconds
    );
    let mut table = Table::new(&[">trial", "algorithm", &format!(">{}", outcome.metric), "state", "parameters"]);
    for trial in best_first(outcome).into_iter().take(limit) {
        let shown = trial.score.or(trial.last).map_or_else(|| "-".to_owned(), |value| format!("{value:.5}"));
        let state = if trial.number == outcome.best { "best" } else { word(trial) };
        table.row([trial.number.to_string(), trial.algorithm.clone(), shown, state.to_owned(), drawn(trial)]);
    }
    text.push_str(&table.render("  "));
    if let Some(more) = outcome.trials.len().checked_sub(limit).filter(|more| *more > 0) {
        text.push_str(&format!("  and {} more: --limit {}\n", count(more as u64), outcome.trials.len()));
    }
    outcome.notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
    if let Some(run) = &outcome.run_id {
        text.push_str(&format!("tracked as run {run}, its trials as nested runs\n"));
    }
    text
}

/// What was drawn, to four digits: all of them are in the JSON.
fn drawn(trial: &TrialLine) -> String {
    let short = |value: f64| {
        let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
        if value == 0.0 { value } else { (value * scale).round() / scale }
    };
    let drawn = trial.params.0.iter().map(|(name, value)| format!("{name}={}", short(*value)));
    drawn.collect::<Vec<_>>().join(", ")
}

/// Finished trials by score, then those that stopped, by what they reported last.
fn best_first(outcome: &SearchOutcome) -> Vec<&TrialLine> {
    let mut trials: Vec<&TrialLine> = outcome.trials.iter().collect();
    let sign = if outcome.higher_is_better { -1.0 } else { 1.0 };
    let value = |trial: &TrialLine| sign * trial.score.or(trial.last).unwrap_or(-sign * f64::INFINITY);
    trials.sort_by(|one, other| {
        let unfinished = one.score.is_none().cmp(&other.score.is_none());
        unfinished.then(value(one).total_cmp(&value(other))).then(one.number.cmp(&other.number))
    });
    trials
}

fn word(trial: &TrialLine) -> &'static str {
    match (&trial.failure, trial.score) {
        (Some(_), _) => "failed",
        (None, Some(_)) => "finished",
        (None, None) => "pruned",
    }
}
