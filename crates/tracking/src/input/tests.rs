//! Datasets and models that runs took in and brought out, on a store in a folder of its own.

use super::*;
use crate::run::search::RunSearch;
use crate::testing::{new_run, store, tag};

fn input(name: &str, context: Option<&str>) -> DatasetInput {
    let dataset = Dataset {
        name: name.to_owned(),
        digest: "d1".to_owned(),
        source_type: "s3".to_owned(),
        source: "{}".to_owned(),
        schema: None,
        profile: Some("{}".to_owned()),
    };
    let tags = [Some(tag("k", "v")), context.map(|context| tag(CONTEXT_TAG, context))];
    DatasetInput { dataset, tags: tags.into_iter().flatten().collect() }
}

#[tokio::test]
async fn datasets_are_known_once_and_read_once_by_a_run() {
    let (store, _folder) = store().await;
    let (one, other) = (new_run(&store, 1).await, new_run(&store, 2).await);
    let train = input("train", Some("training"));
    store.log_inputs(one.clone(), vec![train.clone(), train.clone()], vec!["m-1".to_owned()]).await.unwrap();
    store.log_inputs(one.clone(), vec![input("train", Some("other")), input("test", None)], Vec::new()).await.unwrap();
    store.log_inputs(other.clone(), vec![train.clone()], Vec::new()).await.unwrap();
    let run = store.run(&one).await.unwrap();
    assert_eq!((run.datasets, run.models), (vec![train, input("test", None)], vec!["m-1".to_owned()]));
    let summaries = store.search_datasets(&[0]).await.unwrap();
    let summaries: Vec<_> = summaries.into_iter().map(|summary| (summary.name, summary.context)).collect();
    assert_eq!(summaries, [("test".to_owned(), None), ("train".to_owned(), Some("training".to_owned()))]);
    for (filter, count) in [
        ("datasets.name = 'train'", 2),
        ("dataset.digest IN ('d1') AND datasets.name LIKE 'te%'", 1),
        ("datasets.context = 'training'", 2),
        ("datasets.context = 'other'", 0),
    ] {
        let search =
            RunSearch { experiments: vec![0], filter: filter.to_owned(), max_results: 9, ..Default::default() };
        assert_eq!(store.search_runs(search).await.unwrap().rows.len(), count, "{filter}");
    }
}

#[tokio::test]
async fn models_that_a_run_made_are_kept_in_order() {
    let (store, _folder) = store().await;
    let run = new_run(&store, 1).await;
    let output = |model_id: &str, step| ModelOutput { model_id: model_id.to_owned(), step };
    let outputs = vec![output("m-2", 0), output("m-1", 0), output("m-2", 5)];
    store.log_outputs(run.clone(), outputs.clone()).await.unwrap();
    // A client that got no answer sends again.
    store.log_outputs(run.clone(), outputs.clone()).await.unwrap();
    assert_eq!(store.run(&run).await.unwrap().outputs, outputs);
}

#[tokio::test]
async fn searches_ask_for_some_experiments_and_not_for_too_many() {
    let (store, _folder) = store().await;
    let told = store.search_datasets(&[]).await.unwrap_err().to_string();
    assert_eq!(told, "SearchDatasets request must specify at least one experiment_id.");
    let told = store.search_datasets(&[0; 21]).await.unwrap_err().to_string();
    assert_eq!(told, "SearchDatasets request cannot specify more than 20 experiment_ids. Received 21 experiment_ids.");
}
