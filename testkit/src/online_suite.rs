//! The contract of the online store port, as a suite that every implementation passes.
//!
//! Each function takes an empty store. [`online_suite!`](crate::online_suite!) makes a test of each.

use std::sync::Arc;

use baton_core::ports::{OnlineError, OnlineRow, OnlineStore, UpsertReport};
use baton_core::scalar::{Scalar, entity_key};

/// What a case of the suite answers.
pub type Outcome = Result<(), OnlineError>;

/// Makes one test of each case. The argument is a function that answers what must live as long as the store and an empty
/// `Arc<dyn OnlineStore>`, as `(guard, store)`.
#[macro_export]
macro_rules! online_suite {
    ($open:ident) => {
        $crate::online_suite!(@cases $open,
            rows_are_given_back_as_they_were,
            answers_have_the_order_of_the_keys,
            older_rows_are_left_out,
            namespaces_are_kept_apart,
            namespaces_are_listed_with_what_they_hold,
            snapshots_stay_as_they_were,
            concurrent_upserts_keep_the_newest,
        );
    };
    (@cases $open:ident, $($case:ident),+ $(,)?) => {
        mod online_contract {
            $(
                #[test]
                fn $case() {
                    let (_guard, store) = super::$open();
                    $crate::online_suite::$case(&store).unwrap();
                }
            )+
        }
    };
}

/// The list has the namespaces that hold rows, by name, with how many.
pub fn namespaces_are_listed_with_what_they_hold(store: &Arc<dyn OnlineStore>) -> Outcome {
    let row = |key: u8| OnlineRow { key: vec![key], event_at: 1, created_at: 1, values: vec![Scalar::Int(7)] };
    assert!(store.namespaces()?.is_empty());
    store.upsert("prod/view/b", &[row(1), row(2)])?;
    store.upsert("prod/view/a", &[row(1)])?;
    store.upsert("prod/view/a/more", &[row(1), row(2), row(3)])?;
    let found = store.namespaces()?;
    let rows: Vec<(&str, u64)> = found.iter().map(|found| (found.name.as_str(), found.rows)).collect();
    assert_eq!(rows, [("prod/view/a", 1), ("prod/view/a/more", 3), ("prod/view/b", 2)]);
    assert!(found.iter().all(|found| found.bytes > 0));
    store.drop_namespace("prod/view/a")?;
    assert_eq!(store.namespaces()?.len(), 2);
    Ok(())
}

/// Every type of value survives, null in any place included.
pub fn rows_are_given_back_as_they_were(store: &Arc<dyn OnlineStore>) -> Outcome {
    let text = |value: &str| Scalar::Text(value.to_owned());
    let values = vec![
        Scalar::Null,
        Scalar::Bool(true),
        Scalar::Bool(false),
        Scalar::Int(i64::MIN),
        Scalar::Float(-0.1),
        Scalar::Float(f64::INFINITY),
        text(""),
        text("Zürich\0"),
        Scalar::Null,
    ];
    let rows = [
        OnlineRow { key: entity_key(&[text("UA"), Scalar::Int(7)]), event_at: -5, created_at: i64::MAX, values },
        OnlineRow { key: Vec::new(), event_at: 0, created_at: 0, values: Vec::new() },
    ];
    assert_eq!(store.upsert("view", &rows)?, UpsertReport { written: 2, older: 0 });
    let keys = rows.clone().map(|row| row.key);
    assert_eq!(store.read("view", &keys)?, rows.map(Some));
    Ok(())
}

/// Answers are in the order of the keys, with `None` for what is not there and the same answer for the same key.
pub fn answers_have_the_order_of_the_keys(store: &Arc<dyn OnlineStore>) -> Outcome {
    let keys: Vec<Vec<u8>> = [3, 1, 9, 1].map(|key| vec![key]).to_vec();
    assert_eq!(store.read("view", &keys)?, [None, None, None, None]);
    store.upsert("view", &[row(1, 10, 0, 1), row(2, 10, 0, 2), row(3, 10, 0, 3)])?;
    let found = store.read("view", &keys)?;
    assert_eq!(found, [Some(row(3, 10, 0, 3)), Some(row(1, 10, 0, 1)), None, Some(row(1, 10, 0, 1))]);
    assert_eq!(store.read("view", &[])?, []);
    Ok(())
}

/// A row replaces another only when (event time, created time) is not less, within one write as between writes.
pub fn older_rows_are_left_out(store: &Arc<dyn OnlineStore>) -> Outcome {
    assert_eq!(store.upsert("view", &[row(1, 10, 5, 1)])?, UpsertReport { written: 1, older: 0 });
    let cases = [
        (row(1, 9, 99, 2), 0, 1), // an earlier event, although known later
        (row(1, 10, 4, 3), 0, 1), // the same event, known earlier
        (row(1, 10, 5, 4), 1, 4), // the same instants: written again
        (row(1, 10, 6, 5), 1, 5), // a correction
        (row(1, 11, 0, 6), 1, 6), // a later event
    ];
    for (next, written, expected) in cases {
        let report = store.upsert("view", std::slice::from_ref(&next))?;
        assert_eq!(report, UpsertReport { written, older: 1 - written }, "{next:?}");
        assert_eq!(value(store, "view", 1)?, Some(Scalar::Int(expected)), "{next:?}");
    }
    let report = store.upsert("view", &[row(2, 20, 0, 1), row(2, 30, 0, 2), row(2, 25, 0, 3)])?;
    assert_eq!(report, UpsertReport { written: 2, older: 1 });
    assert_eq!(value(store, "view", 2)?, Some(Scalar::Int(2)));
    Ok(())
}

/// The same key in two namespaces is two rows; forgetting one namespace leaves the other.
pub fn namespaces_are_kept_apart(store: &Arc<dyn OnlineStore>) -> Outcome {
    store.upsert("delays", &[row(1, 10, 0, 1), row(2, 10, 0, 2)])?;
    store.upsert("delays_2", &[row(1, 10, 0, 3)])?;
    assert_eq!([store.count("delays")?, store.count("delays_2")?, store.count("other")?], [2, 1, 0]);
    assert_eq!(value(store, "delays_2", 1)?, Some(Scalar::Int(3)));
    store.drop_namespace("delays")?;
    store.drop_namespace("other")?;
    assert_eq!([store.count("delays")?, store.count("delays_2")?], [0, 1]);
    assert_eq!(value(store, "delays", 1)?, None);
    store.upsert("delays", &[row(1, 1, 0, 4)])?;
    assert_eq!(value(store, "delays", 1)?, Some(Scalar::Int(4)));
    Ok(())
}

/// What is written or forgotten after a snapshot does not show in it.
pub fn snapshots_stay_as_they_were(store: &Arc<dyn OnlineStore>) -> Outcome {
    let keys = [vec![1], vec![2]];
    let empty = store.snapshot()?;
    store.upsert("view", &[row(1, 10, 0, 1)])?;
    let first = store.snapshot()?;
    store.upsert("view", &[row(1, 11, 0, 2), row(2, 11, 0, 3)])?;
    let second = store.snapshot()?;
    store.drop_namespace("view")?;
    assert_eq!(empty.read("view", &keys)?, [None, None]);
    assert_eq!(first.read("view", &keys)?, [Some(row(1, 10, 0, 1)), None]);
    assert_eq!(second.read("view", &keys)?, [Some(row(1, 11, 0, 2)), Some(row(2, 11, 0, 3))]);
    assert_eq!(store.snapshot()?.read("view", &keys)?, [None, None]);
    Ok(())
}

/// Writers that race leave the newest row, in whatever order they come.
pub fn concurrent_upserts_keep_the_newest(store: &Arc<dyn OnlineStore>) -> Outcome {
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                scope.spawn(move || {
                    for step in 0..10 {
                        let event_at = (step * 7 + writer * 3) % 40;
                        store.upsert("view", &[row(1, event_at, 0, event_at)])?;
                    }
                    Ok::<(), OnlineError>(())
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| writer.join().map_err(|_panic| lost_writer())?)
    })?;
    let newest = (0..4).flat_map(|writer| (0..10).map(move |step| (step * 7 + writer * 3) % 40)).max();
    assert_eq!(value(store, "view", 1)?, newest.map(Scalar::Int));
    assert_eq!(store.count("view")?, 1);
    Ok(())
}

fn lost_writer() -> OnlineError {
    OnlineError::Storage { action: "run a case".to_owned(), reason: "a writer panicked".to_owned() }
}

fn row(key: u8, event_at: i64, created_at: i64, value: i64) -> OnlineRow {
    OnlineRow { key: vec![key], event_at, created_at, values: vec![Scalar::Int(value)] }
}

fn value(store: &Arc<dyn OnlineStore>, namespace: &str, key: u8) -> Result<Option<Scalar>, OnlineError> {
    let found = store.read(namespace, &[vec![key]])?.pop().flatten();
    Ok(found.and_then(|row| row.values.into_iter().next()))
}

#[cfg(test)]
mod tests {
    use baton_core::ports::MemoryOnlineStore;

    use super::*;

    fn open() -> ((), Arc<dyn OnlineStore>) {
        ((), Arc::new(MemoryOnlineStore::new()))
    }

    crate::online_suite!(open);
}
