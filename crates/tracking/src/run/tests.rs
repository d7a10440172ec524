//! Runs from their begin to their end, on a store in a folder of its own.

use super::search::RunSearch;
use super::*;
use crate::View;
use crate::filter::Dialect;
use crate::store::TrackingStore;
use crate::testing::{metric, new_run, open, store, tag};

fn logged(metrics: Vec<Metric>, params: Vec<Param>, tags: Vec<Tag>) -> Batch {
    Batch { metrics, params, tags }
}

/// The names of what a search finds, in pages of `page`.
async fn found(store: &TrackingStore, search: RunSearch, page: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut search = RunSearch { experiments: vec![0], max_results: page, ..search };
    loop {
        let page = store.search_runs(search.clone()).await.unwrap();
        names.extend(page.rows.into_iter().map(|run| run.info.name.replace("run ", "")));
        match page.next {
            Some(next) => search.page_token = Some(next),
            None => return names,
        }
    }
}

fn filtered(filter: &str) -> RunSearch {
    RunSearch { filter: filter.to_owned(), ..RunSearch::default() }
}

fn ordered(order: &[&str]) -> RunSearch {
    RunSearch { order_by: order.iter().map(|&clause| clause.to_owned()).collect(), ..RunSearch::default() }
}

/// Runs 1 to 6: `m` is 1, 2, 2, NaN, infinite and missing; `p` is a, b, c, b, missing, b.
async fn six() -> (TrackingStore, tempfile::TempDir) {
    let (store, folder) = store().await;
    let metrics = [Some(1.0), Some(2.0), Some(2.0), Some(f64::NAN), Some(f64::INFINITY), None];
    let params = [Some("a"), Some("b"), Some("c"), Some("b"), None, Some("b")];
    for (number, (value, param)) in (1..).zip(metrics.into_iter().zip(params)) {
        let run = new_run(&store, number).await;
        let metrics = value.map(|value| metric("m", value, number, 0)).into_iter().collect();
        let params = param.map(|param| tag("p", param)).into_iter().collect();
        store.log_batch(run, logged(metrics, params, vec![tag("t", "x")])).await.unwrap();
    }
    (store, folder)
}

#[tokio::test]
async fn names_and_their_tag_stay_the_same() {
    let (store, _folder) = store().await;
    let unnamed = store.create_run(NewRun::default()).await.unwrap();
    assert_eq!(unnamed.tags, [tag(NAME_TAG, &unnamed.info.name)]);
    let run_id = unnamed.info.run_id;
    assert_eq!(unnamed.info.artifact_uri, format!("mlflow-artifacts:/0/{run_id}/artifacts"));
    store.set_tag(run_id.clone(), tag(NAME_TAG, "by tag")).await.unwrap();
    assert_eq!(store.run(&run_id).await.unwrap().info.name, "by tag");
    let change =
        RunChange { name: Some("by change".to_owned()), status: Some("FINISHED".to_owned()), end_time: Some(9) };
    store.update_run(run_id.clone(), change).await.unwrap();
    let change = RunChange { name: Some("again".to_owned()), ..RunChange::default() };
    let info = store.update_run(run_id.clone(), change).await.unwrap();
    assert_eq!((info.name.as_str(), info.status.as_str(), info.end_time), ("again", "FINISHED", Some(9)));
    assert_eq!(store.run(&run_id).await.unwrap().tags, [tag(NAME_TAG, "again")]);
    let two = NewRun { name: Some("a".to_owned()), tags: vec![tag(NAME_TAG, "b")], ..NewRun::default() };
    assert!(store.create_run(two).await.unwrap_err().to_string().starts_with("Both 'run_name' argument"));
}

#[tokio::test]
async fn deleted_runs_are_read_and_not_written() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 1).await;
    store.delete_run(run.clone()).await.unwrap();
    store.delete_run(run.clone()).await.unwrap();
    let told = store.set_tag(run.clone(), tag("t", "x")).await.unwrap_err().to_string();
    assert_eq!(told, format!("The run {run} must be in the 'active' state. Current state is deleted."));
    assert!(found(&store, RunSearch::default(), 10).await.is_empty());
    assert_eq!(found(&store, RunSearch { view: View::Deleted, ..RunSearch::default() }, 10).await, ["1"]);
    store.restore_run(run.clone()).await.unwrap();
    store.set_tag(run, tag("t", "x")).await.unwrap();
    let missing = store.run("nope").await.unwrap_err();
    assert_eq!(missing, TrackingError::missing("Run with id=nope not found"));
}

#[tokio::test]
async fn params_are_written_once_and_a_failed_batch_leaves_nothing() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 1).await;
    store.log_param(run.clone(), tag("lr", "0.1")).await.unwrap();
    store.log_param(run.clone(), tag("lr", "0.1")).await.unwrap();
    let told = store.log_param(run.clone(), tag("lr", "2")).await.unwrap_err().to_string();
    assert_eq!(
        told,
        format!(
            "Changing param values is not allowed. Param with key='lr' was already logged with value='0.1' for run ID='{run}'. \
             Attempted logging new value '2'."
        )
    );
    let batch = logged(vec![metric("m", 1.0, 1, 0)], vec![tag("new", "1"), tag("lr", "2")], vec![tag("t", "x")]);
    let told = store.log_batch(run.clone(), batch).await.unwrap_err().to_string();
    assert!(told.contains("logged='[{'key': 'lr', 'old_value': '0.1', 'new_value': '2'}]'"), "{told}");
    let twice = logged(Vec::new(), vec![tag("d", "1"), tag("d", "2")], Vec::new());
    let told = store.log_batch(run.clone(), twice).await.unwrap_err().to_string();
    assert!(told.starts_with("Duplicate parameter keys have been submitted: ['d']."), "{told}");
    let kept = store.run(&run).await.unwrap();
    assert_eq!((kept.metrics.len(), kept.params, kept.tags.len()), (0, vec![tag("lr", "0.1")], 1));
}

#[tokio::test]
async fn batches_that_arrive_together_are_all_kept_and_fail_alone() {
    let (store, folder) = store().await;
    let run = new_run(&store, 1).await;
    store.log_param(run.clone(), tag("p", "old")).await.unwrap();
    let mut writes = Vec::new();
    for number in 0..200 {
        let (store, run) = (store.clone(), run.clone());
        // Every tenth changes a parameter, which is refused after its metric was written.
        let params = if number % 10 == 0 { vec![tag("p", "new")] } else { Vec::new() };
        let batch = logged(vec![metric(&format!("m{number}"), 1.0, 1, 0)], params, Vec::new());
        writes.push(tokio::spawn(async move { store.log_batch(run, batch).await }));
    }
    let mut failed = 0;
    for write in writes {
        failed += usize::from(write.await.unwrap().is_err());
    }
    assert_eq!(failed, 20);
    drop(store);
    // What was answered is in the file.
    assert_eq!(open(folder.path()).await.run(&run).await.unwrap().metrics.len(), 180);
}

#[tokio::test]
async fn metrics_are_ordered_before_nan_before_none() {
    let (store, _folder) = six().await;
    for page in [1, 2, 10] {
        // Equal values come the newest first.
        assert_eq!(found(&store, ordered(&["metrics.m ASC"]), page).await, ["1", "3", "2", "5", "4", "6"]);
        assert_eq!(found(&store, ordered(&["metrics.m DESC"]), page).await, ["5", "3", "2", "1", "4", "6"]);
        assert_eq!(found(&store, ordered(&["params.p"]), page).await, ["1", "6", "4", "2", "3", "5"]);
        let two = ordered(&["params.p DESC", "metrics.m"]);
        assert_eq!(found(&store, two, page).await, ["3", "2", "4", "6", "1", "5"]);
        assert_eq!(found(&store, ordered(&["start_time ASC"]), page).await, ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(found(&store, ordered(&["end_time", "metrics.m"]), page).await, ["1", "3", "2", "5", "4", "6"]);
        // Few runs meet the filter, so that they lead and not the order.
        let few = RunSearch { filter: "params.p = 'b'".to_owned(), ..ordered(&["metrics.m DESC"]) };
        assert_eq!(found(&store, few, page).await, ["2", "4", "6"]);
    }
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let (store, _folder) = six().await;
    let first = store.search_runs(RunSearch { experiments: vec![0], max_results: 1, ..filtered("run_name = 'run 1'") });
    let first = first.await.unwrap().rows.remove(0).info.run_id;
    for (filter, expected) in [
        ("metrics.m > 1", "532"),
        ("metrics.m >= 2 AND metrics.m < 3", "32"),
        ("metrics.m = 2", "32"),
        // NaN is unequal to every number; a run without the metric is not asked.
        ("metrics.m != 2", "541"),
        ("params.p = 'b'", "642"),
        ("params.p != 'b'", "31"),
        ("params.p IS NULL", "5"),
        ("params.p IS NOT NULL AND metrics.m IS NULL", ""),
        ("params.p LIKE 'B'", ""),
        ("params.p ILIKE 'B'", "642"),
        ("params.p LIKE 'b'", "642"),
        ("params.p LIKE 'b%'", "642"),
        ("params.p LIKE 'b_'", ""),
        ("params.p LIKE '%b%' AND params.p LIKE 'b%'", "642"),
        ("tags.t = 'x'", "654321"),
        ("tags.`mlflow.runName` LIKE '%3'", "3"),
        ("tags.mlflow.runName LIKE '%'", "654321"),
        ("attributes.start_time > 4", "65"),
        ("created <= 2.5", "21"),
        ("status = 'RUNNING' and run_name ILIKE 'RUN 2'", "2"),
        ("attributes.`run name` = \"run 2\"", "2"),
        ("end_time > 0", ""),
        (&format!("run_id IN ('{first}', 'x')"), "1"),
        (&format!("run_id NOT IN ('{first}')"), "65432"),
        ("datasets.name = 'd'", ""),
    ] {
        let search = RunSearch { experiments: vec![0], max_results: 10, ..filtered(filter) };
        let told = match store.search_runs(search).await {
            Ok(page) => page.rows.iter().map(|run| run.info.name.replace("run ", "")).collect::<String>(),
            Err(error) => error.to_string(),
        };
        let is_refused = filter.contains("metrics.m IS NULL");
        assert!(
            told == expected || (is_refused && told.starts_with("IS NULL / IS NOT NULL is only")),
            "{filter}: {told}"
        );
    }
    let extended = RunSearch {
        dialect: Dialect::Extended,
        ..filtered("NOT (metrics.m > 1 OR params.p IN ('a', 'c')) AND tags.t = 'x'")
    };
    assert_eq!(found(&store, extended, 2).await, ["6", "4"]);
}

#[tokio::test]
async fn filters_and_orders_that_mean_nothing_are_refused() {
    let (store, _folder) = store().await;
    for (filter, begins) in [
        ("metrics.m > 'x'", "Expected numeric value type for metric. Found 'x'"),
        ("metrics.m LIKE 1", "Invalid comparator 'LIKE' not one of"),
        ("params.p = 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"),
        ("tags.p = bare", "Parameter value is either not quoted"),
        (
            "foo.p = 1",
            "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
        ),
        ("foo = 'x'", "Invalid attribute key 'foo' specified. Valid keys are '{"),
        ("user_id IN ('a')", "Only ['run_id'] attributes support comparison with a list of quoted string values."),
        (
            "end_time IS NULL",
            "IS NULL / IS NOT NULL is only supported for tags and params, not for 'attribute' 'end_time'",
        ),
        ("start_time = 'x'", "Expected numeric value type for numeric attribute: start_time. Found 'x'"),
        ("status > 'x'", "Invalid comparator '>' not one of"),
        ("datasets.foo = 'x'", "Invalid dataset key 'foo' specified."),
    ] {
        let search = RunSearch { experiments: vec![0], max_results: 1, ..filtered(filter) };
        let told = store.search_runs(search).await.unwrap_err().to_string();
        assert!(told.starts_with(begins), "{filter}: {told}");
    }
    for (order, begins) in [
        (vec!["metrics.a, metrics.b"], "Invalid order_by clause 'metrics.a, metrics.b'. Could not be parsed."),
        (vec!["metrics.a DESCENDING"], "Invalid ordering key in order_by clause 'metrics.a DESCENDING'."),
        (vec!["datasets.name"], "Invalid identifier type 'dataset'"),
        (vec!["experiment_id"], "Invalid attribute key 'experiment_id' specified."),
        (vec!["metrics.a", "metrics.a DESC"], "`order_by` contains duplicate fields"),
    ] {
        let search = RunSearch { experiments: vec![0], max_results: 1, ..ordered(&order) };
        let told = store.search_runs(search).await.unwrap_err().to_string();
        assert!(told.starts_with(begins), "{order:?}: {told}");
    }
}

#[tokio::test]
async fn pages_hold_while_runs_come() {
    let (store, _folder) = store().await;
    for number in 0..20 {
        new_run(&store, number / 4).await;
    }
    let mut search = RunSearch { experiments: vec![0], max_results: 3, ..RunSearch::default() };
    let (mut seen, mut later) = (Vec::new(), 100);
    loop {
        let page = store.search_runs(search.clone()).await.unwrap();
        seen.extend(page.rows.into_iter().map(|run| (-run.info.start_time, run.info.run_id)));
        new_run(&store, later).await;
        later += 1;
        match page.next {
            Some(next) => search.page_token = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 20);
    // Newest first, and equals by id.
    assert!(seen.is_sorted());
}
