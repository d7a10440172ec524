//! The contract of the operations port, as a suite that every implementation passes.
//!
//! Each function takes operations without a record. [`operations_suite!`](crate::operations_suite!) makes a test of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_core::Timestamp;
use baton_core::ports::{
    Adjustment, Advance, Delivery, Lease, LedgerError, LogLine, NewMessage, NewRequest, Operations, RequestEnd,
    RunChange, RunEnd, RunFilter, RunRecord, RunState, StepRecord, Waiter,
};
use baton_core::time::timestamp_from_micros;
use serde_json::json;

use crate::ledger_suite::Outcome;

/// Makes one test of each case. The argument is an async function that answers empty `Arc<dyn Operations>` and what must
/// live as long as they, as `(guard, operations)`. The calling crate needs `tokio`.
#[macro_export]
macro_rules! operations_suite {
    ($open:ident) => {
        $crate::operations_suite!(@cases $open,
            a_lease_has_one_holder_until_it_ends,
            writes_under_a_lost_lease_are_refused_whole,
            requests_are_asked_for_once_and_begun_by_priority,
            requests_wait_and_are_taken_over,
            runs_are_found_newest_first,
            a_tick_that_was_begun_again_counts_once,
            steps_and_logs_are_given_back_in_order,
            runs_are_cancelled_while_they_go_on,
            runs_stop_and_go_on_as_the_same,
            slots_go_to_the_greatest_priority_and_then_to_who_waits_longest,
            adjustments_hold_until_they_end,
            old_runs_are_pruned,
            a_cause_is_told_once_until_it_ends,
            messages_wait_until_they_may_be_tried,
            concurrent_begins_share_no_request,
        );
    };
    (@cases $open:ident, $($case:ident),+ $(,)?) => {
        mod operations_contract {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (_guard, operations) = super::$open().await;
                    $crate::operations_suite::$case(operations).await.unwrap();
                }
            )+
        }
    };
}

fn at(second: i64) -> Timestamp {
    timestamp_from_micros(second * 1_000_000)
}

fn advance(cursor: i64, requests: &[NewRequest]) -> Advance {
    Advance { schedule: "nightly".to_owned(), cursor: json!(cursor), requests: requests.to_vec() }
}

fn request(schedule: &str, key: &str) -> NewRequest {
    NewRequest {
        schedule: schedule.to_owned(),
        trigger: "cron".to_owned(),
        key: key.to_owned(),
        due_at: at(1),
        as_of: None,
        requested_at: at(1),
        priority: 0,
        parameters: BTreeMap::new(),
        coalesces: false,
    }
}

async fn leased(operations: &Arc<dyn Operations>) -> Result<Lease, LedgerError> {
    operations.take_lease("scheduler/prod", "one", at(0), at(10)).await
}

/// A lease is kept by its holder, refused to others until it ends or is given back, and its token grows with each holder.
pub async fn a_lease_has_one_holder_until_it_ends(operations: Arc<dyn Operations>) -> Outcome {
    let take = |holder: &'static str, now: i64| {
        let operations = Arc::clone(&operations);
        async move {
            let lease = operations.take_lease("scheduler/prod", holder, at(now), at(now + 10)).await?;
            Ok::<_, LedgerError>((lease.holder, lease.token))
        }
    };
    let told = |holder: &str, token| (holder.to_owned(), token);
    assert_eq!(take("one", 0).await?, told("one", 1));
    assert_eq!(take("two", 5).await?, told("one", 1));
    assert_eq!(take("one", 9).await?, told("one", 1));
    assert_eq!(take("two", 18).await?, told("one", 1));
    assert_eq!(take("two", 19).await?, told("two", 2));
    assert_eq!(take("one", 20).await?, told("two", 2));
    let lease = operations.take_lease("scheduler/prod", "two", at(21), at(40)).await?;
    operations.release_lease(&lease).await?;
    assert_eq!(take("one", 22).await?, told("one", 3));
    operations.release_lease(&lease).await?;
    assert_eq!(take("two", 23).await?, told("one", 3));
    assert_eq!(operations.take_lease("scheduler/dev", "two", at(0), at(1)).await?.token, 1);
    Ok(())
}

/// Who has lost the lease changes nothing.
pub async fn writes_under_a_lost_lease_are_refused_whole(operations: Arc<dyn Operations>) -> Outcome {
    let old = leased(&operations).await?;
    operations.advance(&old, "prod", &[advance(1, &[request("nightly", "a")])]).await?;
    let new = operations.take_lease("scheduler/prod", "two", at(11), at(20)).await?;
    let refused = [
        operations.advance(&old, "prod", &[advance(2, &[request("nightly", "b")])]).await.map(drop),
        operations.begin_request(&old, "prod", at(12)).await.map(drop),
        operations.recover_requests(&old, "prod").await.map(drop),
        operations.end_request(&old, 1, &RequestEnd::Ended { state: RunState::Failed, reason: None }).await,
    ];
    for outcome in refused {
        assert!(matches!(&outcome, Err(LedgerError::LeaseLost { holder, .. }) if holder == "two"), "{outcome:?}");
    }
    assert_eq!(operations.cursor("prod", "nightly").await?, Some(json!(1)));
    assert_eq!(operations.open_requests("prod").await?.len(), 1);
    operations.advance(&new, "prod", &[advance(3, &[])]).await?;
    assert_eq!(operations.cursor("prod", "nightly").await?, Some(json!(3)));
    assert_eq!(operations.cursor("dev", "nightly").await?, None);
    Ok(())
}

/// The same key is one request; of those that wait, priority and then age decide.
pub async fn requests_are_asked_for_once_and_begun_by_priority(operations: Arc<dyn Operations>) -> Outcome {
    let lease = leased(&operations).await?;
    let urgent = NewRequest { priority: 5, due_at: at(3), ..request("hourly", "b") };
    let later = NewRequest { due_at: at(2), ..request("hourly", "c") };
    let asked = [request("nightly", "a"), urgent, later, request("nightly", "a")];
    assert!(!operations.has_waiting("prod", at(4)).await?);
    let hourly = Advance { schedule: "hourly".to_owned(), ..advance(1, &asked[1..2]) };
    let advances = [advance(0, &asked), hourly];
    assert_eq!(operations.advance(&lease, "prod", &advances).await?, 3);
    assert_eq!(operations.advance(&lease, "prod", &advances).await?, 0);
    assert_eq!(operations.cursor("prod", "hourly").await?, Some(json!(1)));
    assert!(operations.has_waiting("prod", at(4)).await? && !operations.has_waiting("dev", at(4)).await?);
    let coalescing = NewRequest { coalesces: true, ..request("nightly", "d") };
    assert_eq!(operations.request("prod", &coalescing).await?, 0, "one waits already");
    assert!(operations.request("dev", &coalescing).await? > 0);
    let mut begun = Vec::new();
    while let Some(request) = operations.begin_request(&lease, "prod", at(4)).await? {
        assert_eq!((request.state, request.attempts), (RunState::Running, 1));
        begun.push(request.asked.key);
    }
    assert_eq!(begun, ["b", "a", "c"]);
    assert!(operations.request("prod", &coalescing).await? > 0, "none waits any more");
    let open: Vec<String> = operations.open_requests("prod").await?.into_iter().map(|open| open.asked.key).collect();
    assert_eq!(open, ["b", "a", "c", "d"]);
    Ok(())
}

/// A request that is to be begun again waits; what a lost holder had begun is begun again.
pub async fn requests_wait_and_are_taken_over(operations: Arc<dyn Operations>) -> Outcome {
    let lease = leased(&operations).await?;
    let id = operations.request("prod", &request("nightly", "a")).await?;
    operations.begin_request(&lease, "prod", at(1)).await?;
    let again = RequestEnd::Again { not_before: at(5), reason: "the store was away".to_owned() };
    operations.end_request(&lease, id, &again).await?;
    assert_eq!(operations.begin_request(&lease, "prod", at(4)).await?, None);
    assert!(!operations.has_waiting("prod", at(4)).await? && operations.has_waiting("prod", at(5)).await?);
    assert_eq!(operations.begin_request(&lease, "prod", at(5)).await?.map(|begun| begun.attempts), Some(2));
    assert_eq!(operations.recover_requests(&lease, "prod").await?, 0);
    let new = operations.take_lease("scheduler/prod", "two", at(11), at(20)).await?;
    assert_eq!(operations.recover_requests(&new, "prod").await?, 1);
    assert_eq!(operations.begin_request(&new, "prod", at(12)).await?.map(|begun| begun.attempts), Some(3));
    operations.end_request(&new, id, &RequestEnd::Ended { state: RunState::Succeeded, reason: None }).await?;
    assert_eq!(operations.open_requests("prod").await?, []);

    // A holder that is lost between the end of a run and the word of it: only what did not end well is begun again.
    for (key, id, second, state) in [("b", "aa1", 2, RunState::Succeeded), ("c", "aa2", 3, RunState::Failed)] {
        operations.request("prod", &NewRequest { due_at: at(second), ..request("nightly", key) }).await?;
        operations.begin_request(&new, "prod", at(13)).await?;
        operations.keep_runs(vec![RunChange::Started(run(id, second)), ended(id, state)]).await?;
    }
    let third = operations.take_lease("scheduler/prod", "three", at(21), at(30)).await?;
    assert_eq!(operations.recover_requests(&third, "prod").await?, 1);
    let open: Vec<String> = operations.open_requests("prod").await?.into_iter().map(|open| open.asked.key).collect();
    assert_eq!(open, ["c"]);
    Ok(())
}

/// A run of `prod` that goes on.
pub fn run(id: &str, second: i64) -> RunRecord {
    RunRecord {
        id: id.to_owned(),
        environment: "prod".to_owned(),
        command: "run".to_owned(),
        schedule: Some("nightly".to_owned()),
        trigger: Some("cron".to_owned()),
        due_at: Some(at(second)),
        as_of: at(second),
        author: "ada".to_owned(),
        started_at: at(second),
        finished_at: None,
        state: RunState::Running,
        commit: None,
        steps: 2,
        failed: 0,
        cause: None,
        parameters: BTreeMap::from([("region".to_owned(), json!("eu"))]),
        request: Some(json!({"every": 86_400})),
    }
}

fn ended(id: &str, state: RunState) -> RunChange {
    let cause = (state == RunState::Failed).then(|| "build days failed".to_owned());
    RunChange::Ended(RunEnd { run: id.to_owned(), at: at(9), state, commit: Some("c1".to_owned()), failed: 1, cause })
}

/// Filters narrow, the newest come first, and a run that did not end before the next began was interrupted.
pub async fn runs_are_found_newest_first(operations: Arc<dyn Operations>) -> Outcome {
    operations.keep_runs(vec![RunChange::Started(run("aa1", 1)), ended("aa1", RunState::Failed)]).await?;
    operations.keep_runs(vec![RunChange::Started(run("aa2", 2))]).await?;
    let other = RunRecord { environment: "dev".to_owned(), schedule: None, ..run("bb1", 3) };
    operations.keep_runs(vec![RunChange::Started(other), RunChange::Started(run("bb2", 4))]).await?;
    let all = RunFilter { limit: 10, ..RunFilter::default() };
    let cases = [
        (all.clone(), "bb2 bb1 aa2 aa1"),
        (RunFilter { limit: 2, ..all.clone() }, "bb2 bb1"),
        (RunFilter { environment: Some("prod".to_owned()), ..all.clone() }, "bb2 aa2 aa1"),
        (RunFilter { schedule: Some("nightly".to_owned()), ..all.clone() }, "bb2 aa2 aa1"),
        (RunFilter { id: Some("aa".to_owned()), ..all.clone() }, "aa2 aa1"),
        (RunFilter { id: Some("aa1".to_owned()), ..all.clone() }, "aa1"),
        (RunFilter { state: Some(RunState::Interrupted), ..all.clone() }, "aa2"),
        (RunFilter { state: Some(RunState::Running), ..all.clone() }, "bb2 bb1"),
    ];
    for (filter, expected) in cases {
        let found: Vec<String> = operations.runs(&filter).await?.into_iter().map(|run| run.id).collect();
        assert_eq!(found.join(" "), expected, "{filter:?}");
    }
    let found = operations.runs(&RunFilter { id: Some("aa1".to_owned()), ..all }).await?;
    let expected = RunRecord {
        state: RunState::Failed,
        finished_at: Some(at(9)),
        commit: Some("c1".to_owned()),
        failed: 1,
        cause: Some("build days failed".to_owned()),
        ..run("aa1", 1)
    };
    assert_eq!(found, [expected]);
    Ok(())
}

/// Of a tick that another server began again, the run that was cut off stays cut off, however it ended; another run that was
/// taken for ended says how it did.
pub async fn a_tick_that_was_begun_again_counts_once(operations: Arc<dyn Operations>) -> Outcome {
    let tick = |id: &str, second, due| RunRecord { due_at: Some(at(due)), ..run(id, second) };
    let started = |run: RunRecord| RunChange::Started(run);
    operations.keep_runs(vec![started(tick("aa1", 1, 1)), started(tick("aa2", 2, 1))]).await?;
    operations.keep_runs(vec![ended("aa1", RunState::Succeeded), ended("aa2", RunState::Succeeded)]).await?;
    operations.keep_runs(vec![started(tick("aa3", 3, 3)), started(tick("aa4", 4, 4))]).await?;
    operations.keep_runs(vec![ended("aa3", RunState::Succeeded)]).await?;
    let found = operations.runs(&RunFilter { limit: 10, ..RunFilter::default() }).await?;
    let found: Vec<String> = found.iter().map(|run| format!("{} {}", run.id, run.state.word())).collect();
    assert_eq!(found, ["aa4 running", "aa3 succeeded", "aa2 succeeded", "aa1 interrupted"]);
    Ok(())
}

/// Of a step the newest record holds.
pub async fn steps_and_logs_are_given_back_in_order(operations: Arc<dyn Operations>) -> Outcome {
    let step = |number, state: &str, finished: Option<i64>| StepRecord {
        run: "aa1".to_owned(),
        number,
        asset: "days".to_owned(),
        verb: "build".to_owned(),
        state: state.to_owned(),
        attempts: 2,
        started_at: at(1),
        finished_at: finished.map(at),
        detail: "3 rows".to_owned(),
        hit: Some(false),
        rows: Some(3),
    };
    let line = |text: &str| LogLine {
        run: "aa1".to_owned(),
        asset: "days".to_owned(),
        at: at(1),
        level: "warn".to_owned(),
        text: text.to_owned(),
    };
    let begun = vec![
        RunChange::Step(step(2, "running", None)),
        RunChange::Log(line("first")),
        RunChange::Step(step(1, "done", Some(2))),
        RunChange::Log(LogLine { run: "bb1".to_owned(), ..line("other") }),
    ];
    operations.keep_runs(begun).await?;
    operations.keep_runs(vec![RunChange::Step(step(2, "failed", Some(3))), RunChange::Log(line("second"))]).await?;
    assert_eq!(operations.steps("aa1").await?, [step(1, "done", Some(2)), step(2, "failed", Some(3))]);
    assert_eq!(operations.log("aa1").await?, [line("first"), line("second")]);
    Ok(())
}

/// What a run was to do is remembered; old runs go with all that hangs on them, but for the newest of each environment.
pub async fn old_runs_are_pruned(operations: Arc<dyn Operations>) -> Outcome {
    let step = |run: &str| StepRecord {
        run: run.to_owned(),
        number: 1,
        asset: "days".to_owned(),
        verb: "build".to_owned(),
        state: "done".to_owned(),
        attempts: 1,
        started_at: at(1),
        finished_at: Some(at(2)),
        detail: String::new(),
        hit: None,
        rows: None,
    };
    for (id, second) in [("aa1", 1), ("aa2", 2), ("aa3", 3), ("aa4", 6)] {
        let planned = RunChange::Planned { run: id.to_owned(), assets: vec!["orders".to_owned(), "days".to_owned()] };
        let begun = vec![RunChange::Started(run(id, second)), planned, RunChange::Step(step(id))];
        operations.keep_runs(begun).await?;
        operations.keep_runs(vec![ended(id, RunState::Succeeded)]).await?;
    }
    assert_eq!(operations.planned("aa1").await?, ["orders", "days"]);
    assert!(operations.planned("nope").await?.is_empty());
    assert_eq!(operations.prune_runs(at(5), 2).await?, 2);
    let left = operations.runs(&RunFilter { limit: 10, ..RunFilter::default() }).await?;
    assert_eq!(left.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["aa4", "aa3"]);
    assert!(operations.steps("aa1").await?.is_empty() && operations.planned("aa1").await?.is_empty());
    assert_eq!(operations.steps("aa3").await?.len(), 1);
    assert_eq!(operations.prune_runs(at(5), 0).await?, 1);
    Ok(())
}

/// Only a run that goes on can be asked to end.
pub async fn runs_are_cancelled_while_they_go_on(operations: Arc<dyn Operations>) -> Outcome {
    operations.keep_runs(vec![RunChange::Started(run("aa1", 1))]).await?;
    assert!(!operations.is_cancelled("aa1").await?);
    assert!(operations.cancel_run("aa1").await?);
    assert!(operations.is_cancelled("aa1").await?);
    operations.keep_runs(vec![ended("aa1", RunState::Cancelled)]).await?;
    assert!(!operations.cancel_run("aa1").await?);
    assert!(!operations.cancel_run("nope").await? && !operations.is_cancelled("nope").await?);
    Ok(())
}

/// A run that stopped goes on under its own id, with what it was asked for; meanwhile it is not pruned. Runs that are steps
/// of a runbook's leave it going on.
pub async fn runs_stop_and_go_on_as_the_same(operations: Arc<dyn Operations>) -> Outcome {
    let book = RunRecord { command: "runbook".to_owned(), ..run("aa0", 1) };
    operations.keep_runs(vec![RunChange::Started(book), RunChange::Started(run("aa1", 2))]).await?;
    let one = |id: &str| RunFilter { id: Some(id.to_owned()), limit: 1, ..RunFilter::default() };
    assert_eq!(operations.runs(&one("aa0")).await?[0].state, RunState::Running);
    assert!(!operations.is_paused("aa1").await? && operations.pause_run("aa1").await?);
    assert!(operations.is_paused("aa1").await? && !operations.is_cancelled("aa1").await?);
    operations.keep_runs(vec![ended("aa1", RunState::Paused)]).await?;
    assert!(!operations.pause_run("aa1").await?, "it does not go on");
    assert_eq!(operations.prune_runs(at(99), 0).await?, 0);
    operations.keep_runs(vec![RunChange::Started(RunRecord { steps: 5, ..run("aa1", 3) })]).await?;
    let found = operations.runs(&one("aa1")).await?;
    let expected = RunRecord { steps: 5, commit: Some("c1".to_owned()), failed: 1, ..run("aa1", 2) };
    assert_eq!(found, [expected], "as it began");
    assert!(!operations.is_paused("aa1").await?);
    Ok(())
}

/// A slot that comes free goes to the greatest priority, among equals to who waits longest; who says nothing for too long
/// no longer waits.
pub async fn slots_go_to_the_greatest_priority_and_then_to_who_waits_longest(
    operations: Arc<dyn Operations>,
) -> Outcome {
    let take = |holder: &'static str, priority: i64, since: i64, now: i64| {
        let operations = Arc::clone(&operations);
        let waiter = Waiter { holder: holder.to_owned(), priority, since: at(since) };
        async move { operations.take_slot("warehouse", 1, &waiter, at(now), at(now + 10)).await }
    };
    let held = taken(take("first", 0, 0, 0).await?)?;
    assert_eq!((held.holder.as_str(), held.name.as_str()), ("first", "pool/warehouse/0"));
    for (holder, priority, since) in [("late", 0, 2), ("early", 0, 1), ("urgent", 5, 3), ("gone", 9, 1)] {
        let now = if holder == "gone" { -8 } else { 3 };
        assert_eq!(take(holder, priority, since, now).await?, None, "{holder}");
    }
    operations.release_lease(&held).await?;
    assert_eq!(take("early", 0, 1, 4).await?, None, "a greater priority waits");
    let urgent = taken(take("urgent", 5, 3, 4).await?)?;
    operations.release_lease(&urgent).await?;
    assert_eq!(take("late", 0, 2, 5).await?, None, "somebody waits longer");
    let early = taken(take("early", 0, 1, 5).await?)?;
    assert!(early.token > urgent.token && urgent.token > held.token);
    assert!(take("late", 0, 2, 16).await?.is_some(), "a slot whose holder says nothing comes free");
    Ok(())
}

fn taken(lease: Option<Lease>) -> Result<Lease, LedgerError> {
    let refused = || LedgerError::Storage { action: "take a slot".to_owned(), reason: "none was free".to_owned() };
    lease.ok_or_else(refused)
}

/// The newest adjustment of a subject holds, in its environment or in all of them, until it ends or is taken back.
pub async fn adjustments_hold_until_they_end(operations: Arc<dyn Operations>) -> Outcome {
    let made = |environment: &str, subject: &str, value, until: Option<i64>| Adjustment {
        environment: environment.to_owned(),
        subject: subject.to_owned(),
        value,
        until: until.map(at),
        at: at(1),
        by: "ada".to_owned(),
        reason: "inc-1".to_owned(),
    };
    let nightly = made("prod", "schedule/nightly", json!({"paused": true}), Some(10));
    let pool = made("", "pool/warehouse", json!({"slots": 4}), None);
    for adjustment in [&made("prod", "schedule/nightly", json!({}), None), &nightly, &pool] {
        operations.adjust(adjustment).await?;
    }
    assert_eq!(operations.adjustments("prod", at(9)).await?, [pool.clone(), nightly]);
    assert_eq!(operations.adjustments("dev", at(9)).await?, std::slice::from_ref(&pool));
    assert_eq!(operations.adjustments("prod", at(10)).await?, [pool]);
    assert!(operations.end_adjustment("", "pool/warehouse").await?);
    assert!(!operations.end_adjustment("", "pool/warehouse").await?);
    assert!(operations.adjustments("dev", at(9)).await?.is_empty());
    Ok(())
}

fn message(cause: &str, ends: bool) -> NewMessage {
    NewMessage {
        environment: "prod".to_owned(),
        channel: "ops".to_owned(),
        cause: cause.to_owned(),
        ends,
        at: at(1),
        body: json!({"cause": cause, "ends": ends}),
    }
}

/// A channel hears of a cause once, of its end once, and then again; another channel hears for itself.
pub async fn a_cause_is_told_once_until_it_ends(operations: Arc<dyn Operations>) -> Outcome {
    let (begins, ends) = (message("days", false), message("days", true));
    assert_eq!(operations.post(vec![ends.clone(), begins.clone(), begins.clone()]).await?, 1);
    assert_eq!(operations.post(vec![begins.clone()]).await?, 0);
    let elsewhere = NewMessage { channel: "desk".to_owned(), ..begins.clone() };
    assert_eq!(operations.post(vec![elsewhere, message("weeks", false)]).await?, 2);
    assert_eq!(operations.post(vec![ends.clone(), ends.clone(), begins.clone()]).await?, 2);
    assert_eq!(operations.outbox(at(1), 10).await?.len(), 5);
    Ok(())
}

/// What could not be delivered waits, what was delivered or given up is gone.
pub async fn messages_wait_until_they_may_be_tried(operations: Arc<dyn Operations>) -> Outcome {
    operations.post(vec![message("a", false), message("b", false), message("c", false)]).await?;
    let waiting = operations.outbox(at(1), 10).await?;
    let ids: Vec<u64> = waiting.iter().map(|found| found.id).collect();
    assert_eq!(waiting[0].message, message("a", false));
    let again = Delivery::Again { not_before: at(5), reason: "503".to_owned() };
    let given_up = Delivery::GivenUp { reason: "404".to_owned() };
    let settled = vec![(ids[0], again), (ids[1], Delivery::Delivered), (ids[2], given_up)];
    operations.settle_messages(settled).await?;
    assert_eq!(operations.outbox(at(4), 10).await?, []);
    let due = operations.outbox(at(5), 10).await?;
    assert_eq!(due.iter().map(|found| (found.id, found.attempts)).collect::<Vec<_>>(), [(ids[0], 1)]);
    assert_eq!(operations.outbox(at(5), 0).await?, []);
    Ok(())
}

/// However many ask at once, each request is begun once.
pub async fn concurrent_begins_share_no_request(operations: Arc<dyn Operations>) -> Outcome {
    let lease = leased(&operations).await?;
    for number in 0..20 {
        operations.request("prod", &request("nightly", &number.to_string())).await?;
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (operations, lease) = (Arc::clone(&operations), lease.clone());
        workers.spawn(async move {
            let mut begun = Vec::new();
            while let Ok(Some(request)) = operations.begin_request(&lease, "prod", at(2)).await {
                begun.push(request.id);
            }
            begun
        });
    }
    let mut begun: Vec<u64> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(begun.len(), 20);
    begun.sort_unstable();
    begun.dedup();
    assert_eq!(begun.len(), 20);
    Ok(())
}

#[cfg(test)]
mod tests {
    use baton_core::ports::MemoryOperations;

    use super::*;

    async fn open() -> ((), Arc<dyn Operations>) {
        ((), Arc::new(MemoryOperations::new()))
    }

    crate::operations_suite!(open);
}
