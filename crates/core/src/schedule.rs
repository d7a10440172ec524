//! Schedules: when a project runs by itself, what of it, and what happens when something fails.
//!
//! Plain data, as the project declares it. What is due when is computed by the orchestrator; texts such as cron lines and
//! time zones were checked when the project was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::approval::Approval;
use crate::asset::Origin;
use crate::name::AssetName;

/// When to run what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Unique among schedules.
    pub name: AssetName,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Environments in which it runs; empty means every environment that a server runs schedules for.
    pub environments: Vec<String>,
    /// The assets that it runs, in the grammar of selections; empty means all.
    pub select: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
    /// What makes it run.
    pub triggers: Triggers,
    /// What becomes of cron ticks that passed while nobody could run them.
    pub catch_up: CatchUp,
    /// When it does not run, whatever triggers it (but a hand does).
    pub blackouts: Vec<Blackout>,
    /// Whether it is switched off; a hand still runs it.
    pub paused: bool,
    /// Of two runs that wait, the one with the greater number goes first.
    pub priority: i64,
    /// How its steps are tried; what is left out comes from the project.
    pub execution: Execution,
    /// Names of the channels that hear of failure, lateness and recovery.
    pub notify: Vec<String>,
    /// A run that has not ended so many seconds after it was due is late.
    pub late_after: Option<i64>,
    /// Whose word each of its runs waits for before it does anything.
    pub approval: Option<Approval>,
    /// Where it is declared.
    pub origin: Origin,
}

/// What makes a schedule run. Several may be given: each of them does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Triggers {
    /// Cron lines with five fields, in [`Self::timezone`].
    pub cron: Vec<String>,
    /// Seconds between runs, counted from midnight of 1970-01-01.
    pub every: Option<i64>,
    /// Name of the time zone of the cron lines and of blackouts by time of day, such as `Europe/Zurich`.
    pub timezone: String,
    /// Commits that give assets a new version.
    pub commits: Option<OnCommits>,
    /// A deadline for the next version of an asset.
    pub deadline: Option<Deadline>,
    /// A glob relative to the project: files that come or change there.
    pub files: Option<String>,
}

/// Runs when assets have a new version in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnCommits {
    /// The assets.
    pub assets: Vec<AssetName>,
    /// Whether one of them is enough, or each must have a new version since the last run.
    pub all: bool,
}

/// Runs when an asset had no new version for so long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The asset.
    pub asset: AssetName,
    /// Seconds since its newest version.
    pub within: i64,
}

/// What becomes of cron ticks that passed while nobody could run them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// The newest is run, the others are not.
    #[default]
    Latest,
    /// Each is run, oldest first, with its own logical clock.
    All,
    /// None is run.
    None,
}

/// A time in which a schedule does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Blackout {
    /// From one instant to another, half-open, in microseconds since the epoch.
    Between {
        /// The first instant.
        from: i64,
        /// The first instant after it.
        until: i64,
    },
    /// Every day, or on some weekdays, from one time of day to another; past midnight when the second is earlier.
    Daily {
        /// Minutes since midnight.
        from: u16,
        /// Minutes since midnight.
        until: u16,
        /// Days on which it begins, Monday 0 to Sunday 6; empty means every day.
        weekdays: Vec<u8>,
    },
}

/// How steps are tried, and what a failed one means for the others. Absent fields leave it to whoever is asked next:
/// first the step, then the schedule, then the project, then [`ExecutionPolicy::default`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Tries of a step that failed for a reason that may pass.
    pub retries: Option<Retries>,
    /// Most seconds of one try of a step.
    pub timeout: Option<i64>,
    /// What a failed step means for the others.
    pub on_failure: Option<OnFailure>,
    /// The pool of which a step takes a slot.
    pub pool: Option<String>,
    /// Of steps that wait for a slot, those with the greater number come first, then those that wait longer.
    pub priority: Option<i64>,
    /// Whose word the step of a single asset waits for in a run; an apply has approvals of its own.
    pub approval: Option<Approval>,
    /// Of single assets.
    pub steps: BTreeMap<AssetName, Self>,
}

/// How often a step is tried, and how long is waited between tries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// Tries in all, the first included.
    pub attempts: u32,
    /// Seconds before the second try; each further one waits twice as long.
    pub backoff: f64,
    /// Most seconds between two tries.
    pub max: f64,
    /// Share of a wait that is left to chance: 0.2 is up to a fifth more or less.
    pub jitter: f64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: 3, backoff: 2.0, max: 60.0, jitter: 0.2 }
    }
}

impl Retries {
    /// Seconds to wait after `failed` tries; `chance` from 0 to 1 decides the share that is left to it.
    pub fn wait(&self, failed: u32, chance: f64) -> f64 {
        let doublings = i32::try_from(failed.saturating_sub(1).min(60)).unwrap_or(60);
        let wait = (self.backoff * 2.0_f64.powi(doublings)).min(self.max);
        wait * (1.0 + self.jitter * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
    }
}

/// What a failed step means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// What reads its output is skipped, the rest goes on.
    #[default]
    SkipDownstream,
    /// What reads its output works with the last good version.
    Continue,
    /// Nothing more is begun.
    Stop,
}

/// How a step is tried, with every question answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecutionPolicy {
    /// Tries and waits.
    pub retries: Retries,
    /// Most seconds of one try.
    pub timeout: Option<i64>,
    /// What its failure means for the others.
    pub on_failure: OnFailure,
    /// The pool of which it takes a slot; `None` for as many side by side as there are.
    pub pool: Option<String>,
    /// Its place among those that wait for a slot: the greater number first.
    pub priority: i64,
    /// Whose word it waits for.
    pub approval: Option<Approval>,
}

impl Execution {
    /// How the step of `asset` is tried, where `self` was asked for and `project` is the project's own.
    pub fn policy(&self, project: &Self, asset: &str) -> ExecutionPolicy {
        let asked = [self.steps.get(asset), Some(self), project.steps.get(asset), Some(project)];
        let asked = || asked.into_iter().flatten();
        ExecutionPolicy {
            retries: asked().find_map(|level| level.retries).unwrap_or_default(),
            timeout: asked().find_map(|level| level.timeout),
            on_failure: asked().find_map(|level| level.on_failure).unwrap_or_default(),
            pool: asked().find_map(|level| level.pool.clone()),
            priority: asked().find_map(|level| level.priority).unwrap_or_default(),
            approval: [self.steps.get(asset), project.steps.get(asset)]
                .into_iter()
                .flatten()
                .find_map(|step| step.approval.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_leave_a_share_to_chance() {
        let retries = Retries { attempts: 9, backoff: 2.0, max: 60.0, jitter: 0.25 };
        let waits: Vec<f64> = (1..8).map(|failed| retries.wait(failed, 0.5)).collect();
        assert_eq!(waits, [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!((retries.wait(1, 0.0), retries.wait(1, 1.0)), (1.5, 2.5));
        assert_eq!(retries.wait(u32::MAX, 0.5), 60.0);
    }

    #[test]
    fn the_nearest_answer_holds() {
        let name = |text: &str| AssetName::parse(text).unwrap();
        let retries = |attempts| Some(Retries { attempts, ..Retries::default() });
        let of_step = Execution { timeout: Some(5), ..Execution::default() };
        let project = Execution {
            retries: retries(7),
            timeout: Some(60),
            steps: BTreeMap::from([(name("slow"), Execution { timeout: Some(600), ..Execution::default() })]),
            ..Execution::default()
        };
        let asked = Execution {
            retries: retries(2),
            steps: BTreeMap::from([(name("quick"), of_step)]),
            ..Execution::default()
        };
        let told = |asset| {
            let policy = asked.policy(&project, asset);
            (policy.retries.attempts, policy.timeout)
        };
        assert_eq!([told("quick"), told("slow"), told("other")], [(2, Some(5)), (2, Some(600)), (2, Some(60))]);
        let nothing = Execution::default();
        assert_eq!(nothing.policy(&nothing, "any"), ExecutionPolicy::default());
    }
}
