//! The search language of MLflow: comparisons joined by `AND`. Where its caller asks for more, also `OR`, `NOT` and parentheses.
//!
//! It does not know what may be compared: a search maps the names of a [`Comparison`] to its columns.

mod order;
mod parser;
pub(crate) mod sql;
mod token;

pub use order::Order;

use crate::error::{Result, TrackingError};

/// What a filter may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// What MLflow understands: comparisons joined by `AND`.
    #[default]
    Plain,
    /// Also `OR`, `NOT` and parentheses.
    Extended,
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All hold; without any, everything is found.
    All(Vec<Self>),
    /// One holds at least.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A comparison.
    Is(Comparison),
}

/// A comparison such as `metrics.loss < 1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What stands before the first point, as written, without backticks.
    pub entity: Option<String>,
    /// The key, without quotes.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: Literal,
}

/// How something is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `LIKE`: `%` stands for any letters, `_` for one.
    Like,
    /// `ILIKE`: the same, in any case.
    ILike,
    /// `RLIKE`: a regular expression.
    RLike,
    /// `IN`
    In,
    /// `NOT IN`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Like => "LIKE",
            Self::ILike => "ILIKE",
            Self::RLike => "RLIKE",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::IsNull => "IS NULL",
            Self::IsNotNull => "IS NOT NULL",
        }
    }

    /// Whether it compares by size, or for being the same.
    pub fn is_numeric(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual
        )
    }
}

/// What something is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A number as it is written, and its value.
    Number(String, f64),
    /// A text in quotes.
    Text(String),
    /// A name without quotes, which is never right; searches say so in their own words.
    Bare(String),
    /// Texts in parentheses.
    List(Vec<String>),
    /// Nothing: of `IS NULL` and `IS NOT NULL`.
    None,
}

impl Literal {
    /// As it is written.
    pub fn shown(&self) -> String {
        match self {
            Self::Number(text, _) | Self::Bare(text) => text.clone(),
            Self::Text(text) => format!("'{text}'"),
            Self::List(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
                format!("({})", texts.join(", "))
            }
            Self::None => String::new(),
        }
    }

    /// The text, if it is one in quotes; `what` says in the error what it is for.
    pub(crate) fn quoted(&self, what: &str) -> Result<&str> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Bare(text) => Err(TrackingError::invalid(format!(
                "Parameter value is either not quoted or unidentified quote types used for string value {text}. Use either \
                 single or double quotes."
            ))),
            other => {
                Err(TrackingError::invalid(format!("Expected a quoted string value for {what} {}", other.shown())))
            }
        }
    }
}

/// Reads a filter; an empty one finds everything.
///
/// # Errors
/// [`TrackingError::Invalid`] with MLflow's words.
pub fn parse(text: &str, dialect: Dialect) -> Result<Condition> {
    parser::parse(text, dialect)
}

/// Reads `order_by`: one key each, with `ASC` or `DESC` behind it.
///
/// # Errors
/// [`TrackingError::Invalid`] with MLflow's words.
pub fn order(clauses: &[String]) -> Result<Vec<Order>> {
    clauses.iter().map(|clause| order::parse(clause)).collect()
}

/// `entity` and `key` of a name as written: what stands before the first point, and what follows it without its quotes.
fn split_name(raw: &str) -> (Option<String>, String) {
    match raw.split_once('.') {
        Some((entity, key)) if !raw.starts_with(['`', '"']) => (Some(unquoted(entity)), unquoted(key)),
        Some((entity, key)) if is_quoted(entity) => (Some(unquoted(entity)), unquoted(key)),
        _ => (None, unquoted(raw)),
    }
}

fn is_quoted(text: &str) -> bool {
    ['`', '"', '\''].iter().any(|quote| text.len() >= 2 && text.starts_with(*quote) && text.ends_with(*quote))
}

fn unquoted(text: &str) -> String {
    let inner = if is_quoted(text) { &text[1..text.len() - 1] } else { text };
    // A key may stand in double quotes within backticks, or the other way round.
    if is_quoted(inner) { inner[1..inner.len() - 1].to_owned() } else { inner.to_owned() }
}

#[cfg(test)]
mod tests;
