//! `baton predict`: an endpoint asked without a server; the prediction is logged like any other.

use std::sync::Arc;

use baton_core::scalar::Scalar;
use baton_serving::{EndpointRouter, PredictRequest, PredictResponse, PredictionIds, PredictionService, RequestRow};
use serde_json::{Value, json};

use super::{end_at_interrupt, text_or_stdin};
use crate::args::PredictArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::render::{Table, style};
use crate::wire::{self, Access};
use crate::{deploy, instant, output};

/// Predicts rows given by entity keys, by features, or both.
pub(super) async fn predict(context: &Context, arguments: &PredictArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let rows = request_rows(&text_or_stdin(&arguments.json)?)?;
    let workspace = Workspace::open(context, Access::Write).await?;
    workspace.need_endpoint(&arguments.endpoint, "predict")?;
    let at = workspace.as_of();
    let served = deploy::served(&workspace).await?;
    let log = wire::prediction_log(workspace.services())?;
    let service = PredictionService::new(Arc::new(EndpointRouter::new(served)), Arc::new(log))?;
    let request = PredictRequest { rows, request_id: None, at, ids: PredictionIds::Fresh };
    let response = service.predict(&arguments.endpoint, request).await?;
    if context.is_json() {
        output::print_json(&as_json(&response))?;
    } else {
        output::print(&as_text(&response))?;
    }
    Ok(Outcome::Fine)
}

fn request_rows(text: &str) -> Result<Vec<RequestRow>, CliError> {
    let help = "give a JSON object such as '{\"flight_id\": \"UA-1545-EWR-…\"}', or an array of such objects";
    let refuse = |message: String| CliError::argument(message, help);
    let value: Value = serde_json::from_str(text).map_err(|error| refuse(format!("--json is no JSON: {error}")))?;
    let rows = match value {
        Value::Array(rows) => rows,
        row => vec![row],
    };
    if rows.is_empty() {
        return Err(refuse("--json holds no row".to_owned()));
    }
    let read = |row: Value| -> Result<RequestRow, CliError> {
        serde_json::from_value(row)
            .map_err(|error| refuse(format!("--json holds a row that is no object of plain values: {error}")))
    };
    rows.into_iter().map(read).collect()
}

fn as_json(response: &PredictResponse) -> Value {
    let predictions = response.predictions.iter().map(|row| {
        let features =
            row.features.iter().map(|(name, value, status)| json!({"name": &**name, "value": value, "status": status}));
        json!({
            "id": row.id,
            "score": row.score,
            "model": &*row.model,
            "version": row.version,
            "variant": row.variant,
            "keys": row.keys,
            "features": features.collect::<Vec<_>>(),
        })
    });
    json!({
        "endpoint": &*response.endpoint,
        "revision": response.revision,
        "at": response.at,
        "predictions": predictions.collect::<Vec<_>>(),
    })
}

fn as_text(response: &PredictResponse) -> String {
    let mut text = String::new();
    for row in &response.predictions {
        let keys: Vec<String> = row.keys.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
        let model = format!("{}@{} ({})", row.model, row.version, row.variant.as_str());
        text.push_str(&format!("{}  {}\n", style::heading(&format!("{:.4}", row.score)), keys.join(" ")));
        text.push_str(&format!("  {model}, as of {}, id {}\n", instant::show(response.at), row.id));
        let mut table = Table::new(&["feature", ">value", "status"]);
        for (name, value, status) in &row.features {
            table.row([name.to_string(), shown(value), status.as_str().to_owned()]);
        }
        text.push_str(&table.render("  "));
    }
    text.push_str(&style::muted(&format!("logged; `baton trace {}` says where it comes from\n", first_id(response))));
    text
}

fn first_id(response: &PredictResponse) -> &str {
    response.predictions.first().map_or("", |row| row.id.as_str())
}

fn shown(value: &Scalar) -> String {
    match value {
        Scalar::Null => String::new(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => format!("{value:.4}"),
        Scalar::Text(value) => value.clone(),
    }
}
