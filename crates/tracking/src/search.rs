//! What searches of models, versions and traces share: conditions as SQL, and slices of what was found.

use baton_ledger::database::{Statement, Value};

use crate::TrackingError;
use crate::filter::{self, Comparison, Condition, Literal, Operator};
use crate::page::{self, Column, Part};

/// Values that one statement compares with at most.
pub(crate) const MOST_PLACES: usize = 500;

/// Adds `condition`, each comparison of which `push` adds.
pub(crate) fn push_condition(
    select: &mut Statement,
    condition: &Condition,
    push: &mut dyn FnMut(&mut Statement, &Comparison) -> Result<(), TrackingError>,
) -> Result<(), TrackingError> {
    let (parts, between) = match condition {
        Condition::Is(comparison) => return push(select, comparison),
        Condition::Not(inner) => {
            select.push("NOT (");
            push_condition(select, inner, push)?;
            select.push(")");
            return Ok(());
        }
        Condition::All(parts) => (parts, " AND "),
        Condition::Any(parts) => (parts, " OR "),
    };
    select.push("(");
    for (place, part) in parts.iter().enumerate() {
        select.push(if place == 0 { "" } else { between });
        push_condition(select, part, push)?;
    }
    if parts.is_empty() {
        select.push("1 = 1");
    }
    select.push(")");
    Ok(())
}

/// Adds `(…, …)` of values; of none, a list that nothing is in.
pub(crate) fn push_list<V: Clone + Into<Value>>(select: &mut Statement, values: &[V]) {
    select.push("(");
    for (place, value) in values.iter().enumerate() {
        select.push(if place == 0 { "" } else { ", " }).push_bind(value.clone());
    }
    select.push(if values.is_empty() { "NULL)" } else { ")" });
}

/// Whether texts can be compared so.
pub(crate) fn compares_texts(operator: Operator) -> bool {
    use Operator::{Equal, ILike, In, Like, NotEqual, NotIn};
    matches!(operator, Equal | NotEqual | Like | ILike | In | NotIn)
}

/// Adds the comparison of the text in `column`.
pub(crate) fn push_text(select: &mut Statement, column: &str, comparison: &Comparison) -> Result<(), TrackingError> {
    let entity = comparison.entity.as_deref().unwrap_or("attributes");
    let what = format!("{entity} (e.g. 'my-value'). Got value");
    filter::sql::compare_text(select, column, comparison.operator, &comparison.value, &what)
}

/// Adds the comparison of the number that was added last.
pub(crate) fn push_number(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    let wrong = |text: &str| {
        let entity = comparison.entity.as_deref().unwrap_or("attribute");
        TrackingError::invalid(format!("Expected numeric value type for {entity}. Found {text}"))
    };
    let value = match &comparison.value {
        Literal::Number(_, value) => *value,
        other => return Err(wrong(&other.shown())),
    };
    select.push(" ").push(comparison.operator.as_str()).push(" ").push_bind(value);
    Ok(())
}

fn offset_of(token: &str) -> Result<i64, TrackingError> {
    match page::decode(token, 1)?.as_slice() {
        [Part::Integer(offset)] if *offset >= 0 => Ok(*offset),
        _ => Err(TrackingError::invalid("Invalid page token, could not base64-decode")),
    }
}

/// A slice of what a search finds: so many rows, behind those of earlier pages.
pub(crate) struct Slice {
    offset: i64,
    rows: i64,
}

impl Slice {
    /// The slice behind `token`.
    pub(crate) fn new(token: Option<&str>, rows: i64) -> Result<Self, TrackingError> {
        let offset = match token.filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => offset_of(token)?,
        };
        Ok(Self { offset, rows })
    }

    /// Adds the limit: one row more than the page has, which says whether another page follows.
    pub(crate) fn push_limit(&self, select: &mut Statement) {
        select.push(" LIMIT ").push_bind(self.rows + 1).push(" OFFSET ").push_bind(self.offset);
    }

    /// The page's rows, and the token of the next page.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>) -> (Vec<T>, Option<String>) {
        let most = usize::try_from(self.rows).unwrap_or(usize::MAX);
        let next = (rows.len() > most).then(|| page::encode(&[Part::Integer(self.offset + self.rows)]));
        rows.truncate(most);
        (rows, next)
    }
}

/// How the pages of a search follow each other.
pub(crate) enum Pages {
    /// Each begins behind the last row of the one before, by these columns: no row comes twice while others write.
    Behind { columns: Vec<Column>, from: Option<Vec<Part>>, rows: i64 },
    /// Each begins at a count of rows, where they are ordered by what may be missing.
    Counted(Slice),
}

impl Pages {
    /// Pages in the order of `columns`, where there are some by which every row has a place; `last` decides between equals.
    pub(crate) fn new(
        columns: Option<Vec<Column>>,
        last: Vec<Column>,
        token: Option<&str>,
        rows: i64,
    ) -> Result<Self, TrackingError> {
        let Some(mut columns) = columns else { return Ok(Self::Counted(Slice::new(token, rows)?)) };
        let new: Vec<Column> =
            last.into_iter().filter(|last| columns.iter().all(|known| known.sql != last.sql)).collect();
        columns.extend(new);
        let token = token.filter(|token| !token.is_empty());
        let from = token.map(|token| page::decode(token, columns.len())).transpose()?;
        Ok(Self::Behind { columns, from, rows })
    }

    /// Adds where the page begins, its order unless rows are counted, and its limit.
    pub(crate) fn push(&self, select: &mut Statement) {
        match self {
            Self::Counted(slice) => slice.push_limit(select),
            Self::Behind { columns, from, rows } => {
                if let Some(from) = from {
                    page::behind(select, columns, from);
                }
                page::order_by(select, columns);
                select.push(" LIMIT ").push_bind(rows + 1);
            }
        }
    }

    /// The page's rows, and the token of the next page; `part` gives a row's value of a column.
    pub(crate) fn cut<T>(&self, found: Vec<T>, part: impl Fn(&T, &str) -> Part) -> (Vec<T>, Option<String>) {
        match self {
            Self::Counted(slice) => slice.cut(found),
            Self::Behind { columns, rows, .. } => {
                let order = |row: &T| columns.iter().map(|column| part(row, &column.sql)).collect();
                let crate::Page { rows, next } = page::page(found, usize::try_from(*rows).unwrap_or(usize::MAX), order);
                (rows, next)
            }
        }
    }
}
