//! The contract of the ledger port, as a suite that every implementation passes.
//!
//! Each function takes an empty ledger. [`ledger_suite!`](crate::ledger_suite!) makes a test of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_core::asset::Kind;
use baton_core::commit::{Commit, CommitId, Pin};
use baton_core::event::{Event, EventFilter, EventKind, NewEvent};
use baton_core::fingerprint::Fingerprint;
use baton_core::interval::IntervalSet;
use baton_core::name::AssetName;
use baton_core::ports::{Environment, Ledger, LedgerError};
use baton_core::time::timestamp_from_micros;
use baton_core::version::{TableVersion, Version};

/// What a case of the suite answers.
pub type Outcome = Result<(), LedgerError>;

/// Makes one test of each case. The argument is an async function that answers an empty `Arc<dyn Ledger>` and what must
/// live as long as it, as `(guard, ledger)`. The calling crate needs `tokio`.
#[macro_export]
macro_rules! ledger_suite {
    ($open:ident) => {
        $crate::ledger_suite!(@cases $open,
            events_are_numbered_without_gaps,
            events_are_given_back_as_they_were,
            filters_combine,
            last_are_the_newest_oldest_first,
            commit_moves_its_environment,
            commit_on_a_moved_environment_is_refused_whole,
            history_follows_parents,
            environment_is_pointed_anywhere,
            environment_starts_from_any_commit_once,
            environment_is_removed_only_from_where_it_was_seen,
            ancestry_follows_both_parents,
            commits_are_found_by_their_first_digits,
            tags_name_stored_commits,
            root_changes_with_every_event,
            concurrent_appends_lose_nothing,
            one_of_those_that_append_unless_wins,
            one_of_concurrent_commits_wins,
        );
    };
    (@cases $open:ident, $($case:ident),+ $(,)?) => {
        mod ledger_contract {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (_guard, ledger) = super::$open().await;
                    $crate::ledger_suite::$case(ledger).await.unwrap();
                }
            )+
        }
    };
}

/// Events are numbered from 1, and an append answers the last number.
pub async fn events_are_numbered_without_gaps(ledger: Arc<dyn Ledger>) -> Outcome {
    assert_eq!(ledger.append(Vec::new()).await?, 0);
    assert_eq!(ledger.append(vec![event("a", 1), event("b", 2)]).await?, 2);
    assert_eq!(ledger.append(Vec::new()).await?, 2);
    assert_eq!(ledger.append(vec![event("c", 3)]).await?, 3);
    let found = ledger.events(&EventFilter::default()).await?;
    assert_eq!(found.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(keys(&found), ["a", "b", "c"]);
    Ok(())
}

/// Every field of an event survives, bodies of any JSON included.
pub async fn events_are_given_back_as_they_were(ledger: Arc<dyn Ledger>) -> Outcome {
    let bodies = [
        serde_json::json!({"z": 1, "a": [1.5, -3, null, true], "text": "Zürich \u{0} \"quoted\"\n"}),
        serde_json::json!(null),
        serde_json::json!("text"),
        serde_json::json!({"large": u64::MAX, "small": i64::MIN}),
    ];
    let stored: Vec<NewEvent> = bodies
        .into_iter()
        .map(|body| NewEvent {
            run: Some("run 1".to_owned()),
            asset: AssetName::parse("flights").ok(),
            body,
            ..event("it's a key/with\\signs", 1_372_636_800_123_456)
        })
        .collect();
    ledger.append(stored.clone()).await?;
    let found: Vec<NewEvent> =
        ledger.events(&EventFilter::default()).await?.into_iter().map(|event| event.event).collect();
    assert_eq!(found, stored);
    Ok(())
}

/// Each field of a filter narrows, together they narrow further; `from` is inclusive and `until` is not.
pub async fn filters_combine(ledger: Arc<dyn Ledger>) -> Outcome {
    let flights = AssetName::parse("flights").ok();
    let events = vec![
        NewEvent { asset: flights.clone(), ..event("a", 10) },
        NewEvent { run: Some("r1".to_owned()), kind: EventKind::StepFailed, ..event("a", 20) },
        NewEvent { environment: "dev".to_owned(), asset: flights.clone(), ..event("b", 30) },
        NewEvent { run: Some("r1".to_owned()), kind: EventKind::RunFinished, asset: flights.clone(), ..event("c", 40) },
        NewEvent { asset: AssetName::parse("weather").ok(), ..event("a", 50) },
    ];
    ledger.append(events).await?;
    let all = EventFilter::default();
    let cases: Vec<(EventFilter, &[u64])> = vec![
        (all.clone(), &[1, 2, 3, 4, 5]),
        (EventFilter { environment: Some("prod".to_owned()), ..all.clone() }, &[1, 2, 4, 5]),
        (EventFilter { environment: Some("pr-1".to_owned()), ..all.clone() }, &[]),
        (EventFilter { run: Some("r1".to_owned()), ..all.clone() }, &[2, 4]),
        (EventFilter { asset: flights.clone(), ..all.clone() }, &[1, 3, 4]),
        (EventFilter { key: Some("a".to_owned()), ..all.clone() }, &[1, 2, 5]),
        (EventFilter { kinds: vec![EventKind::StepFailed, EventKind::RunFinished], ..all.clone() }, &[2, 4]),
        (EventFilter { from: Some(timestamp_from_micros(20)), ..all.clone() }, &[2, 3, 4, 5]),
        (EventFilter { until: Some(timestamp_from_micros(40)), ..all.clone() }, &[1, 2, 3]),
        (EventFilter { run: Some("r1".to_owned()), asset: flights.clone(), ..all.clone() }, &[4]),
        (
            EventFilter {
                environment: Some("prod".to_owned()),
                asset: flights,
                kinds: vec![EventKind::StepFinished],
                key: Some("a".to_owned()),
                from: Some(timestamp_from_micros(10)),
                until: Some(timestamp_from_micros(11)),
                ..all
            },
            &[1],
        ),
    ];
    for (filter, expected) in cases {
        let found: Vec<u64> = ledger.events(&filter).await?.iter().map(|event| event.sequence).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    Ok(())
}

/// `last` takes the newest of those that match, and answers them oldest first.
pub async fn last_are_the_newest_oldest_first(ledger: Arc<dyn Ledger>) -> Outcome {
    ledger.append(vec![event("a", 1), event("b", 2), event("a", 3), event("a", 4)]).await?;
    for (key, last, expected) in
        [(None, 2, vec![3, 4]), (Some("a"), 2, vec![3, 4]), (Some("b"), 9, vec![2]), (None, 0, vec![])]
    {
        let filter = EventFilter { key: key.map(str::to_owned), last: Some(last), ..EventFilter::default() };
        let found: Vec<u64> = ledger.events(&filter).await?.iter().map(|event| event.sequence).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    Ok(())
}

/// A commit is readable as it was, its environment points at it, and its events are in the log.
pub async fn commit_moves_its_environment(ledger: Arc<dyn Ledger>) -> Outcome {
    assert_eq!(ledger.head("prod").await?, None);
    assert_eq!(ledger.environments().await?, []);
    let first = commit("prod", None, 1);
    ledger.commit(&first, vec![event("prod", 1)]).await?;
    let second = commit("prod", Some(&first), 2);
    ledger.commit(&second, vec![event("prod", 2)]).await?;
    assert_eq!(ledger.read_commit(&first.id).await?, Some(first));
    assert_eq!(ledger.head("prod").await?, Some(second.clone()));
    assert_eq!(ledger.environments().await?, [Environment { name: "prod".to_owned(), commit: second.id }]);
    assert_eq!(ledger.read_commit(&CommitId("nope".to_owned())).await?, None);
    assert_eq!(ledger.events(&EventFilter::default()).await?.len(), 2);
    Ok(())
}

/// A commit whose parent is not the head is refused, and neither commit nor events are kept.
pub async fn commit_on_a_moved_environment_is_refused_whole(ledger: Arc<dyn Ledger>) -> Outcome {
    let first = commit("prod", None, 1);
    ledger.commit(&first, Vec::new()).await?;
    let second = commit("prod", Some(&first), 2);
    ledger.commit(&second, Vec::new()).await?;
    for late in [commit("prod", Some(&first), 3), commit("prod", None, 4), commit("dev", Some(&second), 5)] {
        let outcome = ledger.commit(&late, vec![event("late", 1)]).await;
        let Err(LedgerError::Moved { environment, expected, found }) = outcome else {
            return Err(unexpected(format!("{outcome:?}")));
        };
        let parent = late.parent.as_ref().map_or("no commit", CommitId::short);
        let head = if late.environment == "prod" { second.id.short() } else { "no commit" };
        assert_eq!((environment, expected.as_str(), found.as_str()), (late.environment.clone(), parent, head));
        assert_eq!(ledger.read_commit(&late.id).await?, None);
    }
    assert_eq!(ledger.head("prod").await?, Some(second));
    assert_eq!(ledger.events(&EventFilter::default()).await?, []);
    Ok(())
}

/// History goes from the head along parents, newest first, up to the limit.
pub async fn history_follows_parents(ledger: Arc<dyn Ledger>) -> Outcome {
    let mut line: Vec<Commit> = Vec::new();
    for number in 0..5 {
        let next = commit("prod", line.last(), number);
        ledger.commit(&next, Vec::new()).await?;
        line.push(next);
    }
    let other = commit("dev", None, 9);
    ledger.commit(&other, Vec::new()).await?;
    line.reverse();
    assert_eq!(ledger.history("prod", 100).await?, line);
    assert_eq!(ledger.history("prod", 2).await?, line[..2]);
    assert_eq!(ledger.history("prod", 0).await?, []);
    assert_eq!(ledger.history("dev", 100).await?, [other]);
    assert_eq!(ledger.history("pr-1", 100).await?, []);
    Ok(())
}

/// `point` creates and moves environments to stored commits only, with its events in the same transaction.
pub async fn environment_is_pointed_anywhere(ledger: Arc<dyn Ledger>) -> Outcome {
    let first = commit("prod", None, 1);
    ledger.commit(&first, Vec::new()).await?;
    let second = commit("prod", Some(&first), 2);
    ledger.commit(&second, Vec::new()).await?;
    ledger.point("copy", &second.id, vec![event("copy", 1)]).await?;
    ledger.point("prod", &first.id, vec![event("prod", 2)]).await?;
    assert_eq!(ledger.head("copy").await?, Some(second.clone()));
    assert_eq!(ledger.history("copy", 9).await?, [second, first.clone()]);
    assert_eq!(ledger.head("prod").await?, Some(first));
    let missing = ledger.point("prod", &CommitId("nope".to_owned()), vec![event("lost", 3)]).await;
    assert!(matches!(missing, Err(LedgerError::Storage { .. })), "{missing:?}");
    assert_eq!(keys(&ledger.events(&EventFilter::default()).await?), ["copy", "prod"]);
    Ok(())
}

/// `start` makes an environment at a new or stored commit whose parent is of any environment, and only if it is not there.
pub async fn environment_starts_from_any_commit_once(ledger: Arc<dyn Ledger>) -> Outcome {
    let first = commit("prod", None, 1);
    ledger.commit(&first, Vec::new()).await?;
    let child = commit("dev", Some(&first), 2);
    ledger.start("dev", &child, vec![event("dev", 1)]).await?;
    ledger.start("qa", &first, vec![event("qa", 2)]).await?;
    let again = ledger.start("dev", &first, vec![event("late", 3)]).await;
    assert!(matches!(again, Err(LedgerError::Exists { .. })), "{again:?}");
    assert_eq!(ledger.history("dev", 9).await?, [child, first.clone()]);
    assert_eq!(ledger.head("qa").await?, Some(first));
    assert_eq!(keys(&ledger.events(&EventFilter::default()).await?), ["dev", "qa"]);
    Ok(())
}

/// `remove` forgets an environment that is where the caller saw it; its commits stay.
pub async fn environment_is_removed_only_from_where_it_was_seen(ledger: Arc<dyn Ledger>) -> Outcome {
    let first = commit("prod", None, 1);
    ledger.commit(&first, Vec::new()).await?;
    let second = commit("prod", Some(&first), 2);
    ledger.commit(&second, Vec::new()).await?;
    let early = ledger.remove("prod", &first.id, vec![event("late", 1)]).await;
    assert!(matches!(early, Err(LedgerError::Moved { .. })), "{early:?}");
    ledger.remove("prod", &second.id, vec![event("gone", 2)]).await?;
    let again = ledger.remove("prod", &second.id, vec![event("late", 3)]).await;
    assert!(matches!(again, Err(LedgerError::Moved { .. })), "{again:?}");
    assert_eq!(ledger.head("prod").await?, None);
    assert_eq!(ledger.read_commit(&second.id).await?, Some(second));
    assert_eq!(keys(&ledger.events(&EventFilter::default()).await?), ["gone"]);
    Ok(())
}

/// The ancestry of a commit has it, its parents and what it merged, each once.
pub async fn ancestry_follows_both_parents(ledger: Arc<dyn Ledger>) -> Outcome {
    let root = commit("prod", None, 1);
    ledger.commit(&root, Vec::new()).await?;
    let dev = commit("dev", Some(&root), 2);
    ledger.start("dev", &dev, Vec::new()).await?;
    let merge = Commit { merged: Some(dev.id.clone()), ..commit("prod", Some(&root), 3) }.sealed();
    ledger.commit(&merge, Vec::new()).await?;
    let found = ledger.ancestry(&merge.id).await?;
    let ids: std::collections::BTreeSet<CommitId> = found.iter().map(|node| node.id.clone()).collect();
    assert_eq!(ids, [root.id.clone(), dev.id.clone(), merge.id.clone()].into());
    assert_eq!(found.len(), 3);
    let node = found.into_iter().find(|node| node.id == merge.id);
    assert_eq!(node.map(|node| (node.parent, node.merged)), Some((Some(root.id.clone()), Some(dev.id))));
    assert_eq!(ledger.read_commit(&merge.id).await?, Some(merge));
    assert_eq!(ledger.ancestry(&root.id).await?.len(), 1);
    assert_eq!(ledger.ancestry(&CommitId("nope".to_owned())).await?, []);
    Ok(())
}

/// A prefix finds its commits, two at most; the empty one finds any.
pub async fn commits_are_found_by_their_first_digits(ledger: Arc<dyn Ledger>) -> Outcome {
    let mut last: Option<Commit> = None;
    for number in 0..5 {
        let next = commit("prod", last.as_ref(), number);
        ledger.commit(&next, Vec::new()).await?;
        last = Some(next);
    }
    let Some(last) = last else { return Err(unexpected("no commit".to_owned())) };
    assert_eq!(ledger.commits_starting(last.id.short()).await?, std::slice::from_ref(&last.id));
    assert_eq!(ledger.commits_starting(&last.id.0).await?, [last.id]);
    assert_eq!(ledger.commits_starting("").await?.len(), 2);
    assert_eq!(ledger.commits_starting("x%").await?, []);
    Ok(())
}

/// A tag is set on stored commits only, moved, and deleted once, with its events in the same transaction.
pub async fn tags_name_stored_commits(ledger: Arc<dyn Ledger>) -> Outcome {
    let first = commit("prod", None, 1);
    ledger.commit(&first, Vec::new()).await?;
    let second = commit("prod", Some(&first), 2);
    ledger.commit(&second, Vec::new()).await?;
    ledger.tag("v1", &first.id, vec![event("v1", 1)]).await?;
    ledger.tag("audit", &second.id, Vec::new()).await?;
    ledger.tag("v1", &second.id, vec![event("v1 again", 2)]).await?;
    let missing = ledger.tag("v2", &CommitId("nope".to_owned()), vec![event("lost", 3)]).await;
    assert!(matches!(missing, Err(LedgerError::Storage { .. })), "{missing:?}");
    let tags: Vec<(String, CommitId)> = ledger.tags().await?.into_iter().map(|tag| (tag.name, tag.commit)).collect();
    assert_eq!(tags, [("audit".to_owned(), second.id.clone()), ("v1".to_owned(), second.id)]);
    assert!(ledger.untag("v1", vec![event("v1 gone", 4)]).await?);
    assert!(!ledger.untag("v1", vec![event("never", 5)]).await?);
    assert_eq!(ledger.tags().await?.len(), 1);
    assert_eq!(keys(&ledger.events(&EventFilter::default()).await?), ["v1", "v1 again", "v1 gone"]);
    Ok(())
}

/// The root knows every event and their order, and nothing else moves it.
pub async fn root_changes_with_every_event(ledger: Arc<dyn Ledger>) -> Outcome {
    let mut seen = vec![ledger.root().await?];
    for key in ["a", "b", "a"] {
        ledger.append(vec![event(key, 1)]).await?;
        let root = ledger.root().await?;
        assert!(!seen.iter().any(|before| before.hash == root.hash), "{root:?} again");
        assert_eq!(root.size, seen.len() as u64);
        seen.push(root);
    }
    assert_eq!(ledger.root().await?, seen[3]);
    Ok(())
}

/// Eight tasks take numbers at once, each only if nobody has it: every number is taken once, none is skipped.
pub async fn one_of_those_that_append_unless_wins(ledger: Arc<dyn Ledger>) -> Outcome {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut taken = 0;
            for number in 0.. {
                let key = format!("model@{number}");
                let there = EventFilter {
                    kinds: vec![EventKind::ModelRegistered],
                    key: Some(key.clone()),
                    ..EventFilter::default()
                };
                let mine = NewEvent { kind: EventKind::ModelRegistered, ..event(&key, task) };
                taken += u32::from(ledger.append_unless(&there, vec![mine, event("beside", task)]).await?);
                if taken == 5 {
                    break;
                }
            }
            Ok::<(), LedgerError>(())
        });
    }
    for outcome in tasks.join_all().await {
        outcome?;
    }
    let registered = EventFilter { kinds: vec![EventKind::ModelRegistered], ..EventFilter::default() };
    let events = ledger.events(&registered).await?;
    let mut found = keys(&events);
    found.sort_by_key(|key| key.trim_start_matches("model@").parse::<u32>().unwrap_or_default());
    let expected: Vec<String> = (0..40).map(|number| format!("model@{number}")).collect();
    assert_eq!(found, expected);
    assert_eq!(ledger.root().await?.size, 80, "what is beside comes with it or not at all");
    Ok(())
}

/// Eight tasks append at once: nothing is lost, no number is skipped, and each task's events keep their order.
pub async fn concurrent_appends_lose_nothing(ledger: Arc<dyn Ledger>) -> Outcome {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            for number in 0..25 {
                let run = NewEvent { run: Some(format!("task {task}")), ..event(&number.to_string(), number) };
                ledger.append(vec![run.clone(), NewEvent { key: format!("{number} again"), ..run }]).await?;
            }
            Ok::<(), LedgerError>(())
        });
    }
    for outcome in tasks.join_all().await {
        outcome?;
    }
    let found = ledger.events(&EventFilter::default()).await?;
    let sequences: Vec<u64> = found.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=400).collect::<Vec<_>>());
    assert!(found.chunks(2).all(|pair| pair[0].event.run == pair[1].event.run), "a batch was parted");
    for task in 0..8 {
        let of_task = EventFilter { run: Some(format!("task {task}")), ..EventFilter::default() };
        let expected: Vec<String> =
            (0..25).flat_map(|number| [number.to_string(), format!("{number} again")]).collect();
        assert_eq!(keys(&ledger.events(&of_task).await?), expected);
    }
    Ok(())
}

/// Of several commits on one parent exactly one is taken.
pub async fn one_of_concurrent_commits_wins(ledger: Arc<dyn Ledger>) -> Outcome {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let ledger = ledger.clone();
        tasks.spawn(async move { ledger.commit(&commit("prod", None, number), vec![event("won", number)]).await });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let lost = outcomes.iter().filter(|outcome| matches!(outcome, Err(LedgerError::Moved { .. })));
    assert_eq!(lost.count(), 7);
    assert_eq!(ledger.events(&EventFilter::default()).await?.len(), 1);
    Ok(())
}

fn unexpected(found: String) -> LedgerError {
    LedgerError::Damaged { what: "the outcome of a case".to_owned(), reason: found }
}

fn keys(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.event.key.as_str()).collect()
}

/// An event of `prod`.
pub fn event(key: &str, as_of_micros: i64) -> NewEvent {
    NewEvent {
        at: timestamp_from_micros(as_of_micros + 7),
        as_of: timestamp_from_micros(as_of_micros),
        environment: "prod".to_owned(),
        run: None,
        asset: None,
        kind: EventKind::StepFinished,
        key: key.to_owned(),
        body: serde_json::json!({}),
    }
}

/// A commit of one table; `number` tells it from others.
pub fn commit(environment: &str, parent: Option<&Commit>, number: i64) -> Commit {
    let table = TableVersion { location: "tables/flights/0123".to_owned(), version: number.unsigned_abs() };
    let pin = Pin {
        kind: Kind::Table,
        fingerprint: Fingerprint::of([number.to_le_bytes()]),
        columns: BTreeMap::from([("carrier".to_owned(), Fingerprint::of(["carrier"]))]),
        version: Version::Table(table),
        metadata: Some(Fingerprint::of(["owner"])),
        definition: None,
        tagged: BTreeMap::new(),
        known_through: Some(number),
        intervals: IntervalSet::default(),
        rows: Some(3),
        digest: None,
        inputs: BTreeMap::new(),
        declared: None,
    };
    let unsealed = Commit {
        id: CommitId(String::new()),
        parent: parent.map(|parent| parent.id.clone()),
        merged: None,
        environment: environment.to_owned(),
        created_at: timestamp_from_micros(number),
        as_of: timestamp_from_micros(number),
        author: "ada".to_owned(),
        reason: "apply".to_owned(),
        git_revision: None,
        assets: AssetName::parse("flights").map(|name| BTreeMap::from([(name, pin)])).unwrap_or_default(),
    };
    unsealed.sealed()
}

#[cfg(test)]
mod tests {
    use baton_core::ports::MemoryLedger;

    use super::*;

    async fn open() -> ((), Arc<dyn Ledger>) {
        ((), Arc::new(MemoryLedger::new()))
    }

    crate::ledger_suite!(open);
}
