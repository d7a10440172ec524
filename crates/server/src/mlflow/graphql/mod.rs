//! GraphQL over what is tracked, as MLflow's web interface asks it: a request is read ([`plan`]), checked against its limits
//! ([`limits`]) and answered from the same handlers as the paths of version 2 ([`answer`]).
//!
//! It answers 200 whatever a query holds; what is wrong stands in `errors`, as texts. There is no introspection.

mod answer;
mod inputs;
mod limits;
mod plan;
mod schema;
#[cfg(test)]
mod tests;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use graphql_parser::parse_query;
use graphql_parser::query::Document;
use serde_json::{Map, Value, json};

use self::answer::Answering;
use self::schema::Schema;
use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::Shared;

/// A query as it was parsed; its words are those of the request.
type Parsed<'a> = Document<'a, &'a str>;

/// Whole paths.
pub(super) fn root() -> Router<Shared> {
    Router::new().route("/graphql", get(ask).post(ask))
}

async fn ask(State(tracking): State<Shared>, fields: Fields) -> Answer<Value> {
    let text = fields.required_text("query")?;
    let operation = fields.text("operationName")?;
    let schema = Schema::get()?;
    // What was parsed is not held while it is answered.
    let planned = read(schema, &text, operation.as_deref(), &variables(&fields)?);
    let (data, errors) = match planned {
        Err(errors) => (Value::Null, errors),
        Ok((kind, chosen)) => {
            let mut answering = Answering::new(schema, tracking);
            let data = answering.object(kind, &Value::Null, &chosen).await;
            (data, answering.errors)
        }
    };
    let errors = if errors.is_empty() { Value::Null } else { errors.into() };
    Ok(Json(json!({"data": data, "errors": errors})))
}

/// The operation's type and what it asks for, or all that is wrong with the query.
fn read(
    schema: &'static Schema,
    text: &str,
    operation: Option<&str>,
    variables: &Map<String, Value>,
) -> Result<(&'static str, Vec<plan::Chosen>), Vec<String>> {
    let parsed: Parsed<'_> = parse_query(text).map_err(|error| vec![format!("Syntax Error: {error}")])?;
    limits::check(&parsed).map_err(|error| vec![error])?;
    plan::plan(schema, &parsed, operation, variables)
}

/// The values of variables: an object, which a request without a body writes as text.
fn variables(fields: &Fields) -> Result<Map<String, Value>, WireError> {
    let given = match fields.value("variables") {
        Some(Value::Array(texts)) => texts.first().and_then(Value::as_str).map(serde_json::from_str),
        given => given.cloned().map(Ok),
    };
    match given {
        None | Some(Ok(Value::Null)) => Ok(Map::new()),
        Some(Ok(Value::Object(values))) => Ok(values),
        Some(_) => Err(fields.wrong_value("variables")),
    }
}
