//! Which of several servers runs the schedules of an environment: the one that has the lease. It is asked for and kept beside
//! all else that a scheduler does, so that neither a project that is slow to read nor a run that ends costs a server its lease.
//!
//! When a holder is killed, its lease lasts for [`LEASE`] at most, and the others ask every [`ASK`]: one of them has it after
//! 5.5 seconds and what the ledger takes for two statements. A holder that is alive loses it only where the ledger answers none
//! of its questions for four seconds on end; what it writes then is refused, as the lease has another number.

use std::sync::Arc;
use std::time::Duration;

use baton_core::Clock;
use baton_core::ports::{Lease, LedgerError, Operations};
use chrono::TimeDelta;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a server that says nothing keeps the lease.
const LEASE: TimeDelta = TimeDelta::seconds(5);
/// How often the holder renews it.
const RENEW: Duration = Duration::from_secs(1);
/// How often the others ask for it, and a holder that got no answer.
const ASK: Duration = Duration::from_millis(500);

/// Who runs the schedules.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Standing {
    /// Nobody has said so yet.
    #[default]
    Unknown,
    /// Another one, by its name.
    Follows(String),
    /// This one.
    Leads(Lease),
}

/// What was last heard.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    pub(super) standing: Standing,
    /// Why the ledger did not answer since.
    pub(super) trouble: Option<String>,
}

/// Takes part in the election until it is dropped.
pub(super) struct Election {
    heard: watch::Receiver<Heard>,
    wants_answer: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Who asks for what.
pub(super) struct Candidate {
    pub(super) lease: String,
    pub(super) holder: String,
    pub(super) operations: Arc<dyn Operations>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Election {
    /// Takes part from now on.
    pub(super) fn begin(candidate: Candidate) -> Self {
        let (says, heard) = watch::channel(Heard::default());
        let wants_answer = Arc::new(Notify::new());
        let task = tokio::spawn(ask_again_and_again(candidate, says, Arc::clone(&wants_answer)));
        Self { heard, wants_answer, task }
    }

    /// What was last heard.
    pub(super) fn heard(&mut self) -> Heard {
        self.heard.borrow_and_update().clone()
    }

    /// The number of the lease, if this process has it.
    pub(super) fn token(&self) -> Option<u64> {
        match &self.heard.borrow().standing {
            Standing::Leads(lease) => Some(lease.token),
            _ => None,
        }
    }

    /// Asks at once, as after a write that was refused.
    pub(super) fn ask_now(&self) {
        self.wants_answer.notify_one();
    }

    /// Waits until something else is heard.
    pub(super) async fn change(&mut self) {
        if self.heard.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Candidate {
    /// The lease's end is counted from before it is asked for: an answer that takes long makes it shorter, never longer.
    async fn ask(&self) -> Result<Standing, LedgerError> {
        let now = self.operations.clock_of_leases().await?.unwrap_or_else(|| self.clock.now());
        let found = self.operations.take_lease(&self.lease, &self.holder, now, now + LEASE).await?;
        let is_ours = found.holder == self.holder;
        Ok(if is_ours { Standing::Leads(found) } else { Standing::Follows(found.holder) })
    }
}

async fn ask_again_and_again(candidate: Candidate, says: watch::Sender<Heard>, wants_answer: Arc<Notify>) {
    loop {
        // A pause begins with the question: an answer that takes long does not delay the next one.
        let asked = Instant::now();
        let answer = candidate.ask().await;
        let pause = if matches!(answer, Ok(Standing::Leads(_))) { RENEW } else { ASK };
        says.send_if_modified(|heard| match answer {
            Ok(standing) => {
                heard.trouble = None;
                let is_other = !is_same(&heard.standing, &standing);
                heard.standing = standing;
                is_other
            }
            Err(error) => {
                let trouble = Some(error.to_string());
                let is_other = heard.trouble != trouble;
                heard.trouble = trouble;
                is_other
            }
        });
        tokio::select! {
            () = tokio::time::sleep_until(asked + pause) => {}
            () = wants_answer.notified() => {}
        }
    }
}

/// Whether nothing follows from it: a lease that was renewed is the same.
fn is_same(before: &Standing, now: &Standing) -> bool {
    match (before, now) {
        (Standing::Leads(before), Standing::Leads(now)) => before.token == now.token,
        _ => before == now,
    }
}

#[cfg(test)]
mod tests {
    use baton_core::Timestamp;
    use baton_core::ports::{MemoryOperations, RequestEnd};
    use baton_core::time::timestamp_from_micros;

    use super::*;

    /// A clock that both share.
    struct Elapsed(Instant);

    impl Clock for Elapsed {
        fn now(&self) -> Timestamp {
            timestamp_from_micros(self.0.elapsed().as_micros() as i64)
        }
    }

    fn candidate(operations: &Arc<MemoryOperations>, clock: &Arc<Elapsed>, holder: &str) -> Candidate {
        Candidate {
            lease: "scheduler/prod".to_owned(),
            holder: holder.to_owned(),
            operations: Arc::clone(operations) as Arc<dyn Operations>,
            clock: Arc::clone(clock) as Arc<dyn Clock>,
        }
    }

    async fn next(election: &mut Election) -> Standing {
        election.change().await;
        election.heard().standing
    }

    #[tokio::test]
    async fn one_leads_until_it_is_gone_and_the_other_hears_of_it_in_time() {
        let (operations, clock) = (Arc::new(MemoryOperations::default()), Arc::new(Elapsed(Instant::now())));
        let mut one = Election::begin(candidate(&operations, &clock, "one"));
        let Standing::Leads(first) = next(&mut one).await else { panic!("nobody else is there") };
        let mut two = Election::begin(candidate(&operations, &clock, "two"));
        assert_eq!(next(&mut two).await, Standing::Follows("one".to_owned()));
        tokio::time::sleep(RENEW * 2).await;
        assert!(!one.heard.has_changed().unwrap() && !two.heard.has_changed().unwrap(), "renewing is no news");
        drop(one);
        let gone = Instant::now();
        let Standing::Leads(second) = next(&mut two).await else { panic!("it has the lease now") };
        assert!(second.token > first.token);
        let least = LEASE.to_std().unwrap() - RENEW - ASK;
        assert!(gone.elapsed() > least, "nobody takes a lease that may be renewed");
        let end = RequestEnd::Again { not_before: clock.now(), reason: String::new() };
        let refused = operations.end_request(&first, 1, &end).await;
        assert!(matches!(refused, Err(LedgerError::LeaseLost { .. })), "it may write no more");
    }

    #[tokio::test]
    async fn a_lease_that_is_given_back_goes_to_who_asks_at_once() {
        let (operations, clock) = (Arc::new(MemoryOperations::default()), Arc::new(Elapsed(Instant::now())));
        let mut one = Election::begin(candidate(&operations, &clock, "one"));
        let Standing::Leads(lease) = next(&mut one).await else { panic!("nobody else is there") };
        let mut two = Election::begin(candidate(&operations, &clock, "two"));
        assert_eq!(next(&mut two).await, Standing::Follows("one".to_owned()));
        drop(one);
        operations.release_lease(&lease).await.unwrap();
        two.ask_now();
        assert!(matches!(next(&mut two).await, Standing::Leads(_)));
    }
}
