//! Unit tests: a line each, and how rows differ where they do.

use std::time::Duration;

use baton_orchestrator::{BatchDifference, DifferentRow, RowDifference, TestReport};

use super::style;
use super::table::{Table, count};

/// Rows shown of each way in which rows differ.
const SHOWN: usize = 20;

/// One test: whether it passed, and why not.
pub(crate) fn test(report: &TestReport) -> String {
    let sign = if report.passed { style::good("✓") } else { style::error("✗") };
    let took = style::muted(&format!("{:.0} ms", report.seconds * 1000.0));
    let mut text = format!("  {sign} {:<20} {}  {took}\n", report.target.as_str(), report.name);
    if !report.passed {
        let place = format!("{}:{}:{}", report.origin.file, report.origin.line, report.origin.column);
        text.push_str(&format!("      {}\n", style::muted(&place)));
    }
    for line in report.error.iter().flat_map(|error| error.lines()) {
        text.push_str(&format!("      {line}\n"));
    }
    for difference in &report.differences {
        text.push_str(&batch(difference));
    }
    text
}

/// How many passed, and how long all took.
pub(crate) fn tests(reports: &[TestReport], took: Duration) -> String {
    let failed = reports.iter().filter(|report| !report.passed).count();
    let passed = count((reports.len() - failed) as u64);
    let seconds = took.as_secs_f64();
    match failed {
        0 => format!("{passed} passed in {seconds:.1} s\n"),
        failed => format!("{passed} passed, {} in {seconds:.1} s\n", style::error(&format!("{failed} failed"))),
    }
}

fn batch(difference: &BatchDifference) -> String {
    let after = match difference.of {
        1 => String::new(),
        of => format!("after batch {} of {of}: ", difference.batch),
    };
    format!("      {after}{}\n{}", summary(&difference.rows), rows(&difference.rows))
}

fn summary(rows: &RowDifference) -> String {
    if rows.out_of_order {
        return "the rows are the expected ones in another order".to_owned();
    }
    let of = |number: usize, what: &str| (number > 0).then(|| format!("{number} {what}"));
    let parts =
        [of(rows.changed.len(), "changed"), of(rows.missing.len(), "missing"), of(rows.unexpected.len(), "unexpected")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("expected {}, found {}: {}", plural(rows.expected_rows), plural(rows.actual_rows), parts.join(", "))
}

fn plural(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{} rows", count(rows as u64)) }
}

/// `~` changed, `-` expected and not there, `+` there and not expected.
fn rows(rows: &RowDifference) -> String {
    let mut table = Table::of_columns(
        std::iter::once(String::new()).chain(rows.columns.iter().cloned()).collect(),
        vec![false; rows.columns.len() + 1],
    );
    for row in rows.changed.iter().take(SHOWN) {
        table.row(std::iter::once("~".to_owned()).chain(changed(row, &rows.columns)));
    }
    let plain = |sign: &str, row: &[Option<String>]| -> Vec<String> {
        std::iter::once(sign.to_owned()).chain(row.iter().map(|cell| shown(cell.as_deref()))).collect()
    };
    for row in rows.missing.iter().take(SHOWN) {
        table.row(plain("-", row));
    }
    for row in rows.unexpected.iter().take(SHOWN) {
        table.row(plain("+", row));
    }
    if table.is_empty() {
        return String::new();
    }
    let colored = |line: &str| match line.trim_start().chars().next() {
        Some('-') => style::error(line),
        Some('+' | '~') => style::warning(line),
        _ => line.to_owned(),
    };
    let mut text: String = table.render("      ").lines().map(|line| format!("{}\n", colored(line))).collect();
    let lengths = [rows.changed.len(), rows.missing.len(), rows.unexpected.len()];
    let more: usize = lengths.iter().map(|length| length.saturating_sub(SHOWN)).sum();
    if more > 0 {
        text.push_str(&format!("      {} not shown\n", plural(more)));
    }
    text
}

fn changed(row: &DifferentRow, columns: &[String]) -> Vec<String> {
    let cell = |(column, actual): (&String, &Option<String>)| match row.cells.iter().find(|cell| cell.column == *column)
    {
        Some(cell) => format!("{} (expected {})", shown(cell.actual.as_deref()), shown(cell.expected.as_deref())),
        None => shown(actual.as_deref()),
    };
    columns.iter().zip(&row.actual).map(cell).collect()
}

fn shown(cell: Option<&str>) -> String {
    cell.unwrap_or("null").to_owned()
}
