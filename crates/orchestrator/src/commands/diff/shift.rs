//! How the statistics of columns moved, from profiles alone: no row is read for files that have one.

use baton_core::scalar::Scalar;
use baton_stats::drift::{Convention, Method, Sample, drift};
use baton_stats::profile::{ColumnProfile, ColumnSummary, TableProfile, ValueKind};
use serde_json::{Value, json};

use super::report::{ColumnDrift, ColumnShift};

/// Points of a distribution that stand for it where its values are not counted one by one.
const POINTS: usize = 1_000;
/// Text values that are counted one by one in a profile; a column with more is an identifier, not a category.
const COUNTED: usize = 512;

/// The columns of both profiles whose statistics differ, in the order of `after`; of `wanted` when that is not empty.
pub(super) fn column_shifts(before: &TableProfile, after: &TableProfile, wanted: &[String]) -> Vec<ColumnShift> {
    let columns =
        after.columns.iter().filter(|column| wanted.is_empty() || wanted.iter().any(|name| name == column.name()));
    let shifts = columns.filter_map(|column| {
        let old = before.column(column.name())?;
        let (was, is) = (old.summary(), column.summary());
        (!are_alike(&was, &is)).then(|| shift(old, column, &was, &is))
    });
    shifts.collect()
}

/// Whether shares, distinct values and positions agree; more rows of the same kind are no shift.
fn are_alike(before: &ColumnSummary, after: &ColumnSummary) -> bool {
    let share = |column: &ColumnSummary| column.nulls as f64 / column.count.max(1) as f64;
    share(before) == share(after)
        && before.distinct == after.distinct
        && (&before.mean, &before.quantiles, &before.top) == (&after.mean, &after.quantiles, &after.top)
}

fn shift(old: &ColumnProfile, new: &ColumnProfile, was: &ColumnSummary, is: &ColumnSummary) -> ColumnShift {
    let quantile = |summary: &ColumnSummary, pick: fn(&baton_stats::profile::Quantiles) -> &Scalar| {
        summary.quantiles.as_ref().map_or(Value::Null, |quantiles| json!(pick(quantiles)))
    };
    let both = |pick| (quantile(was, pick), quantile(is, pick));
    let mean = |summary: &ColumnSummary| summary.mean.as_ref().map_or(Value::Null, |mean| json!(mean));
    ColumnShift {
        column: new.name().to_owned(),
        nulls: (old.null_fraction(), new.null_fraction()),
        distinct: (was.distinct, is.distinct),
        mean: (mean(was), mean(is)),
        p05: both(|quantiles| &quantiles.p05),
        p50: both(|quantiles| &quantiles.p50),
        p95: both(|quantiles| &quantiles.p95),
        drift: column_drift(old, new),
    }
}

/// The Jensen-Shannon distance of both distributions; `None` where a column has none, or too many texts to count.
fn column_drift(before: &ColumnProfile, after: &ColumnProfile) -> Option<ColumnDrift> {
    let found = drift(&sample(before)?, &sample(after)?, Method::JensenShannon, Convention::Evidently, None).ok()?;
    Some(ColumnDrift {
        method: found.method.to_string(),
        score: found.score,
        threshold: found.threshold,
        drifted: found.drifted,
    })
}

fn sample(column: &ColumnProfile) -> Option<Sample> {
    if column.values() == 0 {
        return None;
    }
    if column.kind() == ValueKind::Text {
        let top = column.top_values(COUNTED);
        let counts = top.into_iter().filter_map(|top| match top.value {
            Scalar::Text(text) => Some((text, top.count)),
            _ => None,
        });
        return column.is_exact().then(|| Sample::Counts(counts.collect()));
    }
    if !column.is_numeric() {
        return None;
    }
    let points = POINTS.min(column.values() as usize);
    let at = |point: usize| column.quantile((point as f64 + 0.5) / points as f64);
    Some(Sample::Numeric((0..points).filter_map(at).collect()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, RecordBatch, StringArray};
    use baton_stats::profile::Profiler;

    use super::*;

    fn profile(numbers: Vec<f64>, texts: Vec<&str>) -> TableProfile {
        let batch = RecordBatch::try_from_iter([
            ("amount", Arc::new(Float64Array::from(numbers)) as arrow::array::ArrayRef),
            ("kind", Arc::new(StringArray::from(texts)) as _),
        ])
        .unwrap();
        let mut profiler = Profiler::new(&batch.schema());
        profiler.update(&batch).unwrap();
        profiler.finish()
    }

    #[test]
    fn equal_columns_do_not_shift() {
        let one = profile(vec![1.0, 2.0, 3.0], vec!["a", "b", "a"]);
        assert!(column_shifts(&one, &one, &[]).is_empty());
    }

    #[test]
    fn moved_columns_say_how_far() {
        let before = profile((0..100).map(f64::from).collect(), vec!["a"; 100]);
        let after = profile((100..200).map(f64::from).collect(), vec!["a"; 100]);
        let shifts = column_shifts(&before, &after, &[]);
        assert_eq!(shifts.len(), 1);
        let shift = &shifts[0];
        assert_eq!((shift.column.as_str(), &shift.mean), ("amount", &(json!(49.5), json!(149.5))));
        // scipy 1.x: jensenshannon over the counts in numpy's `sturges` bins of both samples together.
        let drift = shift.drift.as_ref().unwrap();
        assert!((drift.score - 0.785_430_449_306_844_4).abs() < 1e-12, "{drift:?}");
        assert!(drift.drifted);
    }
}
