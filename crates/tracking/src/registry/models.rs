//! Registered models: making, renaming, describing, tagging, deleting them.

use baton_ledger::database::{Statement, Transaction};

use serde_json::{Map, Value, json};

use super::{PROMPT_TAG, RegisteredModel, names, read};
use crate::webhook::{self, Happening};
use crate::{Tag, TrackingError, TrackingStore};

/// A model that is about to be registered.
#[derive(Debug, Clone, Default)]
pub struct NewRegisteredModel {
    /// The name.
    pub name: String,
    /// What else to know.
    pub tags: Vec<Tag>,
    /// In somebody's words.
    pub description: Option<String>,
    /// A job of somebody else's.
    pub deployment_job_id: Option<String>,
}

impl TrackingStore {
    /// Registers a model.
    ///
    /// # Errors
    /// When the name is taken or not usable.
    pub async fn create_registered_model(&self, new: NewRegisteredModel) -> Result<RegisteredModel, TrackingError> {
        names::check_model_name(&new.name)?;
        new.tags.iter().try_for_each(|tag| names::check_tag(&tag.key, &tag.value))?;
        let now = self.now();
        self.write(move |transaction| Box::pin(create(transaction, new, now))).await
    }

    /// Gives a model another name; versions, tags and aliases stay with it.
    ///
    /// # Errors
    /// When there is no such model, the new name is taken or not usable, or the project trains the model.
    pub async fn rename_registered_model(
        &self,
        name: String,
        new_name: String,
    ) -> Result<RegisteredModel, TrackingError> {
        if new_name.trim().is_empty() {
            return Err(names::missing("new_name"));
        }
        names::check_model_name(&new_name)?;
        let now = self.now();
        self.write(move |transaction| Box::pin(rename(transaction, name, new_name, now))).await
    }

    /// Describes a model.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn update_registered_model(
        &self,
        name: String,
        description: Option<String>,
    ) -> Result<RegisteredModel, TrackingError> {
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::model_row(transaction, &name).await?.id;
                let update = "UPDATE registered_models SET description = $2, last_update_time = $3 WHERE id = $1";
                transaction.execute(Statement::new(update).bind(id).bind(description).bind(now)).await?;
                read::model(transaction, &name).await
            })
        })
        .await
    }

    /// Removes a model with its versions, tags and aliases; files stay.
    ///
    /// # Errors
    /// When there is no such model, or the project trains it.
    pub async fn delete_registered_model(&self, name: String) -> Result<(), TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::own_model_row(transaction, &name).await?.id;
                transaction.execute(Statement::new("DELETE FROM registered_models WHERE id = $1").bind(id)).await?;
                Ok(())
            })
        })
        .await
    }

    /// Sets a tag of a model.
    ///
    /// # Errors
    /// When there is no such model, or the tag is not usable.
    pub async fn set_registered_model_tag(&self, name: String, tag: Tag) -> Result<(), TrackingError> {
        names::check_tag(&tag.key, &tag.value)?;
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let model = read::model(transaction, &name).await?;
                if is_prompt(&model.tags) {
                    let data = json!({"name": name, "key": tag.key, "value": tag.value});
                    let happening = Happening { entity: "PROMPT_TAG", action: "SET", data };
                    webhook::announce(transaction, happening, now).await?;
                }
                let id = read::model_row(transaction, &name).await?.id;
                set_tags(transaction, id, vec![tag]).await
            })
        })
        .await
    }

    /// Removes a tag of a model, if it is there.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn delete_registered_model_tag(&self, name: String, key: String) -> Result<(), TrackingError> {
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let model = read::model(transaction, &name).await?;
                if is_prompt(&model.tags) {
                    let happening =
                        Happening { entity: "PROMPT_TAG", action: "DELETED", data: json!({"name": name, "key": key}) };
                    webhook::announce(transaction, happening, now).await?;
                }
                let id = read::model_row(transaction, &name).await?.id;
                let delete = Statement::new("DELETE FROM registered_model_tags WHERE model = $1 AND key = $2");
                transaction.execute(delete.bind(id).bind(key)).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn create(
    transaction: &mut Transaction,
    new: NewRegisteredModel,
    now: i64,
) -> Result<RegisteredModel, TrackingError> {
    if let Some(known) = read::find_model_row(transaction, &new.name).await? {
        return Err(taken(&read::model(transaction, &known.name).await?, &new));
    }
    let insert = Statement::new(
        "INSERT INTO registered_models (name, creation_time, last_update_time, description, deployment_job_id)
         VALUES ($1, $2, $2, $3, $4)",
    );
    let insert = insert.bind(&new.name).bind(now).bind(&new.description).bind(&new.deployment_job_id);
    transaction.execute(insert).await?;
    let id = read::model_row(transaction, &new.name).await?.id;
    let data = json!({"name": new.name, "tags": pairs(&new.tags), "description": new.description});
    let happening = Happening::new(is_prompt(&new.tags), ("REGISTERED_MODEL", "PROMPT"), "CREATED", data);
    webhook::announce(transaction, happening, now).await?;
    set_tags(transaction, id, new.tags).await?;
    read::model(transaction, &new.name).await
}

/// Whether tags say that it is a prompt.
pub(super) fn is_prompt(tags: &[Tag]) -> bool {
    tags.iter().any(|tag| tag.key == PROMPT_TAG && tag.value.eq_ignore_ascii_case("true"))
}

/// Tags as webhooks are told of them, without those that make a prompt one.
pub(super) fn pairs(tags: &[Tag]) -> Map<String, Value> {
    let told = tags.iter().filter(|tag| tag.key != PROMPT_TAG);
    told.map(|tag| (tag.key.clone(), tag.value.as_str().into())).collect()
}

/// The protocol's words for a name that is taken, which tell prompts and models apart.
fn taken(known: &RegisteredModel, new: &NewRegisteredModel) -> TrackingError {
    let (name, is_prompt) = (&new.name, |tags: &[Tag]| tags.iter().any(|tag| tag.key == PROMPT_TAG));
    TrackingError::AlreadyExists(match (is_prompt(&known.tags), is_prompt(&new.tags)) {
        (true, true) => format!("Prompt (name={name}) already exists."),
        (true, false) => {
            format!(
                "Tried to create a registered model with name '{name}', but the name is already taken by a prompt. MLflow does not allow \
                     creating a model and a prompt with the same name."
            )
        }
        (false, true) => {
            format!(
                "Tried to create a prompt with name '{name}', but the name is already taken by a registered model. MLflow \
                     does not allow creating a model and a prompt with the same name."
            )
        }
        (false, false) => format!("Registered Model (name={name}) already exists."),
    })
}

async fn rename(
    transaction: &mut Transaction,
    name: String,
    new_name: String,
    now: i64,
) -> Result<RegisteredModel, TrackingError> {
    let id = read::own_model_row(transaction, &name).await?.id;
    if new_name != name && read::find_model_row(transaction, &new_name).await?.is_some() {
        return Err(TrackingError::AlreadyExists(format!("Registered Model (name={new_name}) already exists.")));
    }
    let update = "UPDATE registered_models SET name = $2, last_update_time = $3 WHERE id = $1";
    transaction.execute(Statement::new(update).bind(id).bind(&new_name).bind(now)).await?;
    let update = "UPDATE model_versions SET last_update_time = $2 WHERE model = $1 AND deleted = 0";
    transaction.execute(Statement::new(update).bind(id).bind(now)).await?;
    read::model(transaction, &new_name).await
}

/// Sets tags of the model in row `id`.
pub(super) async fn set_tags(transaction: &mut Transaction, id: i64, tags: Vec<Tag>) -> Result<(), TrackingError> {
    let rows = tags.into_iter().map(|tag| vec![id.into(), tag.key.into(), tag.value.into()]).collect();
    let tail = " ON CONFLICT (model, key) DO UPDATE SET value = excluded.value";
    for insert in Statement::inserts("INSERT INTO registered_model_tags (model, key, value) VALUES ", rows, tail) {
        transaction.execute(insert).await?;
    }
    Ok(())
}
