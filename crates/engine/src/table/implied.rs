//! Simple filters on a time column that follow from filters on expressions of it.
//!
//! Statistics bound columns, not expressions, so `date_trunc('day', t) + interval '1 day' >= X` rules out no file.
//! But such an expression stays within a known distance of its column: `t - 1 day <= date_trunc('day', t) <= t`. From
//! the farthest distances follows a filter on the column alone, which statistics can answer. It may let more rows
//! through than the filter that it came from, never fewer. Knows nothing of files.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::Between;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator, TryCast, binary_expr, lit};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// The filters on time columns of `schema` that hold wherever all of `filters` do.
pub(super) fn implied_filters(filters: &[Expr], schema: &DFSchema) -> Vec<Expr> {
    filters.iter().flat_map(split_conjunction).flat_map(|filter| implied(filter, schema)).collect()
}

fn implied(filter: &Expr, schema: &DFSchema) -> Vec<Expr> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
            (time, Expr::Literal(bound, _)) => compared(time, *op, bound, schema),
            (Expr::Literal(bound, _), time) => op.swap().map_or_else(Vec::new, |op| compared(time, op, bound, schema)),
            _ => Vec::new(),
        },
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let sides = [(low, Operator::GtEq), (high, Operator::LtEq)];
            let side = |(bound, op): (&Expr, Operator)| match bound {
                Expr::Literal(bound, _) => compared(expr, op, bound, schema),
                _ => Vec::new(),
            };
            sides.into_iter().flat_map(|(bound, op)| side((bound.as_ref(), op))).collect()
        }
        _ => Vec::new(),
    }
}

/// What `time op bound` says of the column in `time`.
fn compared(time: &Expr, op: Operator, bound: &ScalarValue, schema: &DFSchema) -> Vec<Expr> {
    // Statistics answer a filter on the column itself as it is.
    if matches!(time, Expr::Column(_)) {
        return Vec::new();
    }
    let (Some(distance), Some(bound)) = (Distance::of(time, schema), nanos_of(bound)) else { return Vec::new() };
    let from = |op| distance.column_filter(op, (bound - distance.most).div_euclid(distance.unit));
    let until = |op| distance.column_filter(op, -(distance.least - bound).div_euclid(distance.unit));
    let sides = match op {
        Operator::GtEq | Operator::Gt => vec![from(op)],
        Operator::LtEq | Operator::Lt => vec![until(op)],
        Operator::Eq => vec![from(Operator::GtEq), until(Operator::LtEq)],
        _ => Vec::new(),
    };
    sides.into_iter().flatten().collect()
}

/// How far the value of an expression lies from its column, in nanoseconds: `least <= value - column <= most`.
struct Distance {
    column: Column,
    /// The column's type and its unit in nanoseconds.
    data_type: DataType,
    unit: i128,
    least: i128,
    most: i128,
}

impl Distance {
    /// `None` for an expression whose distance is not known.
    fn of(expression: &Expr, schema: &DFSchema) -> Option<Self> {
        match expression {
            Expr::Column(column) => {
                let data_type = expression.get_type(schema).ok()?;
                let unit = unit_nanos(&data_type)?;
                Some(Self { column: column.clone(), data_type, unit, least: 0, most: 0 })
            }
            Expr::Alias(alias) => Self::of(&alias.expr, schema),
            Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
                Self::after_cast(expr, field.data_type(), schema)
            }
            Expr::ScalarFunction(function) if function.name() == "date_trunc" => match function.args.as_slice() {
                [Expr::Literal(unit, _), time] => {
                    Some(Self::of(time, schema)?.farther(-longest(unit.try_as_str()??)?, 0))
                }
                _ => None,
            },
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), op, right.as_ref()) {
                (time, Operator::Plus, Expr::Literal(interval, _))
                | (Expr::Literal(interval, _), Operator::Plus, time) => Self::after_shift(time, interval, 1, schema),
                (time, Operator::Minus, Expr::Literal(interval, _)) => Self::after_shift(time, interval, -1, schema),
                _ => None,
            },
            _ => None,
        }
    }

    /// A cast to a coarser unit rounds, whichever way.
    fn after_cast(time: &Expr, to: &DataType, schema: &DFSchema) -> Option<Self> {
        let from = unit_nanos(&time.get_type(schema).ok()?)?;
        let to = unit_nanos(to)?;
        let rounding = if to > from { to } else { 0 };
        Some(Self::of(time, schema)?.farther(-rounding, rounding))
    }

    fn after_shift(time: &Expr, interval: &ScalarValue, sign: i128, schema: &DFSchema) -> Option<Self> {
        let ScalarValue::IntervalMonthDayNano(Some(interval)) = interval else { return None };
        let (shortest, longest) = length(*interval);
        let on_dates = time.get_type(schema).ok()? == DataType::Date32;
        // A date keeps whole days only.
        let rounding = if on_dates && interval.nanoseconds != 0 { DAY } else { 0 };
        let ends = [sign * shortest, sign * longest];
        Some(Self::of(time, schema)?.farther(ends[0].min(ends[1]) - rounding, ends[0].max(ends[1]) + rounding))
    }

    fn farther(self, least: i128, most: i128) -> Self {
        Self { least: self.least + least, most: self.most + most, ..self }
    }

    /// `column op value`, the value in the column's unit; `None` when it is out of the type's range.
    fn column_filter(&self, op: Operator, value: i128) -> Option<Expr> {
        let value = match &self.data_type {
            DataType::Date32 => ScalarValue::Date32(Some(i32::try_from(value).ok()?)),
            DataType::Timestamp(unit, zone) => {
                let (value, zone) = (Some(i64::try_from(value).ok()?), zone.clone());
                match unit {
                    TimeUnit::Second => ScalarValue::TimestampSecond(value, zone),
                    TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(value, zone),
                    TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone),
                    TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone),
                }
            }
            _ => return None,
        };
        Some(binary_expr(Expr::Column(self.column.clone()), op, lit(value)))
    }
}

/// The unit in nanoseconds of a date's or an instant's type. Local times of other zones than UTC are not instants
/// apart by their difference, so there is none for them.
fn unit_nanos(data_type: &DataType) -> Option<i128> {
    match data_type {
        DataType::Date32 => Some(DAY),
        DataType::Timestamp(unit, zone) if zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00")) => {
            Some(match unit {
                TimeUnit::Second => SECOND,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            })
        }
        _ => None,
    }
}

/// A date or an instant in nanoseconds since the Unix epoch.
fn nanos_of(value: &ScalarValue) -> Option<i128> {
    let unit = unit_nanos(&value.data_type())?;
    let count = match value {
        ScalarValue::Date32(days) => i128::from((*days)?),
        ScalarValue::TimestampSecond(count, _)
        | ScalarValue::TimestampMillisecond(count, _)
        | ScalarValue::TimestampMicrosecond(count, _)
        | ScalarValue::TimestampNanosecond(count, _) => i128::from((*count)?),
        _ => return None,
    };
    Some(count * unit)
}

/// The longest that a unit of `date_trunc` can be.
fn longest(unit: &str) -> Option<i128> {
    Some(match unit.to_lowercase().as_str() {
        "microsecond" => 1_000,
        "millisecond" => 1_000_000,
        "second" => SECOND,
        "minute" => 60 * SECOND,
        "hour" => 3_600 * SECOND,
        "day" => DAY,
        "week" => 7 * DAY,
        "month" => 31 * DAY,
        "quarter" => 92 * DAY,
        "year" => 366 * DAY,
        _ => return None,
    })
}

/// The shortest and the longest that an interval can be, by the months that it meets (28 to 31 days each).
fn length(interval: IntervalMonthDayNano) -> (i128, i128) {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    let fixed = i128::from(days) * DAY + i128::from(nanoseconds);
    let months = [28, 31].map(|days| i128::from(months) * days * DAY);
    (fixed + months[0], fixed + months[1])
}

#[cfg(test)]
mod tests;
