//! Searching logged models: filter, scope by dataset, order, pages.

use baton_ledger::database::Statement;

use super::{LoggedModel, LoggedModelStatus, read};
use crate::filter::{self, Comparison, Dialect, Literal, Operator};
use crate::page::{Column, Part};
use crate::search::{self, Pages};
use crate::{Page, TrackingError, TrackingStore};

/// Rows of a page when the client does not say.
const DEFAULT_PAGE: i64 = 50;

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct LoggedModelSearch {
    /// The experiments to look in.
    pub experiment_ids: Vec<i64>,
    /// The filter as written.
    pub filter: String,
    /// If there are any: metrics count only if they were measured on one of these.
    pub datasets: Vec<DatasetScope>,
    /// Rows of a page.
    pub max_results: Option<i64>,
    /// By what to order, before the newest first.
    pub order_by: Vec<LoggedModelOrder>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// A dataset by name and, if it is given, content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetScope {
    /// The name.
    pub name: String,
    /// The digest.
    pub digest: Option<String>,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedModelOrder {
    /// An attribute, or `metrics.` and a key.
    pub field_name: String,
    /// Smallest first.
    pub ascending: bool,
    /// Which of a metric's values count: those measured on this.
    pub dataset: Option<DatasetScope>,
}

impl TrackingStore {
    /// A page of models.
    ///
    /// # Errors
    /// When the filter, the order or the token cannot be understood.
    pub async fn search_logged_models(&self, wanted: LoggedModelSearch) -> Result<Page<LoggedModel>, TrackingError> {
        if wanted.datasets.iter().any(|dataset| dataset.name.is_empty()) {
            let message = "`dataset_name` in the `datasets` clause must be specified.";
            return Err(TrackingError::invalid(message.to_owned()));
        }
        let rows = wanted.max_results.filter(|rows| *rows > 0).unwrap_or(DEFAULT_PAGE);
        let last = vec![Column::new("m.creation_time", false), Column::new("m.model_id", true)];
        let pages = Pages::new(columns(&wanted.order_by), last, wanted.page_token.as_deref(), rows)?;
        let mut select = Statement::new(format!(
            "SELECT {} FROM logged_models m WHERE m.deleted = 0 AND m.experiment IN ",
            read::COLUMNS
        ));
        search::push_list(&mut select, &wanted.experiment_ids);
        push_filter(&mut select, &wanted)?;
        if let Pages::Counted(_) = pages {
            push_order(&mut select, &wanted)?;
        }
        pages.push(&mut select);
        let mut transaction = self.snapshot().await?;
        let (rows, next) = pages.cut(transaction.all::<read::Row>(select).await?, part);
        Ok(Page { rows: read::whole(&mut transaction, rows).await?, next })
    }
}

/// The columns of an order by which every model has a place; none where metrics, which may be missing, order them.
fn columns(order_by: &[LoggedModelOrder]) -> Option<Vec<Column>> {
    order_by.iter().map(|key| Some(Column::new(column(&key.field_name)?, key.ascending))).collect()
}

fn part(row: &read::Row, column: &str) -> Part {
    match column {
        "m.name" => Part::Text(row.name.clone()),
        "m.model_type" => Part::Text(row.model_type.clone()),
        "m.source_run_id" => Part::Text(row.source_run_id.clone()),
        "m.status" => Part::Integer(row.status),
        "m.creation_time" => Part::Integer(row.creation_time),
        "m.last_update_time" => Part::Integer(row.last_update_time),
        _ => Part::Text(row.model_id.clone()),
    }
}

fn push_filter(select: &mut Statement, wanted: &LoggedModelSearch) -> Result<(), TrackingError> {
    let mut has_metrics = false;
    let condition = filter::parse(&wanted.filter, Dialect::Plain)?;
    select.push(" AND ");
    search::push_condition(select, &condition, &mut |select, comparison| {
        has_metrics |= is_metric(comparison);
        push_comparison(select, comparison, &wanted.datasets)
    })?;
    if !wanted.datasets.is_empty() && !has_metrics {
        select.push(" AND EXISTS (SELECT 1 FROM logged_model_metrics d WHERE d.model = m.id");
        push_scope(select, &wanted.datasets);
        select.push(")");
    }
    Ok(())
}

fn is_metric(comparison: &Comparison) -> bool {
    comparison.entity.as_deref() == Some("metrics")
}

fn push_comparison(
    select: &mut Statement,
    comparison: &Comparison,
    datasets: &[DatasetScope],
) -> Result<(), TrackingError> {
    let table = match comparison.entity.as_deref() {
        None | Some("attributes") => return push_attribute(select, comparison),
        Some("metrics") => {
            check_operator(comparison, true)?;
            push_latest(select, &comparison.key, datasets);
            return search::push_number(select, comparison);
        }
        Some("params") => "logged_model_params",
        Some("tags") => "logged_model_tags",
        Some(other) => {
            return Err(TrackingError::invalid(format!(
                "Invalid entity type: '{other}'. Expected one of ['attributes', 'metrics', 'params', 'tags']."
            )));
        }
    };
    check_operator(comparison, false)?;
    select.push("EXISTS (SELECT 1 FROM ").push(table).push(" t WHERE t.model = m.id AND t.key = ");
    select.push_bind(&comparison.key).push(" AND ");
    search::push_text(select, "t.value", comparison)?;
    select.push(")");
    Ok(())
}

fn push_attribute(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    let column = column(&comparison.key)
        .ok_or_else(|| TrackingError::invalid(format!("Invalid attribute key: '{}'.", comparison.key)))?;
    if is_numeric(column) {
        check_operator(comparison, true)?;
        select.push(column);
        return search::push_number(select, comparison);
    }
    check_operator(comparison, false)?;
    if column == "m.status" {
        return push_status(select, comparison);
    }
    search::push_text(select, column, comparison)
}

fn push_status(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    let words = match &comparison.value {
        Literal::List(words) => words.clone(),
        Literal::Text(word) | Literal::Bare(word) => vec![word.clone()],
        _ => Vec::new(),
    };
    let negated = match comparison.operator {
        Operator::Equal | Operator::In => false,
        Operator::NotEqual | Operator::NotIn => true,
        operator => {
            return Err(TrackingError::invalid(format!(
                "Invalid comparison operator for status: {}",
                operator.as_str()
            )));
        }
    };
    let unknown = || TrackingError::invalid(format!("Unknown model status in filter: '{}'", words.join("', '")));
    let statuses: Option<Vec<i64>> =
        words.iter().map(|word| LoggedModelStatus::of_word(word).map(LoggedModelStatus::number)).collect();
    select.push(if negated { "m.status NOT IN " } else { "m.status IN " });
    search::push_list(select, &statuses.filter(|found| !found.is_empty()).ok_or_else(unknown)?);
    Ok(())
}

fn check_operator(comparison: &Comparison, is_number: bool) -> Result<(), TrackingError> {
    let (fits, expected) = if is_number {
        (comparison.operator.is_numeric(), "('<', '<=', '>', '>=', '=', '!=')")
    } else {
        (search::compares_texts(comparison.operator), "('=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN')")
    };
    if fits {
        return Ok(());
    }
    let entity = comparison.entity.as_deref().unwrap_or("attributes");
    Err(TrackingError::invalid(format!(
        "Invalid comparison operator for {entity}.{}: '{}'. Expected one of {expected}.",
        comparison.key,
        comparison.operator.as_str()
    )))
}

fn column(key: &str) -> Option<&'static str> {
    let column = match key {
        "name" => "m.name",
        "model_id" => "m.model_id",
        "model_type" => "m.model_type",
        "status" => "m.status",
        "source_run_id" => "m.source_run_id",
        "creation_timestamp" | "creation_time" | "creation_timestamp_ms" => "m.creation_time",
        "last_updated_timestamp" | "last_updated_timestamp_ms" => "m.last_update_time",
        _ => return None,
    };
    Some(column)
}

fn is_numeric(column: &str) -> bool {
    matches!(column, "m.creation_time" | "m.last_update_time")
}

/// The newest value of a metric, by step, time and value; NULL where there is none.
fn push_latest(select: &mut Statement, key: &str, datasets: &[DatasetScope]) {
    select
        .push("(SELECT d.value FROM logged_model_metrics d WHERE d.model = m.id AND d.is_nan = 0 AND d.key = ")
        .push_bind(key);
    push_scope(select, datasets);
    select.push(" ORDER BY d.step DESC, d.timestamp DESC, d.value DESC LIMIT 1)");
}

fn push_scope(select: &mut Statement, datasets: &[DatasetScope]) {
    for (place, dataset) in datasets.iter().enumerate() {
        select.push(if place == 0 { " AND (" } else { " OR " });
        select.push("(d.dataset_name = ").push_bind(&dataset.name);
        if let Some(digest) = &dataset.digest {
            select.push(" AND d.dataset_digest = ").push_bind(digest);
        }
        select.push(")");
    }
    if !datasets.is_empty() {
        select.push(")");
    }
}

fn push_order(select: &mut Statement, wanted: &LoggedModelSearch) -> Result<(), TrackingError> {
    select.push(" ORDER BY ");
    for key in &wanted.order_by {
        let direction = if key.ascending { " ASC NULLS LAST, " } else { " DESC NULLS LAST, " };
        match key.field_name.split_once('.') {
            None => {
                let invalid = || TrackingError::invalid(format!("Invalid order by field name: {}", key.field_name));
                select.push(column(&key.field_name).ok_or_else(invalid)?);
            }
            Some(("metrics", metric)) => {
                let scope = key.dataset.as_ref().map_or(&wanted.datasets[..], std::slice::from_ref);
                push_latest(select, metric, scope);
            }
            Some(_) => {
                return Err(TrackingError::invalid(format!(
                    "Invalid order by field name: {}. Only metrics are supported.",
                    key.field_name
                )));
            }
        }
        select.push(direction);
    }
    select.push("m.creation_time DESC, m.model_id ASC");
    Ok(())
}
