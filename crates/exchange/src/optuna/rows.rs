//! Rows of studies and trials.

use baton_ledger::database::{Database, Statement};
use serde_json::Value;

use crate::error::Result;
use crate::time::milliseconds;

/// A study with its trials.
pub(super) struct Study {
    pub(super) id: i64,
    pub(super) name: String,
    /// `minimize` or `maximize`, of each objective.
    pub(super) directions: Vec<String>,
    /// What its objectives are called.
    pub(super) metrics: Vec<String>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) trials: Vec<Trial>,
}

/// A trial, without what it measured.
pub(super) struct Trial {
    pub(super) id: i64,
    pub(super) number: i64,
    pub(super) state: String,
    pub(super) began: Option<i64>,
    pub(super) ended: Option<i64>,
}

/// A key and its value, of the user's or of Optuna itself.
pub(super) struct Attribute {
    pub(super) kind: &'static str,
    pub(super) key: String,
    pub(super) value: Value,
}

/// All studies by number.
pub(super) async fn studies(database: &Database) -> Result<Vec<Study>> {
    let text = "SELECT study_id, study_name FROM studies ORDER BY study_id";
    let mut studies = Vec::new();
    for (id, name) in database.all::<(i64, String)>(Statement::new(text)).await? {
        let text = "SELECT lower(direction) FROM study_directions WHERE study_id = $1 ORDER BY objective";
        let directions = database.all::<(String,)>(Statement::new(text).bind(id)).await?;
        let directions: Vec<String> = directions.into_iter().map(|(direction,)| direction).collect();
        let attributes = attributes(database, "study", id).await?;
        let metrics = metrics(&attributes, directions.len());
        studies.push(Study { id, name, directions, metrics, attributes, trials: trials(database, id).await? });
    }
    Ok(studies)
}

/// What the objectives are called: as the user said, or `value`; of several, with their numbers, as Optuna's own callback for
/// MLflow has it.
fn metrics(attributes: &[Attribute], objectives: usize) -> Vec<String> {
    let said = attributes.iter().find(|attribute| attribute.key == "study:metric_names");
    let said = said.and_then(|attribute| attribute.value.as_array());
    let said: Vec<String> = said.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    match (said.len() == objectives, objectives) {
        (true, _) => said,
        (false, 0 | 1) => vec!["value".to_owned()],
        (false, several) => (0..several).map(|number| format!("value_{number}")).collect(),
    }
}

async fn trials(database: &Database, study: i64) -> Result<Vec<Trial>> {
    let text = "SELECT trial_id, number, state, CAST(datetime_start AS TEXT), CAST(datetime_complete AS TEXT) \
                FROM trials WHERE study_id = $1 ORDER BY number";
    type Row = (i64, i64, String, Option<String>, Option<String>);
    let rows: Vec<Row> = database.all(Statement::new(text).bind(study)).await?;
    let instant = |text: Option<String>| text.and_then(|text| milliseconds(&text));
    let trial =
        |(id, number, state, began, ended)| Trial { id, number, state, began: instant(began), ended: instant(ended) };
    Ok(rows.into_iter().map(trial).collect())
}

/// The attributes of a `study` or `trial`. A value that is no JSON is a text.
pub(super) async fn attributes(database: &Database, owner: &str, id: i64) -> Result<Vec<Attribute>> {
    let mut found = Vec::new();
    for kind in ["user", "system"] {
        let text = format!("SELECT key, value_json FROM {owner}_{kind}_attributes WHERE {owner}_id = $1 ORDER BY key");
        for (key, value) in database.all::<(String, String)>(Statement::new(text).bind(id)).await? {
            let value = serde_json::from_str(&value).unwrap_or_else(|_no_json| Value::from(value));
            found.push(Attribute { kind, key, value });
        }
    }
    Ok(found)
}
