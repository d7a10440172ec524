//! How a step is tried: again when the reason may pass, for so long, until somebody ends the run.

use std::hash::{BuildHasher as _, Hasher as _};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use baton_connectors::ConnectorError;
use baton_core::ports::{LogLine, Operations, RunChange};
use baton_core::schedule::ExecutionPolicy;
use baton_core::{AssetName, Definition};
use baton_lake::LakeError;
use baton_plan::Stage;

use super::{Execution, StepOutcome};
use crate::error::RunError;
use crate::program::ProgramError;

/// How often a step looks whether somebody ended its run.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// How far the run had written things down when a try began.
pub(super) struct Mark {
    alerts: usize,
    pending: usize,
    checks: usize,
}

impl Execution<'_> {
    /// How the step of `asset` is tried.
    pub(super) fn policy(&self, asset: &str) -> ExecutionPolicy {
        self.services.asked.execution.policy(&self.prepared.project.execution, asset)
    }

    /// Tries a step as often as its policy allows, with a slot of its pool; answers how often it was tried, too.
    pub(super) async fn tries(&mut self, stage: &Stage, asset: &AssetName) -> (Result<StepOutcome, RunError>, u32) {
        let policy = self.policy_of_whole(asset);
        let Some(pool) = policy.pool.clone() else { return self.tries_by(&policy, stage, asset).await };
        let run = self.run.clone();
        let slot = tokio::select! {
            slot = self.slot(&pool, asset, asset) => slot,
            () = cancellation(Arc::clone(&self.services.operations), run.clone()) => Err(RunError::Cancelled { run }),
        };
        match slot {
            Err(error) => (Err(error), 0),
            Ok(slot) => {
                let tried = self.tries_by(&policy, stage, asset).await;
                slot.give_back().await;
                tried
            }
        }
    }

    /// How the step of `asset` is tried as a whole: where it has parts, slots and time limits are theirs.
    fn policy_of_whole(&self, asset: &AssetName) -> ExecutionPolicy {
        let definition = self.prepared.project.assets.get(asset).map(|asset| &asset.definition);
        let has_parts = matches!(definition, Some(Definition::Table(table)) if table.for_each.is_some());
        match has_parts {
            true => ExecutionPolicy { pool: None, timeout: None, ..self.policy(asset) },
            false => self.policy(asset),
        }
    }

    /// Tries a part of the step of `asset` as often as its policy allows, with a slot of its pool and a log of its own; answers
    /// how often it was tried, too. The run's end is looked for by the step as a whole.
    pub(crate) async fn tries_of_part<T>(
        &self,
        asset: &AssetName,
        label: &str,
        attempt: impl AsyncFn() -> Result<T, RunError>,
    ) -> (Result<T, RunError>, u32) {
        let policy = self.policy(asset);
        let slot = match &policy.pool {
            None => None,
            Some(pool) => match self.slot(pool, asset, label).await {
                Ok(slot) => Some(slot),
                Err(error) => return (Err(error), 0),
            },
        };
        let mut tried = 1;
        let outcome = loop {
            let error = match in_time(asset, policy.timeout, attempt()).await {
                Err(error) if tried < policy.retries.attempts && is_transient(&error) => error,
                outcome => break outcome,
            };
            let (wait, of) = (policy.retries.wait(tried, chance()), policy.retries.attempts);
            self.log_as(label, "warn", format!("try {tried} of {of} failed: {error}; the next one is in {wait:.1} s"));
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
            tried += 1;
        };
        if let Some(slot) = slot {
            slot.give_back().await;
        }
        (outcome, tried)
    }

    async fn tries_by(
        &mut self,
        policy: &ExecutionPolicy,
        stage: &Stage,
        asset: &AssetName,
    ) -> (Result<StepOutcome, RunError>, u32) {
        let mut tried = 1;
        loop {
            let mark = self.mark();
            let error = match self.try_once(stage, asset, policy.timeout).await {
                Err(error) if tried < policy.retries.attempts && is_transient(&error) => error,
                outcome => return (outcome, tried),
            };
            self.back_to(&mark);
            let wait = policy.retries.wait(tried, chance());
            let of = policy.retries.attempts;
            self.log(asset, "warn", format!("try {tried} of {of} failed: {error}; the next one is in {wait:.1} s"));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs_f64(wait)) => {}
                () = cancellation(Arc::clone(&self.services.operations), self.run.clone()) => {
                    return (Err(RunError::Cancelled { run: self.run.clone() }), tried);
                }
            }
            tried += 1;
        }
    }

    async fn try_once(
        &mut self,
        stage: &Stage,
        asset: &AssetName,
        timeout: Option<i64>,
    ) -> Result<StepOutcome, RunError> {
        let run = self.run.clone();
        let cancelled = cancellation(Arc::clone(&self.services.operations), run.clone());
        let too_long = async {
            match timeout.and_then(|seconds| u64::try_from(seconds).ok()) {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        // Work that computes without a pause uses up its share of the runtime before it gives way, and clocks that are
        // asked after it would not answer: they come first.
        tokio::select! {
            biased;
            () = cancelled => Err(RunError::Cancelled { run }),
            () = too_long => Err(RunError::TimedOut { asset: asset.clone(), seconds: timeout.unwrap_or_default() }),
            outcome = self.perform_in_memory(stage, asset) => outcome,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { alerts: self.alerts.len(), pending: self.pending.len(), checks: self.report.checks.len() }
    }

    /// Forgets what a try that failed wrote down; what it had recorded durably is exact and stays.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        self.alerts.truncate(mark.alerts);
        self.pending.truncate(mark.pending);
        self.report.checks.truncate(mark.checks);
    }

    /// A line in the log of a step.
    pub(crate) fn log(&self, asset: &AssetName, level: &str, text: String) {
        self.log_as(asset, level, text);
    }

    /// A line in the log of a step, or of a part of one.
    pub(crate) fn log_as(&self, label: &str, level: &str, text: String) {
        if let Some(journal) = &self.journal {
            let (run, asset, level) = (self.run.clone(), label.to_owned(), level.to_owned());
            journal.note(RunChange::Log(LogLine { run, asset, at: self.services.clock.now(), level, text }));
        }
    }
}

/// What comes of work that may take so many seconds.
async fn in_time<T>(
    asset: &AssetName,
    timeout: Option<i64>,
    work: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    let Some(seconds) = timeout else { return work.await };
    let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let too_long = |_| Err(RunError::TimedOut { asset: asset.clone(), seconds });
    tokio::time::timeout(limit, work).await.unwrap_or_else(too_long)
}

/// Ends when somebody asks the run to end.
async fn cancellation(operations: Arc<dyn Operations>, run: String) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // A ledger that cannot be asked is told by the step itself.
        if operations.is_cancelled(&run).await.unwrap_or(false) {
            return;
        }
    }
}

/// Whether the reason may pass by itself, so that another try makes sense.
fn is_transient(error: &RunError) -> bool {
    match error {
        RunError::Connector(ConnectorError::Io { source, .. }) => may_pass(source.kind()),
        RunError::Connector(ConnectorError::Origin { is_transient, .. }) => *is_transient,
        RunError::Connector(ConnectorError::ChangedWhileReading { .. })
        | RunError::Lake(LakeError::Contended { .. })
        | RunError::Program(ProgramError::Failed { may_pass: true, .. })
        | RunError::TimedOut { .. } => true,
        _ => false,
    }
}

fn may_pass(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Interrupted
            | ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            | ErrorKind::BrokenPipe
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::ResourceBusy
            | ErrorKind::StaleNetworkFileHandle
    )
}

/// A number from 0 to 1 that nobody foresees, so that those who failed together do not try again together.
fn chance() -> f64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let io = |kind: ErrorKind| {
            RunError::Connector(ConnectorError::Io { path: "x".to_owned(), action: "read", source: kind.into() })
        };
        let asset = AssetName::parse("days").unwrap();
        assert!(is_transient(&io(ErrorKind::ConnectionReset)));
        assert!(is_transient(&RunError::TimedOut { asset, seconds: 3 }));
        assert!(!is_transient(&io(ErrorKind::NotFound)) && !is_transient(&io(ErrorKind::PermissionDenied)));
        assert!(!is_transient(&RunError::Project("a type error".to_owned())));
        assert!(!is_transient(&RunError::Cancelled { run: "r".to_owned() }));
    }

    #[test]
    fn chance_is_a_share() {
        assert!((0..100).all(|_| (0.0..=1.0).contains(&chance())));
    }
}
