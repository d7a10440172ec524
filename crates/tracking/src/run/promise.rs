//! Runs under ids that are known before there is anything to keep: who starts a program tells it the id, and the run is made when the
//! program first says something. A program that tracks nothing leaves nothing.

use uuid::Uuid;

use super::{NewRun, active, change};
use crate::Tag;
use crate::error::{Result, TrackingError};
use crate::experiment;
use crate::input::{self, DatasetInput};
use crate::store::TrackingStore;

/// A run that is made when somebody first speaks of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PromisedRun {
    /// Its id.
    pub run_id: String,
    /// The name of its experiment, which is made where it is missing.
    pub experiment: String,
    /// Who starts it.
    pub user_id: String,
    /// When it begins, in milliseconds since 1970.
    pub start_time: i64,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// What it reads.
    pub datasets: Vec<DatasetInput>,
}

impl PromisedRun {
    /// An id that no run has.
    pub fn new_id() -> String {
        Uuid::new_v4().simple().to_string()
    }
}

impl TrackingStore {
    /// The number of the experiment `name`, which is made where it is missing.
    ///
    /// # Errors
    /// [`TrackingError::Invalid`] for what is no name.
    pub async fn experiment_named(&self, name: &str) -> Result<i64> {
        match self.experiment_by_name(name).await {
            Err(TrackingError::Missing(_)) => {}
            found => return found.map(|found| found.id),
        }
        match self.create_experiment(name.to_owned(), None, Vec::new()).await {
            // Another process was faster.
            Err(TrackingError::AlreadyExists(_)) => Ok(self.experiment_by_name(name).await?.id),
            made => made,
        }
    }

    /// Makes a promised run with all that is known of it, at once; one that is there is left as it is. Whether it was not there.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] when its experiment was deleted; [`TrackingError::Invalid`] for what breaks a rule.
    pub async fn keep_promise(&self, promised: PromisedRun) -> Result<bool> {
        let experiment = self.experiment_named(&promised.experiment).await?;
        promised.datasets.iter().try_for_each(DatasetInput::check)?;
        self.write(move |transaction| {
            Box::pin(async move {
                experiment::active(transaction, experiment).await?;
                let PromisedRun { run_id, user_id, start_time, name, tags, datasets, .. } = promised;
                let new = NewRun { experiment, user_id, start_time, name: Some(name), tags };
                if !change::create_unless_there(transaction, run_id.clone(), new).await? {
                    return Ok(false);
                }
                let run = active(transaction, &run_id).await?;
                input::write_datasets(transaction, &run, datasets).await?;
                Ok(true)
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Dataset;
    use crate::testing::{store, tag};

    fn promised() -> PromisedRun {
        let dataset = Dataset {
            name: "flights".to_owned(),
            digest: "d1".to_owned(),
            source_type: "delta_table".to_owned(),
            source: "{}".to_owned(),
            schema: None,
            profile: None,
        };
        PromisedRun {
            run_id: PromisedRun::new_id(),
            experiment: "shop/late".to_owned(),
            user_id: "ada".to_owned(),
            start_time: 7,
            name: "late".to_owned(),
            tags: vec![tag("baton.asset", "late")],
            datasets: vec![DatasetInput { dataset, tags: vec![tag("mlflow.data.context", "training")] }],
        }
    }

    #[tokio::test]
    async fn a_promise_is_kept_once_with_inputs_and_tags() {
        let (store, _folder) = store().await;
        let promised = promised();
        assert!(store.keep_promise(promised.clone()).await.unwrap());
        assert!(!store.keep_promise(promised.clone()).await.unwrap());
        let run = store.run(&promised.run_id).await.unwrap();
        assert_eq!((run.info.name.as_str(), run.info.start_time, run.datasets.clone()), ("late", 7, promised.datasets));
        assert!(run.tags.contains(&tag("baton.asset", "late")));
        let experiment = store.experiment(run.info.experiment).await.unwrap();
        assert_eq!(experiment.name, "shop/late");
        assert_eq!(store.experiment_named("shop/late").await.unwrap(), experiment.id);
    }

    #[tokio::test]
    async fn a_run_is_not_begun_in_a_deleted_experiment() {
        let (store, _folder) = store().await;
        let id = store.experiment_named("shop/late").await.unwrap();
        store.delete_experiment(id).await.unwrap();
        assert!(store.keep_promise(promised()).await.is_err());
    }
}
