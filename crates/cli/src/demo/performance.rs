//! How each model version did month by month, from the predictions that were made and the outcomes that came.

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use baton_orchestrator::Services;
use serde::Serialize;

use super::ENVIRONMENT;
use crate::error::CliError;

/// A model version's month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Month {
    /// `2013-07`.
    pub(super) month: String,
    /// The version that predicted.
    pub(super) version: i64,
    /// Predictions with an outcome.
    pub(super) rows: i64,
    /// Share of late flights, 0 to 1.
    pub(super) late: f64,
    /// Area under the ROC curve.
    pub(super) roc_auc: f64,
}

/// The area is that of the Mann-Whitney statistic: (R - n1 (n1 + 1) / 2) / (n1 n0) with R the sum of the ranks of late
/// flights and n1, n0 the late and the other flights; equal scores share their mean rank.
const SQL: &str = "
with scored as (
  select to_char(date_trunc('month', p.scheduled_at), '%Y-%m') as month, p.model_version, p.score, o.is_late
  from delay_predictions p join outcomes o on p.flight_id = o.flight_id
), ranked as (
  select month, model_version, is_late,
    rank() over (partition by month, model_version order by score)
      + (count(*) over (partition by month, model_version, score) - 1) / 2.0 as place
  from scored
), summed as (
  select month, model_version, count(*) as n,
    cast(sum(case when is_late then 1 else 0 end) as double) as n1,
    cast(sum(case when is_late then place else 0 end) as double) as r
  from ranked group by month, model_version
)
select month, cast(model_version as bigint) as version, cast(n as bigint) as n, n1 / n as late,
  (r - n1 * (n1 + 1) / 2) / nullif(n1 * (n - n1), 0) as roc_auc
from summed order by month, version";

/// All months, oldest first.
///
/// # Errors
/// Those of the query.
pub(super) async fn months(services: &Services) -> Result<Vec<Month>, CliError> {
    let (_, batches) = baton_orchestrator::query(services, ENVIRONMENT, None, SQL).await?;
    let mut months = Vec::new();
    for batch in &batches {
        months.extend(read(batch)?);
    }
    Ok(months)
}

fn read(batch: &RecordBatch) -> Result<Vec<Month>, CliError> {
    let text = arrow::compute::cast(batch.column(0), &DataType::Utf8)?;
    let months = text.as_string::<i32>();
    let whole = |column: usize| batch.column(column).as_primitive::<Int64Type>();
    let share = |column: usize| batch.column(column).as_primitive::<Float64Type>();
    let row = |row: usize| Month {
        month: months.value(row).to_owned(),
        version: whole(1).value(row),
        rows: whole(2).value(row),
        late: share(3).value(row),
        roc_auc: share(4).value(row),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}
