//! Metrics and their history, on a store in a folder of its own.

use super::*;
use crate::testing::{metric, new_run, store};

#[tokio::test]
async fn same_point_is_kept_once_and_the_last_is_by_step() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 1).await;
    for (value, timestamp, step) in [(5.0, 10, 2), (5.0, 10, 2), (9.0, 99, 1), (4.0, 10, 2), (5.0, 9, 2)] {
        store.log_metric(run.clone(), metric("m", value, timestamp, step)).await.unwrap();
    }
    let history = store.metric_history(&run, "m", None, None).await.unwrap();
    let places: Vec<_> = history.rows.iter().map(|point| (point.timestamp, point.step, point.value)).collect();
    assert_eq!(places, [(9, 2, 5.0), (10, 2, 4.0), (10, 2, 5.0), (99, 1, 9.0)]);
    let latest = &store.run(&run).await.unwrap().metrics;
    assert_eq!((latest.len(), latest[0].value, latest[0].timestamp, latest[0].step), (1, 5.0, 10, 2));
}

#[tokio::test]
async fn no_number_is_lost() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 1).await;
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1, 5e-324];
    for (step, value) in (0..).zip(values) {
        store.log_metric(run.clone(), metric("m", value, 0, step)).await.unwrap();
    }
    let history = store.metric_history(&run, "m", None, None).await.unwrap();
    let kept: Vec<f64> = history.rows.iter().map(|point| point.value).collect();
    assert!(kept[0].is_nan());
    assert_eq!(kept[1..], [f64::MAX, f64::MIN, 0.0, 0.1, 5e-324]);
}

#[tokio::test]
async fn histories_come_in_pages() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 1).await;
    for step in 0..10 {
        store.log_metric(run.clone(), metric("m", 0.5, 7, step)).await.unwrap();
    }
    let (mut lengths, mut token) = (Vec::new(), None);
    loop {
        let page = store.metric_history(&run, "m", Some(4), token.as_deref()).await.unwrap();
        lengths.push(page.rows.len());
        match page.next {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    assert_eq!(lengths, [4, 4, 2]);
    assert!(store.metric_history(&run, "other", None, None).await.unwrap().rows.is_empty());
    assert!(store.metric_history(&run, "m", Some(0), None).await.is_err());
    assert!(store.metric_history(&run, "m", None, Some("invalid_token")).await.is_err());
}

#[tokio::test]
async fn courses_are_sampled_evenly() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 1).await;
    for step in 0..10 {
        store.log_metric(run.clone(), metric("m", 0.5, 7, step)).await.unwrap();
    }
    let runs = [run];
    let steps = |points: Vec<RunPoint>| points.into_iter().map(|point| point.metric.step).collect::<Vec<_>>();
    assert_eq!(steps(store.sampled_histories(&runs, "m", None, 5).await.unwrap()), [0, 2, 4, 6, 9]);
    assert_eq!(steps(store.sampled_histories(&runs, "m", Some(2..=4), 5).await.unwrap()), [2, 3, 4]);
    assert_eq!(steps(store.sampled_histories(&runs, "m", None, 1).await.unwrap()), [9]);
    assert_eq!(steps(store.metric_histories(&runs, "m", 3).await.unwrap()), [0, 1, 2]);
}

#[test]
fn points_that_break_a_rule_are_told() {
    let told = |point: Metric, path: &str| point.check(path).unwrap_err().to_string();
    assert_eq!(
        told(metric("neg", 1.0, -1, 0), ""),
        "Invalid value -1 for parameter 'timestamp' supplied: metric 'neg' (value=1.0). Timestamp must be a nonnegative long \
         (64-bit integer) "
    );
    assert_eq!(
        told(metric("bad#name", 1.0, 1, 0), "metrics[0]."),
        "Invalid value \"bad#name\" for parameter 'metrics[0].name' supplied: Names may only contain alphanumerics, underscores (_), \
         dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
    );
    assert_eq!(
        told(metric(&"k".repeat(251), 1.0, 1, 0), ""),
        "'Metric name' exceeds the maximum length of 250 characters"
    );
}
