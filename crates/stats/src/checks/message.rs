//! The verdict on a finished check and the one line that says why.

use baton_core::check::{Check, Rule, Severity};
use baton_core::duration::format_seconds;
use chrono::{DateTime, SecondsFormat, Utc};

use super::literal::shown;
use super::rule::{Judgement, RowRule};
use crate::profile::{grouped, shown_number};

const MICROSECONDS_IN_SECOND: i64 = 1_000_000;

/// What a check has counted.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) failed_rows: u64,
    /// Share of the rows that may fail.
    pub(super) tolerance: f64,
    /// The first failing value as text.
    pub(super) example: Option<String>,
}

impl Tally {
    fn is_tolerated(&self) -> bool {
        self.failed_rows as f64 <= self.tolerance * self.rows as f64
    }

    fn of_rows(&self) -> String {
        format!("{} of {}", grouped(self.failed_rows), counted_rows(self.rows))
    }

    fn example(&self) -> String {
        self.example.as_deref().map(|example| format!(", e.g. {example}")).unwrap_or_default()
    }

    fn all_rows(&self) -> String {
        format!("all {}", counted_rows(self.rows))
    }
}

/// Decides a check from what was counted, at the logical clock `now`.
pub(super) fn judge(check: &Check, rule: &RowRule, tally: &Tally, now: DateTime<Utc>) -> Judgement {
    match rule {
        RowRule::RowCount { min, max } => judge_row_count(check, tally.rows, *min, *max),
        RowRule::Freshness { warn_after, error_after, newest } => {
            judge_freshness(check, *newest, *warn_after, *error_after, now)
        }
        _ => Judgement { passed: tally.is_tolerated(), severity: check.severity, message: row_message(check, tally) },
    }
}

fn row_message(check: &Check, tally: &Tally) -> String {
    let column = format!("`{}`", check.column.as_deref().unwrap_or_default());
    let holds = tally.failed_rows == 0;
    let message = match &check.rule {
        Rule::NotNull if holds => format!("{} have {column}", tally.all_rows()),
        Rule::NotNull => format!("{} have no {column}", tally.of_rows()),
        Rule::AcceptedValues { .. } if holds => format!("{column}: {} hold an accepted value", tally.all_rows()),
        Rule::AcceptedValues { .. } => {
            format!("{column}: {} hold a value that is not accepted{}", tally.of_rows(), tally.example())
        }
        Rule::Between { min, max } => {
            let range = shown_range(min.as_ref().map(shown), max.as_ref().map(shown));
            if holds {
                format!("{column} {range}: {} inside", tally.all_rows())
            } else {
                format!("{column} {range}: {} outside{}", counted_rows(tally.failed_rows), tally.example())
            }
        }
        Rule::Matches { pattern } if holds => format!("{column} matches `{pattern}`: {}", tally.all_rows()),
        Rule::Matches { pattern } => {
            format!("{column} matches `{pattern}`: {} do not{}", tally.of_rows(), tally.example())
        }
        _ => String::new(),
    };
    if !holds && tally.is_tolerated() {
        return format!("{message}; within the tolerance of {}%", shown_number(tally.tolerance * 100.0));
    }
    message
}

fn judge_row_count(check: &Check, rows: u64, min: Option<u64>, max: Option<u64>) -> Judgement {
    let passed = min.is_none_or(|min| rows >= min) && max.is_none_or(|max| rows <= max);
    let found = counted_rows(rows);
    let range = shown_range(min.map(grouped), max.map(grouped));
    Judgement {
        passed,
        severity: check.severity,
        message: if passed { found } else { format!("{found}, expected {range}") },
    }
}

/// Past `error_after` the check's own severity counts, past `warn_after` alone it is a warning.
fn judge_freshness(
    check: &Check,
    newest: Option<i64>,
    warn_after: Option<u64>,
    error_after: Option<u64>,
    now: DateTime<Utc>,
) -> Judgement {
    let column = check.column.as_deref().unwrap_or_default();
    let Some((microseconds, newest)) = newest.and_then(|at| Some((at, DateTime::from_timestamp_micros(at)?))) else {
        return Judgement {
            passed: false,
            severity: check.severity,
            message: format!("there is no value of `{column}`, so freshness is unknown"),
        };
    };
    let age = now.timestamp_micros().saturating_sub(microseconds);
    let exceeds = |limit: Option<u64>| limit.is_some_and(|limit| age > microseconds_of(limit));
    let (is_error, is_warning) = (exceeds(error_after), exceeds(warn_after));
    let newest = newest.to_rfc3339_opts(SecondsFormat::Secs, true);
    let found = format!("newest `{column}` is {newest}, {}", shown_age(age));
    let limit = if is_error { error_after } else { warn_after };
    let message = match limit.filter(|_| is_error || is_warning) {
        Some(limit) => format!("{found}; allowed are {}", format_seconds(limit as i64)),
        None => found,
    };
    Judgement {
        passed: !is_error && !is_warning,
        severity: if is_warning && !is_error { Severity::Warn } else { check.severity },
        message,
    }
}

fn microseconds_of(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(MICROSECONDS_IN_SECOND)
}

/// The two largest units of an age, `2d 3h`.
fn shown_age(microseconds: i64) -> String {
    let seconds = microseconds / MICROSECONDS_IN_SECOND;
    if seconds < 0 {
        return "in the future".to_owned();
    }
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s old"),
        (0, 0, minutes) => format!("{minutes}m old"),
        (0, hours, minutes) => format!("{hours}h {minutes}m old"),
        (days, hours, _) => format!("{days}d {hours}h old"),
    }
}

fn shown_range(min: Option<String>, max: Option<String>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("between {min} and {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any".to_owned(),
    }
}

fn counted_rows(rows: u64) -> String {
    let noun = if rows == 1 { "row" } else { "rows" };
    format!("{} {noun}", grouped(rows))
}
