//! What a filter asks of a run, and its SQL over `runs r`.

use baton_ledger::database::Statement;

use super::attribute::{Attribute, Entity};
use crate::error::{Result, TrackingError};
use crate::filter::{Comparison, Condition, Dialect, Literal, Operator, sql};
use crate::input::CONTEXT_TAG;

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Predicate {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Metric {
        key: String,
        operator: Operator,
        value: f64,
    },
    /// Of a parameter or tag.
    Text {
        table: &'static str,
        key: String,
        operator: Operator,
        value: Literal,
    },
    Attribute {
        attribute: Attribute,
        operator: Operator,
        value: Literal,
    },
    Dataset {
        column: &'static str,
        operator: Operator,
        value: Literal,
    },
}

impl Predicate {
    /// What `condition` asks of a run, or what is wrong with it in MLflow's words.
    pub(super) fn of(condition: &Condition, dialect: Dialect) -> Result<Self> {
        let each =
            |conditions: &[Condition]| conditions.iter().map(|one| Self::of(one, dialect)).collect::<Result<Vec<_>>>();
        Ok(match condition {
            Condition::All(conditions) => Self::All(each(conditions)?),
            Condition::Any(conditions) => Self::Any(each(conditions)?),
            Condition::Not(condition) => Self::Not(Box::new(Self::of(condition, dialect)?)),
            Condition::Is(comparison) => Self::of_comparison(comparison, dialect)?,
        })
    }

    fn of_comparison(comparison: &Comparison, dialect: Dialect) -> Result<Self> {
        let Comparison { entity, key, operator, value } = comparison.clone();
        let entity = Entity::of(entity.as_deref())?;
        if let Operator::IsNull | Operator::IsNotNull = operator
            && !matches!(entity, Entity::Param | Entity::Tag)
        {
            let entity = entity.as_str();
            return Err(TrackingError::invalid(format!(
                "IS NULL / IS NOT NULL is only supported for tags and params, not for '{entity}' '{key}'"
            )));
        }
        match entity {
            Entity::Metric => metric(key, operator, &value),
            Entity::Param => text("params", entity, key, operator, value, dialect),
            Entity::Tag => text("tags", entity, key, operator, value, dialect),
            Entity::Attribute => attribute(&key, operator, value, dialect),
            Entity::Dataset => dataset(&key, operator, value),
        }
    }

    /// The parts that all must hold.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// Adds the condition on `r`.
    pub(super) fn write(&self, statement: &mut Statement) -> Result<()> {
        match self {
            Self::All(parts) => write_joined(statement, parts, " AND ", "1 = 1"),
            Self::Any(parts) => write_joined(statement, parts, " OR ", "1 = 0"),
            Self::Not(part) => {
                statement.push("NOT (");
                part.write(statement)?;
                statement.push(")");
                Ok(())
            }
            Self::Metric { key, operator, value } => {
                statement.push("EXISTS (SELECT 1 FROM latest_metrics m WHERE m.run = r.id AND m.key = ").push_bind(key);
                write_number(statement, "m", *operator, *value);
                statement.push(")");
                Ok(())
            }
            Self::Text { table, key, operator, value } => write_text(statement, table, key, *operator, value),
            Self::Attribute { attribute, operator, value } => write_attribute(statement, *attribute, *operator, value),
            Self::Dataset { column, operator, value } => write_dataset(statement, column, *operator, value),
        }
    }
}

/// Adds ` AND …` on the value of a metric. NaN is unequal to every number, and nothing else.
pub(super) fn write_number(statement: &mut Statement, alias: &str, operator: Operator, value: f64) {
    let sign = operator.as_str();
    if operator == Operator::NotEqual {
        statement.push(&format!(" AND ({alias}.is_nan = 1 OR {alias}.value {sign} ")).push_bind(value).push(")");
    } else {
        statement.push(&format!(" AND {alias}.is_nan = 0 AND {alias}.value {sign} ")).push_bind(value);
    }
}

fn write_joined(statement: &mut Statement, parts: &[Predicate], joint: &str, none: &str) -> Result<()> {
    statement.push("(");
    for (place, part) in parts.iter().enumerate() {
        statement.push(if place == 0 { "" } else { joint });
        part.write(statement)?;
    }
    statement.push(if parts.is_empty() { none } else { "" }).push(")");
    Ok(())
}

fn write_text(statement: &mut Statement, table: &str, key: &str, operator: Operator, value: &Literal) -> Result<()> {
    statement.push(if operator == Operator::IsNull { "NOT " } else { "" });
    statement.push(&format!("EXISTS (SELECT 1 FROM {table} t WHERE t.run = r.id AND t.key = ")).push_bind(key);
    if !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
        statement.push(" AND ");
        sql::compare_text(statement, "t.value", operator, value, "")?;
    }
    statement.push(")");
    Ok(())
}

fn write_attribute(statement: &mut Statement, attribute: Attribute, operator: Operator, value: &Literal) -> Result<()> {
    match value {
        Literal::Number(text, number) => {
            statement.push(attribute.sql()).push(" ").push(operator.as_str()).push(" ");
            match text.parse::<i64>() {
                Ok(whole) => statement.push_bind(whole),
                Err(_) => statement.push_bind(*number),
            };
            Ok(())
        }
        value => sql::compare_text(statement, attribute.sql(), operator, value, ""),
    }
}

fn write_dataset(statement: &mut Statement, column: &str, operator: Operator, value: &Literal) -> Result<()> {
    if column == "context" {
        let text = "EXISTS (SELECT 1 FROM run_dataset_tags t WHERE t.run = r.id AND t.key = ";
        statement.push(text).push_bind(CONTEXT_TAG).push(" AND ");
        sql::compare_text(statement, "t.value", operator, value, "")?;
    } else {
        let text = "EXISTS (SELECT 1 FROM run_datasets i JOIN datasets d ON d.id = i.dataset WHERE i.run = r.id AND ";
        statement.push(text);
        sql::compare_text(statement, &format!("d.{column}"), operator, value, "")?;
    }
    statement.push(")");
    Ok(())
}

fn metric(key: String, operator: Operator, value: &Literal) -> Result<Predicate> {
    let Literal::Number(_, value) = value else {
        let message = format!("Expected numeric value type for metric. Found {}", value.shown());
        return Err(TrackingError::invalid(message));
    };
    if !operator.is_numeric() {
        return Err(not_one_of(operator, NUMERIC));
    }
    Ok(Predicate::Metric { key, operator, value: *value })
}

fn text(
    table: &'static str,
    entity: Entity,
    key: String,
    operator: Operator,
    value: Literal,
    dialect: Dialect,
) -> Result<Predicate> {
    let is_list = dialect == Dialect::Extended && matches!(value, Literal::List(_));
    if !is_list && value != Literal::None {
        value.quoted(&format!("{} (e.g. 'my-value'). Got value", entity.as_str()))?;
    }
    match operator {
        Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike => {}
        Operator::IsNull | Operator::IsNotNull => {}
        Operator::In | Operator::NotIn if is_list => {}
        other => return Err(not_one_of(other, "{'!=', '=', 'LIKE', 'ILIKE', 'IS NULL', 'IS NOT NULL'}")),
    }
    Ok(Predicate::Text { table, key, operator, value })
}

fn attribute(key: &str, operator: Operator, value: Literal, dialect: Dialect) -> Result<Predicate> {
    let attribute = Attribute::of_filter(key)?;
    if attribute.is_numeric() {
        if !matches!(value, Literal::Number(..)) {
            let shown = value.shown();
            let message = format!("Expected numeric value type for numeric attribute: {key}. Found {shown}");
            return Err(TrackingError::invalid(message));
        }
        if !operator.is_numeric() {
            return Err(not_one_of(operator, NUMERIC));
        }
        return Ok(Predicate::Attribute { attribute, operator, value });
    }
    if let Literal::List(_) = value {
        if attribute != Attribute::RunId && dialect == Dialect::Plain {
            let message = "Only ['run_id'] attributes support comparison with a list of quoted string values.";
            return Err(TrackingError::invalid(message));
        }
    } else {
        value.quoted("attributes. Got value")?;
    }
    check_words(operator)?;
    Ok(Predicate::Attribute { attribute, operator, value })
}

fn dataset(key: &str, operator: Operator, value: Literal) -> Result<Predicate> {
    let column = match key {
        "name" => "name",
        "digest" => "digest",
        "context" => "context",
        other => {
            return Err(TrackingError::invalid(format!(
                "Invalid dataset key '{other}' specified. Valid keys are '{{'name', 'digest', 'context'}}'"
            )));
        }
    };
    if !matches!(value, Literal::List(_)) {
        value.quoted("dataset attributes. Got value")?;
    }
    check_words(operator)?;
    Ok(Predicate::Dataset { column, operator, value })
}

const NUMERIC: &str = "{'>', '>=', '!=', '=', '<', '<='}";

fn check_words(operator: Operator) -> Result<()> {
    match operator {
        Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike | Operator::In | Operator::NotIn => {
            Ok(())
        }
        other => Err(not_one_of(other, "{'!=', '=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'}")),
    }
}

fn not_one_of(operator: Operator, known: &str) -> TrackingError {
    TrackingError::invalid(format!("Invalid comparator '{}' not one of '{known}", operator.as_str()))
}
