//! The model that a training of the project made, as a logged model of its run: where the registry finds which run made a version.

use baton_ledger::database::{Statement, Transaction};
use uuid::Uuid;

use crate::logged_model::LoggedModelStatus;
use crate::run::active;
use crate::{Param, TrackingError, TrackingStore};

/// A model that a training made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedTraining {
    /// The run of the training.
    pub run_id: String,
    /// The model.
    pub model: String,
    /// Its version.
    pub number: i64,
    /// What kind of model it is.
    pub model_type: String,
    /// What it was fitted with.
    pub params: Vec<Param>,
}

impl TrackingStore {
    /// Where clients load a version that the project trained from.
    pub fn trained_location(&self, model: &str, number: i64) -> String {
        format!("{}/models/{model}/{number}", self.artifact_root())
    }

    /// Logs the model that a training made, as what its run made.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] without the run.
    pub async fn log_trained(&self, training: LoggedTraining) -> Result<(), TrackingError> {
        let location = self.trained_location(&training.model, training.number);
        let (model_id, now) = (format!("m-{}", Uuid::new_v4().simple()), self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &training.run_id).await?;
                let text = "INSERT INTO logged_models (model_id, experiment, name, artifact_uri, creation_time, last_update_time, status, \
                            model_type, source_run_id) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8)";
                let insert = Statement::new(text).bind(&model_id).bind(run.experiment).bind(&training.model);
                let insert = insert.bind(location).bind(now).bind(LoggedModelStatus::Ready.number());
                transaction.execute(insert.bind(training.model_type).bind(&training.run_id)).await?;
                let text = "INSERT INTO logged_model_params (model, key, value) SELECT id, $1, $2 FROM logged_models WHERE model_id = $3";
                for param in training.params {
                    transaction.execute(Statement::new(text).bind(param.key).bind(param.value).bind(&model_id)).await?;
                }
                let text = "INSERT INTO run_models (run, direction, model_id, step, position) VALUES ($1, 'output', $2, 0, \
                            (SELECT count(*) FROM run_models WHERE run = $1 AND direction = 'output'))";
                transaction.execute(Statement::new(text).bind(run.id).bind(&model_id)).await?;
                Ok(())
            })
        })
        .await
    }
}

/// The run and the logged model behind the version whose files are at `location`; empty where none is known.
pub(super) async fn made_by(transaction: &mut Transaction, location: &str) -> Result<(String, String), TrackingError> {
    let text = "SELECT source_run_id, model_id FROM logged_models WHERE artifact_uri = $1 AND deleted = 0 ORDER BY id DESC LIMIT 1";
    let found: Option<(String, String)> = transaction.one(Statement::new(text).bind(location)).await?;
    Ok(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{TrainedModel, TrainedVersion};
    use crate::testing::{new_run, store, tag};

    #[tokio::test]
    async fn a_trained_version_says_which_run_made_it() {
        let (store, _folder) = store().await;
        let run = new_run(&store, 1).await;
        let training = LoggedTraining {
            run_id: run.clone(),
            model: "late".to_owned(),
            number: 1,
            model_type: "trees".to_owned(),
            params: vec![tag("eta", "0.1")],
        };
        store.log_trained(training).await.unwrap();
        let version = |number: i64| TrainedVersion {
            number,
            registered_at: 5,
            location: store.trained_location("late", number),
            description: "why".to_owned(),
            tags: Vec::new(),
        };
        let trained = TrainedModel {
            name: "late".to_owned(),
            description: String::new(),
            versions: vec![version(1), version(2)],
            aliases: Vec::new(),
        };
        store.import_trained(vec![trained]).await.unwrap();
        let made = store.model_version("late", "1").await.unwrap();
        assert_eq!(made.run_id, run);
        let logged = store.logged_model(&made.model_id, false).await.unwrap();
        assert_eq!((logged.name.as_str(), logged.params), ("late", vec![tag("eta", "0.1")]));
        assert_eq!(store.run(&run).await.unwrap().outputs[0].model_id, made.model_id);
        assert_eq!(store.model_version("late", "2").await.unwrap().run_id, "");
    }
}
