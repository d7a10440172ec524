//! Figures of traces for dashboards.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use baton_core::time::timestamp_from_micros;
use baton_tracking::trace::{Aggregation, MetricPoint, MetricQuery, MetricView};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::Shared;

const VIEWS: [&str; 3] = ["TRACES", "SPANS", "ASSESSMENTS"];
const AGGREGATIONS: [&str; 6] = ["COUNT", "SUM", "AVG", "PERCENTILE", "MIN", "MAX"];

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/traces/metrics", post(ask))
}

#[derive(Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data_points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    metric_name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    dimensions: Map<String, Value>,
    values: Map<String, Value>,
}

async fn ask(State(tracking): State<Shared>, fields: Fields) -> Answer<Listed> {
    let experiment_ids = fields.experiments("experiment_ids")?;
    let view = match fields.choice("view_type", &VIEWS)? {
        Some("TRACES") => MetricView::Traces,
        Some("SPANS") => MetricView::Spans,
        Some(_) => MetricView::Assessments,
        None => return Err(fields.missing("view_type")),
    };
    let metric = fields.required_text("metric_name")?;
    let asked = fields.list("aggregations")?;
    if asked.is_empty() {
        return Err(fields.missing("aggregations"));
    }
    let query = MetricQuery {
        experiment_ids,
        view,
        metric,
        aggregations: asked.iter().map(aggregation).collect::<Result<_, _>>()?,
        dimensions: fields.texts("dimensions")?,
        filters: fields.texts("filters")?,
        interval: fields.int("time_interval_seconds")?.filter(|seconds| *seconds != 0),
        from: fields.int("start_time_ms")?,
        until: fields.int("end_time_ms")?,
        most: fields.int("max_results")?.map(|rows| usize::try_from(rows).unwrap_or_default()),
    };
    let points = tracking.store.trace_metrics(&query).await?;
    Ok(Json(Listed { data_points: points.into_iter().map(|point| shown(&query, point)).collect() }))
}

fn aggregation(fields: &Fields) -> Result<Aggregation, WireError> {
    let percent = fields.double("percentile_value")?;
    let aggregation = match fields.choice("aggregation_type", &AGGREGATIONS)? {
        Some("COUNT") => Aggregation::Count,
        Some("SUM") => Aggregation::Sum,
        Some("AVG") => Aggregation::Average,
        Some("MIN") => Aggregation::Minimum,
        Some("MAX") => Aggregation::Maximum,
        Some(_) => {
            let missing = || WireError::invalid("Percentile value is required for PERCENTILE aggregation");
            let percent = percent.ok_or_else(missing)?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(WireError::invalid(format!("Percentile value must be between 0 and 100, got {percent}")));
            }
            return Ok(Aggregation::Percentile(percent));
        }
        None => return Err(fields.missing("aggregation_type")),
    };
    match percent {
        None => Ok(aggregation),
        Some(_) => Err(WireError::invalid(format!(
            "Percentile value is only allowed for PERCENTILE aggregation type, got {}",
            aggregation.as_str()
        ))),
    }
}

fn shown(query: &MetricQuery, point: MetricPoint) -> Point {
    let mut dimensions = Map::new();
    if let Some(begins) = point.begins {
        let instant = timestamp_from_micros(begins.saturating_mul(1000));
        dimensions.insert("time_bucket".to_owned(), instant.format("%Y-%m-%dT%H:%M:%S+00:00").to_string().into());
    }
    dimensions.extend(query.dimensions.iter().cloned().zip(point.dimensions.into_iter().map(Value::String)));
    let name = |aggregation: &Aggregation| match aggregation {
        Aggregation::Percentile(percent) => format!("P{percent:?}"),
        other => other.as_str().to_owned(),
    };
    let values = query.aggregations.iter().map(name).zip(point.values.into_iter().map(Value::from)).collect();
    Point { metric_name: query.metric.clone(), dimensions, values }
}
