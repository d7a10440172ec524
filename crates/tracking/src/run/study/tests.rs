//! Studies as clients and as searches see them.

use super::*;
use crate::run::search::RunSearch;
use crate::testing::{metric, new_run, open, store, tag};

fn study(identity: &str) -> NewStudy {
    NewStudy {
        name: "depths".to_owned(),
        identity: identity.to_owned(),
        definition: "{}".to_owned(),
        params: vec![tag("method", "tpe")],
        ..NewStudy::default()
    }
}

fn trial(number: i64) -> NewTrial {
    NewTrial {
        number,
        key: format!("key {number}"),
        record: "begun".to_owned(),
        name: format!("trial {number}"),
        params: vec![tag("max_depth", "3")],
        ..NewTrial::default()
    }
}

fn ended(state: &str) -> EndedTrial {
    EndedTrial {
        state: state.to_owned(),
        record: "ended".to_owned(),
        status: Some("FINISHED".to_owned()),
        metrics: vec![metric("auc", 0.5, 1, 1), metric("auc", 0.75, 2, 2)],
        tags: vec![tag("baton.trial.state", state)],
    }
}

#[tokio::test]
async fn trials_are_nested_runs_with_their_curve() {
    let (store, _folder) = store().await;
    let parent = store.begin_study(study("one")).await.unwrap();
    let child = store.begin_trial(&parent, trial(0)).await.unwrap();
    store.end_trial(&parent, 0, ended("finished")).await.unwrap();
    let filter = format!("tags.`mlflow.parentRunId` = '{parent}' and params.max_depth = '3' and metrics.auc > 0.7");
    let search = RunSearch { experiments: vec![0], filter, max_results: 10, ..RunSearch::default() };
    let found = store.search_runs(search).await.unwrap().rows;
    assert_eq!(found.iter().map(|run| &run.info.run_id).collect::<Vec<_>>(), [&child]);
    assert_eq!((found[0].info.status.as_str(), found[0].info.name.as_str()), ("FINISHED", "trial 0"));
    assert_eq!(store.metric_history(&child, "auc", None, None).await.unwrap().rows.len(), 2);
    let kept = store.trials(&parent).await.unwrap();
    assert_eq!((kept[0].number, kept[0].state.as_str(), kept[0].record.as_str()), (0, "finished", "ended"));
    assert_eq!(store.study(&parent).await.unwrap().definition, "{}");
}

#[tokio::test]
async fn a_number_is_given_once_but_a_trial_left_running_can_be_replaced() {
    let (store, _folder) = store().await;
    let parent = store.begin_study(study("one")).await.unwrap();
    let left = store.begin_trial(&parent, trial(0)).await.unwrap();
    let again = store.begin_trial(&parent, trial(0)).await;
    assert!(matches!(again, Err(TrackingError::AlreadyExists(_))), "{again:?}");
    let replacing = NewTrial { replaces: true, ..trial(0) };
    let second = store.begin_trial(&parent, replacing.clone()).await.unwrap();
    assert_ne!(second, left);
    assert_eq!(store.run(&left).await.unwrap().info.status, "KILLED");
    store.end_trial(&parent, 0, ended("failed")).await.unwrap();
    store.begin_trial(&parent, replacing).await.unwrap();
    assert_eq!(store.run(&second).await.unwrap().info.status, "FINISHED", "what ended keeps its end");
    assert!(matches!(store.end_trial(&parent, 7, ended("failed")).await, Err(TrackingError::Missing(_))));
}

#[tokio::test]
async fn what_is_the_same_is_found_again_after_a_restart() {
    let (store, folder) = store().await;
    let first = store.begin_study(study("one")).await.unwrap();
    let second = store.begin_study(study("one")).await.unwrap();
    store.begin_study(study("other")).await.unwrap();
    store.begin_trial(&first, trial(0)).await.unwrap();
    store.end_trial(&first, 0, ended("pruned")).await.unwrap();
    store.begin_trial(&second, trial(0)).await.unwrap();
    store.end_trial(&second, 0, ended("finished")).await.unwrap();
    store.begin_trial(&second, trial(1)).await.unwrap();
    drop(store);
    let store = open(folder.path()).await;
    assert_eq!(store.find_study(0, "one").await.unwrap().unwrap().run.run_id, second);
    assert!(store.find_study(0, "none").await.unwrap().is_none());
    let known = |key: &'static str| store.known_trial(0, key, ["finished", "pruned"]);
    assert_eq!(known("key 0").await.unwrap().unwrap().state, "finished");
    assert!(known("key 1").await.unwrap().is_none(), "a trial that goes on is not known");
}

#[tokio::test]
async fn a_run_that_is_there_becomes_a_study_once() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 3).await;
    let within = NewStudy { run_id: Some(run.clone()), ..study("one") };
    assert_eq!(store.begin_study(within.clone()).await.unwrap(), run);
    assert!(matches!(store.begin_study(within).await, Err(TrackingError::AlreadyExists(_))));
    assert!(matches!(store.study(&new_run(&store, 4).await).await, Err(TrackingError::Missing(_))));
    let kept = store.run(&run).await.unwrap();
    assert_eq!((kept.info.name.as_str(), kept.params), ("run 3", vec![tag("method", "tpe")]));
}
