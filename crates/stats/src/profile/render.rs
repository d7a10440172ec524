//! A profile as a text table with small bars; knows no terminal and no colour.

use baton_core::scalar::Scalar;

use super::column::ColumnProfile;
use super::summary::ColumnSummary;
use super::table::TableProfile;

const HEADER: [&str; 9] = ["column", "type", "nulls", "distinct", "min", "p50", "max", "mean", "histogram"];
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Longer texts are cut with an ellipsis.
const MAX_CELL: usize = 24;

/// The profile as a table: a line for each column, values as text, the histogram as bars.
///
/// Columns of text show the shares of their most frequent values as bars.
pub fn render_text(profile: &TableProfile) -> String {
    let mut lines = vec![HEADER.map(str::to_owned)];
    lines.extend(profile.columns.iter().map(line_of_column));
    let widths: Vec<usize> =
        (0..HEADER.len()).map(|cell| lines.iter().map(|line| line[cell].chars().count()).max().unwrap_or(0)).collect();
    let mut text = format!("{} rows, {} columns\n", grouped(profile.rows), profile.columns.len());
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A whole number with thousands separated by commas.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with four significant digits at least, without a tail of zeros.
pub(crate) fn shown_number(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e15 {
        return format!("{number}");
    }
    if number.abs() >= 1e15 || number.abs() < 1e-4 {
        return format!("{number:.3e}");
    }
    let decimals = (4 - number.abs().log10().floor() as i32).clamp(1, 8) as usize;
    let text = format!("{number:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn line_of_column(column: &ColumnProfile) -> [String; 9] {
    let summary = column.summary();
    let shown = |value: Option<&Scalar>| value.map(shown_scalar).unwrap_or_default();
    let distinct = summary.distinct.map(|distinct| {
        let sign = if summary.exact { "" } else { "~" };
        format!("{sign}{}", grouped(distinct))
    });
    [
        cut(&summary.name),
        cut(&summary.data_type),
        shown_share(column.null_fraction()),
        distinct.unwrap_or_default(),
        shown(summary.min.as_ref()),
        shown(summary.quantiles.as_ref().map(|quantiles| &quantiles.p50)),
        shown(summary.max.as_ref()),
        shown(summary.mean.as_ref()),
        bars(&summary),
    ]
}

fn bars(summary: &ColumnSummary) -> String {
    let counts: Vec<u64> = match &summary.histogram {
        Some(histogram) => histogram.counts.clone(),
        None => summary.top.iter().map(|top| top.count).collect(),
    };
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    counts.iter().map(|count| bar(*count, highest)).collect()
}

/// Zero is a space, anything else at least the lowest bar.
fn bar(count: u64, highest: u64) -> char {
    if count == 0 {
        return ' ';
    }
    let step = (count as f64 / highest as f64 * BARS.len() as f64).ceil() as usize;
    BARS[step.clamp(1, BARS.len()) - 1]
}

fn shown_share(share: f64) -> String {
    match share {
        0.0 => "0%".to_owned(),
        small if small < 0.001 => "<0.1%".to_owned(),
        share => format!("{:.1}%", share * 100.0),
    }
}

fn shown_scalar(value: &Scalar) -> String {
    match value {
        Scalar::Null => String::new(),
        Scalar::Bool(truth) => truth.to_string(),
        Scalar::Int(number) => number.to_string(),
        Scalar::Float(number) => shown_number(*number),
        Scalar::Text(text) => cut(text),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_CELL {
        return text.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
    }
    let kept: String = text.chars().take(MAX_CELL - 1).collect();
    format!("{}…", kept.escape_debug())
}
