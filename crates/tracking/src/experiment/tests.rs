//! What experiments are asked for and refused, on a store in a folder of its own.

use super::*;
use crate::testing::{store, tag};
use crate::{View, run};

async fn make(store: &TrackingStore, name: &str) -> Result<i64> {
    store.create_experiment(name.to_owned(), None, Vec::new()).await
}

async fn names(store: &TrackingStore, search: ExperimentSearch) -> Vec<String> {
    let page = store.search_experiments(ExperimentSearch { max_results: 100, ..search }).await.unwrap();
    page.rows.into_iter().map(|experiment| experiment.name).collect()
}

fn filtered(filter: &str) -> ExperimentSearch {
    ExperimentSearch { filter: filter.to_owned(), ..ExperimentSearch::default() }
}

#[tokio::test]
async fn names_are_unique_over_deleted_ones_too() {
    let (store, _folder) = store().await;
    let id = make(&store, "a").await.unwrap();
    assert_eq!(id, 1);
    assert_eq!(store.experiment(id).await.unwrap().artifact_location, "mlflow-artifacts:/1");
    store.delete_experiment(id).await.unwrap();
    let again = make(&store, "a").await.unwrap_err();
    assert_eq!(again, TrackingError::AlreadyExists("Experiment(name=a) already exists.".to_owned()));
    let other = make(&store, "b").await.unwrap();
    let taken = store.rename_experiment(other, "a".to_owned()).await.unwrap_err();
    assert!(matches!(taken, TrackingError::AlreadyExists(_)));
    assert_eq!(store.experiment(other).await.unwrap().name, "b");
}

#[tokio::test]
async fn deleting_takes_the_runs_along_and_happens_once() {
    let (store, _folder) = store().await;
    let id = make(&store, "a").await.unwrap();
    let run = store.create_run(run::NewRun { experiment: id, ..Default::default() }).await.unwrap();
    store.delete_experiment(id).await.unwrap();
    assert_eq!(store.run(&run.info.run_id).await.unwrap().info.lifecycle, Lifecycle::Deleted);
    assert!(matches!(store.delete_experiment(id).await, Err(TrackingError::Missing(_))));
    assert!(matches!(store.rename_experiment(id, "c".to_owned()).await, Err(TrackingError::InvalidState(_))));
    store.restore_experiment(id).await.unwrap();
    assert_eq!(store.run(&run.info.run_id).await.unwrap().info.lifecycle, Lifecycle::Active);
    assert!(matches!(store.restore_experiment(id).await, Err(TrackingError::Missing(_))));
}

#[tokio::test]
async fn searches_filter_order_and_page() {
    let (store, _folder) = store().await;
    for name in ["Abc", "ab", "a"] {
        make(&store, name).await.unwrap();
    }
    store.set_experiment_tag(1, tag("team", "x")).await.unwrap();
    store.set_experiment_tag(2, tag("team", "y")).await.unwrap();
    // Of the same moment, the oldest number comes first; as in MLflow.
    assert_eq!(names(&store, ExperimentSearch::default()).await, ["Default", "Abc", "ab", "a"]);
    let by_name = ExperimentSearch { order_by: vec!["name DESC".to_owned()], ..Default::default() };
    assert_eq!(names(&store, by_name).await, ["ab", "a", "Default", "Abc"]);
    assert_eq!(names(&store, filtered("name LIKE 'a%'")).await, ["ab", "a"]);
    assert_eq!(names(&store, filtered("attribute.name ILIKE 'A%' AND tags.team != 'x'")).await, ["ab"]);
    assert_eq!(names(&store, filtered("tags.team IS NULL")).await, ["Default", "a"]);
    assert_eq!(names(&store, filtered("experiment_id IN ('1', '3')")).await, ["Abc", "a"]);
    assert_eq!(names(&store, filtered("creation_time > 5 AND last_update_time <= 1000000")).await.len(), 4);
    store.delete_experiment(3).await.unwrap();
    let deleted = ExperimentSearch { view: View::Deleted, ..Default::default() };
    assert_eq!(names(&store, deleted).await, ["a"]);
    assert_eq!(names(&store, ExperimentSearch { view: View::All, ..Default::default() }).await.len(), 4);
}

#[tokio::test]
async fn pages_end_where_the_rows_do() {
    let (store, _folder) = store().await;
    make(&store, "a").await.unwrap();
    let first = ExperimentSearch { max_results: 1, ..Default::default() };
    let page = store.search_experiments(first.clone()).await.unwrap();
    let second = ExperimentSearch { page_token: page.next, ..first };
    assert!(second.page_token.is_some());
    let last = store.search_experiments(second).await.unwrap();
    assert_eq!((page.rows[0].id, last.rows[0].id, last.next), (0, 1, None));
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused() {
    let (store, _folder) = store().await;
    let told = |result: Result<i64>| result.unwrap_err().to_string();
    assert_eq!(told(make(&store, "  ").await), "Invalid experiment name: '  '");
    assert_eq!(told(make(&store, &"x".repeat(501)).await), "'name' exceeds the maximum length of 500 characters");
    let missing = store.delete_experiment_tag(0, "t".to_owned()).await.unwrap_err();
    assert_eq!(missing.to_string(), "No tag with name: t in experiment with id 0");
    for filter in
        ["name = 5", "foo = 'x'", "metrics.a = 1", "creation_time LIKE '1'", "name > 'x'", "experiment_id = 'x'"]
    {
        let search = ExperimentSearch { max_results: 1, ..filtered(filter) };
        assert!(matches!(store.search_experiments(search).await, Err(TrackingError::Invalid(_))), "{filter}");
    }
}
