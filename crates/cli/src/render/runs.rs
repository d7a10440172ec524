//! Runs and schedules: lists, and one run over time.

use baton_core::Timestamp;
use baton_core::duration::format_seconds;
use baton_core::parameter::shown;
use baton_core::ports::{LogLine, RunRecord, RunState, StepRecord};
use baton_core::schedule::Schedule;

use super::style;
use super::table::Table;
use crate::commands::ScheduleLine;
use crate::instant;

/// Columns of the bars.
const WIDTH: i64 = 32;
/// Characters of a cause in the list of runs.
const MOST_OF_CAUSE: usize = 60;

/// The newest runs of an environment.
pub(crate) fn runs(environment: &str, runs: &[RunRecord]) -> String {
    if runs.is_empty() {
        return format!("no runs in environment `{environment}`\n");
    }
    let mut table = Table::new(&["run", "began", "by", "state", ">took", ">steps", "what went wrong"]);
    for run in runs {
        let failed = if run.failed > 0 { format!("{} of {}", run.failed, run.steps) } else { run.steps.to_string() };
        table.row([
            run.id.clone(),
            instant::show(run.started_at),
            asked_by(run),
            run.state.word().to_owned(),
            run.finished_at.map_or(String::new(), |end| took(run.started_at, end)),
            failed,
            shortened(run.cause.as_deref().unwrap_or_default()),
        ]);
    }
    table.render("")
}

/// As much of a cause as a line has place for; `runs show` has all of it.
fn shortened(cause: &str) -> String {
    match cause.char_indices().nth(MOST_OF_CAUSE) {
        None => cause.to_owned(),
        Some((end, _)) => format!("{}…", cause[..end].trim_end()),
    }
}

/// `run`, `apply`, or the schedule with what made it due.
fn asked_by(run: &RunRecord) -> String {
    match (&run.schedule, &run.trigger) {
        (Some(schedule), Some(trigger)) => format!("{schedule} ({trigger})"),
        (Some(schedule), None) => schedule.clone(),
        (None, Some(trigger)) => format!("{} ({trigger})", run.command),
        (None, None) => run.command.clone(),
    }
}

/// One run: its head, then a bar for each step.
pub(crate) fn one_run(run: &RunRecord, steps: &[StepRecord], now: Timestamp) -> String {
    let end = run.finished_at.unwrap_or(now);
    let mut text = format!(
        "run {} of {}  {}  {}  {}  as of {}\n",
        run.id,
        run.environment,
        asked_by(run),
        state(run.state),
        took(run.started_at, end),
        instant::show(run.as_of),
    );
    if !run.parameters.is_empty() {
        let given = run.parameters.iter().map(|(name, value)| format!("{name}={}", shown(value)));
        text.push_str(&format!("  with {}\n", given.collect::<Vec<_>>().join(", ")));
    }
    let verbs = steps.iter().map(|step| step.verb.len()).max().unwrap_or(0);
    let names = steps.iter().map(|step| step.asset.chars().count()).max().unwrap_or(0);
    for step in steps {
        let bar = bar(run.started_at, end, step.started_at, step.finished_at.unwrap_or(end));
        let time = took(step.started_at, step.finished_at.unwrap_or(now));
        let line = format!(
            "  {} {:<verbs$}  {:<names$}  ▕{bar}▏ {time:>7}  {}",
            sign(step),
            step.verb,
            step.asset,
            outcome(step)
        );
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    if let Some(cause) = &run.cause {
        let sign = if run.state.goes_on_later() { style::hint("?") } else { style::error("✗") };
        text.push_str(&format!("{sign} {cause}\n"));
    }
    text
}

/// A line for a step that ended, as it is told while a run is followed.
pub(crate) fn step_of_run(step: &StepRecord) -> String {
    let time = step.finished_at.map_or(String::new(), |end| took(step.started_at, end));
    let line = format!("{} {} {}  {time}  {}", sign(step), step.verb, step.asset, outcome(step));
    format!("{}\n", line.trim_end())
}

/// The part of a run's time that a step took, as a bar; a step that took next to nothing is still seen.
fn bar(start: Timestamp, end: Timestamp, from: Timestamp, until: Timestamp) -> String {
    let whole = (end - start).num_microseconds().unwrap_or(i64::MAX).max(1);
    let place = |at: Timestamp| {
        let micros = i128::from((at - start).num_microseconds().unwrap_or(0)) * i128::from(WIDTH) / i128::from(whole);
        i64::try_from(micros).unwrap_or(0).clamp(0, WIDTH)
    };
    let first = place(from).min(WIDTH - 1);
    let last = place(until).max(first + 1);
    (0..WIDTH).map(|column| if (first..last).contains(&column) { '█' } else { ' ' }).collect()
}

fn sign(step: &StepRecord) -> String {
    match step.state.as_str() {
        "done" => style::good("✓"),
        "reused" => style::good("="),
        "up_to_date" => style::muted("·"),
        "failed" => style::error("✗"),
        "skipped" => style::warning("-"),
        "waiting" => style::hint("?"),
        _ => style::hint("▶"),
    }
}

fn outcome(step: &StepRecord) -> String {
    let word = match (step.state.as_str(), step.hit) {
        ("reused", _) => "cache hit: ",
        ("up_to_date", _) => "up to date",
        ("skipped", _) => "skipped: ",
        ("running", _) if step.detail.is_empty() => "goes on",
        ("running", _) => "goes on: ",
        ("done", Some(false)) => "cache miss: ",
        _ => "",
    };
    let tries = if step.attempts > 1 { format!(" ({} tries)", step.attempts) } else { String::new() };
    format!("{word}{}{tries}", step.detail)
}

fn state(state: RunState) -> String {
    match state {
        RunState::Succeeded => style::good(state.word()),
        RunState::Failed => style::error(state.word()),
        RunState::Cancelled | RunState::Interrupted => style::warning(state.word()),
        RunState::Queued | RunState::Running => style::hint(state.word()),
        RunState::Waiting | RunState::Paused => style::warning(state.word()),
    }
}

fn took(from: Timestamp, until: Timestamp) -> String {
    let seconds = (until - from).num_milliseconds() as f64 / 1_000.0;
    if seconds < 120.0 { format!("{seconds:.1}s") } else { format!("{:.0}m", seconds / 60.0) }
}

/// The lines of a run's log.
pub(crate) fn run_log(lines: &[LogLine]) -> String {
    let line = |line: &LogLine| {
        let level = if line.level == "error" { style::error(&line.level) } else { style::warning(&line.level) };
        format!("{} {level} {}: {}\n", style::muted(&line.at.format("%H:%M:%S%.3f").to_string()), line.asset, line.text)
    };
    lines.iter().map(line).collect()
}

/// The project's schedules.
pub(crate) fn schedules(lines: &[ScheduleLine]) -> String {
    if lines.is_empty() {
        return "no schedules; declare some under `schedules:`\n".to_owned();
    }
    let mut table = Table::new(&["schedule", "runs", "next", "last run", "state"]);
    for line in lines {
        let last = line.last.as_ref();
        let next = match (&line.open, line.schedule.paused) {
            (Some(open), _) => open.state.word().to_owned(),
            (None, true) => "paused".to_owned(),
            (None, false) => line.next.map_or("by event".to_owned(), instant::show),
        };
        table.row([
            line.schedule.name.to_string(),
            triggers(&line.schedule),
            next,
            last.map_or("never".to_owned(), |run| instant::show(run.started_at)),
            last.map_or(String::new(), |run| run.state.word().to_owned()),
        ]);
    }
    table.render("")
}

/// What makes a schedule run, in words.
fn triggers(schedule: &Schedule) -> String {
    let triggers = &schedule.triggers;
    let zone = if triggers.timezone == "UTC" { String::new() } else { format!(" {}", triggers.timezone) };
    let mut words: Vec<String> = triggers.cron.iter().map(|line| format!("{line}{zone}")).collect();
    words.extend(triggers.every.map(|seconds| format!("every {}", format_seconds(seconds))));
    words.extend(triggers.commits.as_ref().map(|on| {
        let names: Vec<&str> = on.assets.iter().map(|asset| asset.as_str()).collect();
        format!("on commit of {}{}", if on.all && names.len() > 1 { "all of " } else { "" }, names.join(", "))
    }));
    words.extend(
        triggers
            .deadline
            .as_ref()
            .map(|deadline| format!("{} older than {}", deadline.asset, format_seconds(deadline.within))),
    );
    words.extend(triggers.files.as_ref().map(|glob| format!("files {glob}")));
    if words.is_empty() { "by hand".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use baton_core::time::timestamp_from_micros;

    use super::*;

    #[test]
    fn bars_show_when_and_how_long() {
        let at = |second: i64| timestamp_from_micros(second * 1_000_000);
        let bar = |from, until| bar(at(0), at(32), at(from), at(until));
        assert_eq!(bar(0, 32), "█".repeat(32));
        assert_eq!(bar(8, 16).trim_end(), format!("{}{}", " ".repeat(8), "█".repeat(8)));
        assert_eq!(bar(5, 5).matches('█').count(), 1, "a step that took nothing is seen");
        assert_eq!(bar(32, 40).matches('█').count(), 1);
    }
}
