//! What is tracked, read back as tables, in one page and in many.

use super::*;
use crate::TrackingStore;
use crate::testing::{metric, new_run, store, tag};

async fn all(store: &TrackingStore, table: TrackedTable, only: &[Only], most: usize) -> (Vec<Vec<Values>>, usize) {
    let (mut pages, mut rows, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.table_page(table, only, after, most).await.unwrap();
        assert_eq!(page.columns.len(), table.columns().len());
        rows += page.rows;
        pages.push(page.columns);
        after = page.next;
        if after.is_none() {
            return (pages, rows);
        }
    }
}

fn texts(values: &Values) -> Vec<&str> {
    let Values::Texts(texts) = values else { panic!("{values:?}") };
    texts.iter().map(|text| text.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn every_row_is_read_once_however_short_the_pages_are() {
    let (store, _folder) = store().await;
    for start in 0..3 {
        let run = new_run(&store, start).await;
        for (step, value) in [(1, 0.5), (0, f64::NAN), (0, 0.25), (0, 0.125)] {
            store.log_metric(run.clone(), metric("m", value, 7, step)).await.unwrap();
        }
        store.log_param(run.clone(), tag("p", "v")).await.unwrap();
    }
    for (table, rows) in [
        (TrackedTable::Experiments, 1),
        (TrackedTable::Runs, 3),
        (TrackedTable::Metrics, 12),
        (TrackedTable::LatestMetrics, 3),
        (TrackedTable::Params, 3),
        (TrackedTable::Tags, 3),
        (TrackedTable::Inputs, 0),
        (TrackedTable::ModelVersions, 0),
    ] {
        for most in [1, 2, 5, 100] {
            assert_eq!(all(&store, table, &[], most).await.1, rows, "{} by {most}", table.name());
        }
    }
}

#[tokio::test]
async fn rows_of_many_runs_are_read_once_however_short_the_pages_are() {
    let (store, _folder) = store().await;
    // More than one statement asks for.
    let runs = futures::future::join_all((0..520).map(|start| new_run(&store, start))).await;
    for run in [&runs[3], &runs[7], &runs[510]] {
        for key in ["a", "b", "c"] {
            for step in 0..5 {
                store.log_metric(run.clone(), metric(key, 0.5, 7, step)).await.unwrap();
            }
        }
    }
    let but_one: Vec<String> = runs.iter().filter(|run| **run != runs[7]).cloned().collect();
    for (wanted, keys, rows) in [
        (but_one.clone(), vec!["a", "b", "c"], 30),
        (but_one, vec!["b"], 10),
        (vec![runs[7].clone()], vec!["c", "a"], 10),
        (vec![runs[5].clone()], vec!["a"], 0),
    ] {
        let keys = keys.into_iter().map(str::to_owned).collect();
        let only = [Only::OneOf("run_id", wanted.clone()), Only::OneOf("key", keys)];
        for most in [1, 4, 5, 1_000] {
            let (pages, found) = all(&store, TrackedTable::Metrics, &only, most).await;
            assert_eq!(found, rows, "{most}");
            assert!(pages.iter().flat_map(|page| texts(&page[0])).all(|run| wanted.iter().any(|id| id == run)));
        }
    }
    let both = [Only::OneOf("run_id", runs[..8].to_vec()), Only::OneOf("run_id", runs[7..].to_vec())];
    assert_eq!(all(&store, TrackedTable::Metrics, &both, 4).await.1, 15);
}

#[tokio::test]
async fn conditions_choose_rows_by_run_key_and_step() {
    let (store, _folder) = store().await;
    let (one, other) = (new_run(&store, 1).await, new_run(&store, 2).await);
    for step in 0..10 {
        for run in [&one, &other] {
            store.log_metric(run.clone(), metric("loss", f64::from(step), 5, step.into())).await.unwrap();
            store.log_metric(run.clone(), metric("rmse", f64::from(step), 5, step.into())).await.unwrap();
        }
    }
    let only = [
        Only::OneOf("run_id", vec![other.clone(), "no such run".to_owned()]),
        Only::OneOf("key", vec!["loss".to_owned()]),
        Only::AtLeast("step", 3),
        Only::AtMost("step", 6),
    ];
    let (pages, rows) = all(&store, TrackedTable::Metrics, &only, 3).await;
    assert_eq!((rows, pages.len()), (4, 2));
    assert_eq!(texts(&pages[0][0]), [other.as_str(); 3]);
    assert_eq!(pages[0][2], Values::Numbers(vec![3.0, 4.0, 5.0]));
    let none = [Only::OneOf("run_id", vec!["no such run".to_owned()])];
    assert_eq!(all(&store, TrackedTable::Metrics, &none, 3).await.1, 0);
    let named = [Only::OneOf("name", vec!["run 2".to_owned()])];
    assert_eq!(texts(&all(&store, TrackedTable::Runs, &named, 9).await.0[0][0]), [other.as_str()]);
}

#[tokio::test]
async fn nan_is_nan_and_times_are_milliseconds() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 5).await;
    store.log_metric(run, metric("m", f64::NAN, 7, 0)).await.unwrap();
    let (points, _) = all(&store, TrackedTable::Metrics, &[], 9).await;
    let Values::Numbers(values) = &points[0][2] else { panic!("{points:?}") };
    assert!(values[0].is_nan());
    assert_eq!(points[0][4], Values::Times(vec![Some(7)]));
    assert_eq!(all(&store, TrackedTable::Runs, &[], 9).await.0[0][6], Values::Times(vec![Some(5)]));
}
