//! Finding experiments.

use baton_ledger::database::Statement;

use super::{COLUMNS, Experiment, with_tags};
use crate::error::{Result, TrackingError};
use crate::filter::{self, Comparison, Condition, Dialect, Literal, Operator, Order, sql};
use crate::page::{self, Column, Part};
use crate::store::TrackingStore;
use crate::{Page, View, validate};

/// What experiments are looked for.
#[derive(Debug, Clone, Default)]
pub struct ExperimentSearch {
    /// A filter; an empty one finds all.
    pub filter: String,
    /// What the filter may hold.
    pub dialect: Dialect,
    /// Which stage is looked at.
    pub view: View,
    /// The most that are answered.
    pub max_results: usize,
    /// Keys to order by; without any, the newest come first.
    pub order_by: Vec<String>,
    /// The page, as the one before it said.
    pub page_token: Option<String>,
}

impl TrackingStore {
    /// Finds experiments.
    ///
    /// # Errors
    /// [`TrackingError::Invalid`] for a filter, an order or a token that cannot be read.
    pub async fn search_experiments(&self, search: ExperimentSearch) -> Result<Page<Experiment>> {
        let condition = filter::parse(&search.filter, search.dialect)?;
        let columns = columns(&filter::order(&search.order_by)?)?;
        let mut statement = Statement::new(format!("SELECT {COLUMNS} FROM experiments e WHERE "));
        write(&mut statement, &condition)?;
        if let Some(stage) = search.view.stage() {
            statement.push(" AND e.lifecycle_stage = ").push_bind(stage.as_str());
        }
        if let Some(token) = &search.page_token {
            page::behind(&mut statement, &columns, &page::decode(token, columns.len())?);
        }
        page::order_by(&mut statement, &columns);
        statement.push(" LIMIT ").push_bind(i64::try_from(search.max_results).unwrap_or(i64::MAX).saturating_add(1));
        let mut transaction = self.snapshot().await?;
        let rows = transaction.all(statement).await?;
        let found = with_tags(&mut transaction, rows).await?;
        Ok(page::page(found, search.max_results, |experiment| order_of(experiment, &columns)))
    }
}

/// The columns to order by; the number decides between equals.
fn columns(order: &[Order]) -> Result<Vec<Column>> {
    if order.is_empty() {
        return Ok(vec![Column::new("e.creation_time", false), Column::new("e.id", true)]);
    }
    let mut columns = Vec::new();
    for key in order {
        if !is_attribute(key.entity.as_deref())? {
            return Err(TrackingError::invalid("Invalid order_by entity: tag"));
        }
        columns.push(Column::new(column(&key.key)?, key.ascending));
    }
    if columns.iter().all(|column| column.sql != "e.id") {
        columns.push(Column::new("e.id", false));
    }
    Ok(columns)
}

fn order_of(experiment: &Experiment, columns: &[Column]) -> Vec<Part> {
    let part = |column: &Column| match column.sql.as_str() {
        "e.name" => Part::Text(experiment.name.clone()),
        "e.creation_time" => Part::Integer(experiment.creation_time),
        "e.last_update_time" => Part::Integer(experiment.last_update_time),
        _ => Part::Integer(experiment.id),
    };
    columns.iter().map(part).collect()
}

fn is_attribute(entity: Option<&str>) -> Result<bool> {
    match entity {
        None | Some("attribute" | "attributes") => Ok(true),
        Some("tag" | "tags") => Ok(false),
        Some(other) => Err(TrackingError::invalid(format!(
            "Invalid entity type '{other}'. Valid entity types are ('attribute', 'attributes', 'tag', 'tags')"
        ))),
    }
}

fn column(key: &str) -> Result<&'static str> {
    Ok(match key {
        "name" => "e.name",
        "experiment_id" => "e.id",
        "creation_time" => "e.creation_time",
        "last_update_time" => "e.last_update_time",
        other => {
            return Err(TrackingError::invalid(format!(
                "Invalid attribute key '{other}' specified. Valid keys are '{{'creation_time', 'experiment_id', \
                 'last_update_time', 'name'}}'"
            )));
        }
    })
}

/// Adds what `condition` asks for.
fn write(statement: &mut Statement, condition: &Condition) -> Result<()> {
    match condition {
        Condition::All(conditions) => write_joined(statement, conditions, " AND ", "1 = 1"),
        Condition::Any(conditions) => write_joined(statement, conditions, " OR ", "1 = 0"),
        Condition::Not(condition) => {
            statement.push("NOT (");
            write(statement, condition)?;
            statement.push(")");
            Ok(())
        }
        Condition::Is(comparison) if is_attribute(comparison.entity.as_deref())? => {
            write_attribute(statement, comparison)
        }
        Condition::Is(comparison) => write_tag(statement, comparison),
    }
}

fn write_joined(statement: &mut Statement, conditions: &[Condition], joint: &str, none: &str) -> Result<()> {
    statement.push("(");
    for (place, condition) in conditions.iter().enumerate() {
        statement.push(if place == 0 { "" } else { joint });
        write(statement, condition)?;
    }
    statement.push(if conditions.is_empty() { none } else { "" }).push(")");
    Ok(())
}

fn write_attribute(statement: &mut Statement, comparison: &Comparison) -> Result<()> {
    let Comparison { key, operator, value, .. } = comparison;
    let column = column(key)?;
    if let Operator::IsNull | Operator::IsNotNull = operator {
        return Err(TrackingError::invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags, not for attribute '{key}'"
        )));
    }
    match column {
        "e.name" => {
            if let Literal::List(_) = value {
                let message =
                    "Only ['experiment_id'] attributes support comparison with a list of quoted string values.";
                return Err(TrackingError::invalid(message));
            }
            if !matches!(operator, Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike) {
                value.quoted("attributes. Got value")?;
                let known = "{'!=', '=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'}";
                let message = format!("Invalid comparator '{}' not one of '{known}'", operator.as_str());
                return Err(TrackingError::invalid(message));
            }
            sql::compare_text(statement, column, *operator, value, "attributes. Got value")
        }
        "e.id" => write_id(statement, *operator, value),
        _ => write_time(statement, column, comparison),
    }
}

/// Numbers of experiments are written as texts.
fn write_id(statement: &mut Statement, operator: Operator, value: &Literal) -> Result<()> {
    let texts = match (operator, value) {
        (Operator::In | Operator::NotIn, Literal::List(texts)) => texts.clone(),
        (Operator::Equal | Operator::NotEqual, value) => vec![value.quoted("attributes. Got value")?.to_owned()],
        _ => {
            let message = format!("Invalid comparator for experiment_id: {}", operator.as_str());
            return Err(TrackingError::invalid(message));
        }
    };
    let is_within = matches!(operator, Operator::In | Operator::Equal);
    statement.push(if is_within { "e.id IN (" } else { "e.id NOT IN (" });
    for (place, text) in texts.iter().enumerate() {
        statement.push(if place == 0 { "" } else { ", " }).push_bind(validate::experiment_id(text)?);
    }
    statement.push(")");
    Ok(())
}

fn write_time(statement: &mut Statement, column: &str, comparison: &Comparison) -> Result<()> {
    let Comparison { key, operator, value, .. } = comparison;
    let Literal::Number(text, _) = value else {
        return Err(TrackingError::invalid(format!(
            "Expected numeric value type for numeric attribute: {key}. Found {}",
            value.shown()
        )));
    };
    if !operator.is_numeric() {
        let message = format!("Invalid comparator for numeric attribute: {}", operator.as_str());
        return Err(TrackingError::invalid(message));
    }
    let time: i64 = text
        .parse()
        .map_err(|_| TrackingError::invalid(format!("Invalid value for numeric attribute '{key}': '{text}'")))?;
    statement.push(column).push(" ").push(operator.as_str()).push(" ").push_bind(time);
    Ok(())
}

fn write_tag(statement: &mut Statement, comparison: &Comparison) -> Result<()> {
    let Comparison { key, operator, value, .. } = comparison;
    let absent = *operator == Operator::IsNull;
    statement.push(if absent { "NOT " } else { "" });
    statement.push("EXISTS (SELECT 1 FROM experiment_tags t WHERE t.experiment = e.id AND t.key = ").push_bind(key);
    match operator {
        Operator::IsNull | Operator::IsNotNull => {}
        Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike => {
            statement.push(" AND ");
            sql::compare_text(statement, "t.value", *operator, value, "tag (e.g. 'my-value'). Got value")?;
        }
        other => return Err(TrackingError::invalid(format!("Invalid comparator for tag: {}", other.as_str()))),
    }
    statement.push(")");
    Ok(())
}
