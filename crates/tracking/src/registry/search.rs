//! Searching models and versions: filter, order, pages. Prompts are passed over unless they are asked for.

use baton_ledger::database::Statement;

use super::{ModelVersion, PROMPT_TAG, RegisteredModel, read};
use crate::filter::{self, Comparison, Condition, Dialect, Literal, Operator};
use crate::page::{Column, Part};
use crate::search::{self, Pages};
use crate::{Page, TrackingError, TrackingStore};

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct RegistrySearch {
    /// The filter as written.
    pub filter: String,
    /// Rows of a page.
    pub max_results: Option<i64>,
    /// `<key> [ASC|DESC]` each.
    pub order_by: Vec<String>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

impl TrackingStore {
    /// A page of registered models.
    ///
    /// # Errors
    /// When the filter, the order, the size or the token cannot be understood.
    pub async fn search_registered_models(
        &self,
        wanted: &RegistrySearch,
    ) -> Result<Page<RegisteredModel>, TrackingError> {
        let rows = page_size(wanted.max_results, 100, 1000)?;
        let last = vec![Column::new("m.name", true)];
        let pages = Pages::new(Some(columns(&wanted.order_by, &MODELS)?), last, wanted.page_token.as_deref(), rows)?;
        let mut select = Statement::new(format!("SELECT {} FROM registered_models m WHERE ", read::MODEL_COLUMNS));
        push_filter(&mut select, &wanted.filter, &MODELS)?;
        pages.push(&mut select);
        let mut transaction = self.snapshot().await?;
        let (rows, next) = pages.cut(transaction.all::<read::ModelRow>(select).await?, |row, column| match column {
            "m.creation_time" => Part::Integer(row.creation_time),
            "m.last_update_time" => Part::Integer(row.last_update_time),
            _ => Part::Text(row.name.clone()),
        });
        Ok(Page { rows: read::whole_models(&mut transaction, rows).await?, next })
    }

    /// A page of versions.
    ///
    /// # Errors
    /// As of [`Self::search_registered_models`].
    pub async fn search_model_versions(&self, wanted: &RegistrySearch) -> Result<Page<ModelVersion>, TrackingError> {
        let rows = page_size(wanted.max_results, 10_000, 200_000)?;
        let mut order = columns(&wanted.order_by, &VERSIONS)?;
        if order.is_empty() {
            order.push(Column::new("v.last_update_time", false));
        }
        let last = vec![Column::new("m.name", true), Column::new("v.version", false)];
        let pages = Pages::new(Some(order), last, wanted.page_token.as_deref(), rows)?;
        let mut select = Statement::new(format!(
            "SELECT {} FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE v.deleted = 0 AND ",
            read::VERSION_COLUMNS
        ));
        push_filter(&mut select, &wanted.filter, &VERSIONS)?;
        pages.push(&mut select);
        let mut transaction = self.snapshot().await?;
        let (rows, next) = pages.cut(transaction.all::<read::VersionRow>(select).await?, |row, column| match column {
            "m.name" => Part::Text(row.name.clone()),
            "v.creation_time" => Part::Integer(row.creation_time),
            "v.last_update_time" => Part::Integer(row.last_update_time),
            _ => Part::Integer(row.version),
        });
        let versions = read::whole_versions(&mut transaction, rows).await?;
        let without_aliases = |(_, version): (i64, ModelVersion)| ModelVersion { aliases: Vec::new(), ..version };
        Ok(Page { rows: versions.into_iter().map(without_aliases).collect(), next })
    }
}

/// What can be asked of a kind of row.
struct Kind {
    /// Attributes that filters know, with their columns and whether lists may be compared with them.
    attributes: &'static [(&'static str, &'static str, bool)],
    /// Keys that orders know, with their columns.
    orders: &'static [(&'static str, &'static str)],
    /// What tags belong to.
    tags: (&'static str, &'static str),
    /// The kind in messages.
    name: &'static str,
}

const MODELS: Kind = Kind {
    attributes: &[("name", "m.name", true)],
    orders: &[
        ("name", "m.name"),
        ("timestamp", "m.last_update_time"),
        ("last_updated_timestamp", "m.last_update_time"),
        ("creation_timestamp", "m.creation_time"),
    ],
    tags: ("registered_model_tags", "t.model = m.id"),
    name: "registered model",
};

const VERSIONS: Kind = Kind {
    attributes: &[
        ("name", "m.name", true),
        ("version_number", "v.version", false),
        ("run_id", "v.run_id", true),
        ("source_path", "v.source", false),
    ],
    orders: &[
        ("name", "m.name"),
        ("version_number", "v.version"),
        ("creation_timestamp", "v.creation_time"),
        ("last_updated_timestamp", "v.last_update_time"),
    ],
    tags: ("model_version_tags", "t.model_version = v.id"),
    name: "model version",
};

fn page_size(wanted: Option<i64>, otherwise: i64, most: i64) -> Result<i64, TrackingError> {
    let rows = wanted.unwrap_or(otherwise);
    if rows < 1 {
        return Err(TrackingError::invalid(format!(
            "Invalid value {rows} for parameter 'max_results' supplied. It must be a positive integer, but got {rows}"
        )));
    }
    if rows > most {
        return Err(TrackingError::invalid(format!(
            "Invalid value {rows} for parameter 'max_results' supplied. It must be at most {most}, but got value {rows}"
        )));
    }
    Ok(rows)
}

fn push_filter(select: &mut Statement, text: &str, kind: &Kind) -> Result<(), TrackingError> {
    let condition = filter::parse(text, Dialect::Plain)?;
    if !wants_prompts(&condition) {
        select.push("NOT ");
    }
    select.push("EXISTS (SELECT 1 FROM registered_model_tags p WHERE p.model = m.id AND p.key = ");
    select.push_bind(PROMPT_TAG).push(" AND p.value = 'true')");
    select.push(" AND ");
    search::push_condition(select, &condition, &mut |select, comparison| push_comparison(select, comparison, kind))
}

/// Whether the filter says that prompts are wanted: `is_prompt = 'true'`, or that they must not be anything else.
fn wants_prompts(condition: &Condition) -> bool {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => conditions.iter().any(wants_prompts),
        Condition::Not(_) => false,
        Condition::Is(comparison) if is_prompt(comparison) => {
            let says = |word: &str| matches!(&comparison.value, Literal::Text(text) if text.eq_ignore_ascii_case(word));
            match comparison.operator {
                Operator::Equal => says("true"),
                Operator::NotEqual => says("false"),
                _ => false,
            }
        }
        Condition::Is(_) => false,
    }
}

fn is_prompt(comparison: &Comparison) -> bool {
    matches!(comparison.entity.as_deref(), Some("tag" | "tags")) && comparison.key == PROMPT_TAG
}

fn push_comparison(select: &mut Statement, comparison: &Comparison, kind: &Kind) -> Result<(), TrackingError> {
    if matches!(comparison.value, Literal::None) {
        return Err(TrackingError::invalid(format!(
            "IS NULL / IS NOT NULL is not supported for {} search.",
            kind.name
        )));
    }
    match comparison.entity.as_deref() {
        // Prompts are told from models already.
        Some("tag" | "tags") if is_prompt(comparison) => {
            select.push("1 = 1");
            Ok(())
        }
        Some("tag" | "tags") => push_tag(select, comparison, kind),
        None | Some("attribute") => push_attribute(select, comparison, kind),
        Some(other) => Err(TrackingError::invalid(format!(
            "Invalid entity type '{other}'. Valid entity types are ('attribute', 'tag', 'tags')"
        ))),
    }
}

fn push_tag(select: &mut Statement, comparison: &Comparison, kind: &Kind) -> Result<(), TrackingError> {
    let fits = matches!(comparison.operator, Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike);
    if !fits {
        return Err(TrackingError::invalid(format!("Invalid comparator for tag: {}", comparison.operator.as_str())));
    }
    let (table, belongs) = kind.tags;
    select.push("EXISTS (SELECT 1 FROM ").push(table).push(" t WHERE ").push(belongs).push(" AND t.key = ");
    select.push_bind(&comparison.key).push(" AND ");
    search::push_text(select, "t.value", comparison)?;
    select.push(")");
    Ok(())
}

fn push_attribute(select: &mut Statement, comparison: &Comparison, kind: &Kind) -> Result<(), TrackingError> {
    let found = kind.attributes.iter().find(|(key, ..)| *key == comparison.key);
    let Some((key, column, takes_lists)) = found else {
        let known: Vec<&str> = kind.attributes.iter().map(|(key, ..)| *key).collect();
        return Err(TrackingError::invalid(format!(
            "Invalid attribute key '{}' specified. Valid keys are '{{'{}'}}'",
            comparison.key,
            known.join("', '")
        )));
    };
    if *key == "version_number" {
        return push_version(select, comparison);
    }
    let is_list = matches!(comparison.operator, Operator::In | Operator::NotIn);
    if !search::compares_texts(comparison.operator) || (is_list && !takes_lists) {
        return Err(TrackingError::invalid(format!(
            "Invalid comparator for attribute: {}",
            comparison.operator.as_str()
        )));
    }
    search::push_text(select, column, comparison)
}

/// Numbers of versions may be written as numbers or as texts of whole numbers.
fn push_version(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    if !comparison.operator.is_numeric() {
        return Err(TrackingError::invalid(format!(
            "Invalid comparator for attribute version_number: {}",
            comparison.operator.as_str()
        )));
    }
    let text = match &comparison.value {
        Literal::Number(text, _) | Literal::Text(text) => text.as_str(),
        _ => "",
    };
    let wrong = |_| TrackingError::invalid(format!("Invalid value for numeric attribute 'version_number': '{text}'"));
    let number: i64 = text.parse().map_err(wrong)?;
    select.push("v.version ").push(comparison.operator.as_str()).push(" ").push_bind(number);
    Ok(())
}

fn columns(order_by: &[String], kind: &Kind) -> Result<Vec<Column>, TrackingError> {
    let mut seen: Vec<Column> = Vec::new();
    for key in filter::order(order_by)? {
        let column = kind
            .orders
            .iter()
            .find(|(known, _)| *known == key.key && key.entity.as_deref().is_none_or(|entity| entity == "attribute"));
        let Some((_, column)) = column else {
            let known: Vec<&str> = kind.orders.iter().map(|(key, _)| *key).collect();
            return Err(TrackingError::invalid(format!(
                "Invalid attribute key '{}' specified. Valid keys are '{{'{}'}}'",
                key.key,
                known.join("', '")
            )));
        };
        if seen.iter().any(|known| known.sql == *column) {
            return Err(TrackingError::Internal(format!("`order_by` contains duplicate fields: {order_by:?}")));
        }
        seen.push(Column::new(*column, key.ascending));
    }
    Ok(seen)
}
