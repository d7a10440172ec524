//! Tracked runs: a table, two beside each other, and curves drawn with characters.

use baton_charts::Curves;
use baton_core::time::timestamp_from_micros;

use super::style;
use super::table::Table;
use crate::commands::{Comparison, Row, RunTable, short};
use crate::instant;

/// Letters of a value that are shown.
const LONGEST: usize = 44;
/// Columns and rows of a figure, in characters; each has two dots to the right and four down.
const WIDTH: usize = 72;
const HEIGHT: usize = 16;
/// Lines that are told apart by their own colours and signs.
const LINES: usize = 6;

/// An instant in milliseconds since 1970.
pub(crate) fn milliseconds(at: i64) -> String {
    instant::show(timestamp_from_micros(at.saturating_mul(1000)))
}

/// Runs as a table.
pub(crate) fn tracked_runs(table: &RunTable) -> String {
    if table.runs.is_empty() {
        return "no tracked run meets the filter\n".to_owned();
    }
    let is_number = |column: &str| {
        let mut cells = table.runs.iter().filter_map(|run| RunTable::cell(run, column)).peekable();
        cells.peek().is_some() && cells.all(|cell| cell.parse::<f64>().is_ok())
    };
    let mut header: Vec<String> = ["run", "name", "experiment", "began", "status"].map(str::to_owned).into();
    let mut right = vec![false; header.len()];
    for column in &table.columns {
        right.push(is_number(column));
        let plain = column.strip_prefix("metrics.").or_else(|| column.strip_prefix("params."));
        header.push(plain.unwrap_or(column).to_owned());
    }
    let mut shown = Table::of_columns(header, right);
    for run in &table.runs {
        let info = &run.info;
        let experiment = table.experiments.get(&info.experiment).cloned().unwrap_or_default();
        let own = [
            short(&info.run_id).to_owned(),
            cut(&info.name),
            cut(&experiment),
            milliseconds(info.start_time),
            status(run),
        ];
        let cells =
            table.columns.iter().map(|column| RunTable::cell(run, column).as_deref().map(cut).unwrap_or_default());
        shown.row(own.into_iter().chain(cells));
    }
    let mut text = shown.render("");
    if let Some(token) = &table.next {
        text.push_str(&format!("{} --page-token {token}\n", style::muted("more with")));
    }
    text
}

fn status(run: &baton_tracking::run::Run) -> String {
    let deleted = if run.info.lifecycle == baton_tracking::Lifecycle::Deleted { ", deleted" } else { "" };
    format!("{}{deleted}", run.info.status.to_lowercase())
}

/// A text in one line, of a length that a table bears.
fn cut(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// Two runs beside each other.
pub(crate) fn tracked_comparison(comparison: &Comparison) -> String {
    let [from, to] = &comparison.runs;
    let mut text = format!("{} {from}\n{} {to}\n", style::muted("a:"), style::muted("b:"));
    let differing = comparison.sections.iter().filter(|section| !section.rows.is_empty());
    for section in differing {
        let same = match section.n_same {
            0 => String::new(),
            count => style::muted(&format!("  {count} the same")),
        };
        text.push_str(&format!("\n{}{same}\n", style::heading(section.name)));
        let has_numbers = section.rows.iter().any(|row| row.change.is_some());
        let mut table = Table::new(if has_numbers { &["", "a", "b", ">b - a"] } else { &["", "a", "b"] });
        for row in &section.rows {
            let side = |side: &Option<String>| side.as_deref().map_or_else(|| "–".to_owned(), cut);
            let cells = [format!("{} {}", sign(row), row.key), side(&row.from), side(&row.to)];
            table.row(cells.into_iter().chain(has_numbers.then(|| change(row))));
        }
        text.push_str(&table.render("  "));
    }
    if comparison.sections.iter().all(|section| section.rows.iter().all(Row::is_same)) {
        text.push_str("\nthe runs differ in nothing\n");
    }
    text
}

fn sign(row: &Row) -> &'static str {
    match (&row.from, &row.to) {
        (None, Some(_)) => "+",
        (Some(_), None) => "-",
        _ if row.is_same() => " ",
        _ => "~",
    }
}

fn change(row: &Row) -> String {
    let change = row.change.filter(|change| *change != 0.0);
    let sign = |change: f64| if change > 0.0 { "+" } else { "-" };
    change.map_or(String::new(), |change| format!("{}{}", sign(change), super::figure(change.abs())))
}

/// Curves drawn with Braille signs; of more lines than have a colour, the rest are drawn in grey.
pub(crate) fn curves(figure: &Curves) -> String {
    let scaled = |value: f64| if figure.logarithmic { value.log10() } else { value };
    let is_shown = |&&(x, y): &&(f64, f64)| x.is_finite() && scaled(y).is_finite() && y.abs() < f64::MAX;
    let points = || figure.curves.iter().flat_map(|curve| &curve.points).filter(is_shown);
    let (Some(x), Some(y)) = (extent(points().map(|point| point.0)), extent(points().map(|point| scaled(point.1))))
    else {
        return "no point can be shown\n".to_owned();
    };
    let mut canvas = Canvas::default();
    // The first lines lie above the others.
    for (number, curve) in figure.curves.iter().enumerate().rev() {
        // What is no number breaks the line.
        for points in curve.points.split(|point| !is_shown(&point)) {
            let dot = |point: &(f64, f64)| (place(point.0, x, WIDTH * 2), place(scaled(point.1), y, HEIGHT * 4));
            canvas.line(number, &points.iter().map(dot).collect::<Vec<_>>());
        }
    }
    let value = |at: f64| super::figure(if figure.logarithmic { 10f64.powf(at) } else { at });
    let mut text = format!("{}\n", style::heading(&figure.title));
    for (row, line) in canvas.rows().into_iter().enumerate() {
        let label = match row {
            0 => value(y.1),
            row if row == HEIGHT - 1 => value(y.0),
            row if row == HEIGHT / 2 => value(f64::midpoint(y.0, y.1)),
            _ => String::new(),
        };
        text.push_str(&format!("{label:>11} ┤{}\n", line.trim_end()));
    }
    let (first, last) = (super::figure(x.0), super::figure(x.1));
    let gap = WIDTH.saturating_sub(first.chars().count() + last.chars().count());
    text.push_str(&format!("{:>11} └{}\n{:>13}{first}{}{last}\n", "", "─".repeat(WIDTH), "", " ".repeat(gap)));
    text.push_str(&format!("{:>13}{}\n", "", style::muted(&figure.right)));
    for (number, curve) in figure.curves.iter().enumerate().take(LINES) {
        let end = curve.points.iter().rev().find(is_shown).map(|point| super::figure(point.1)).unwrap_or_default();
        text.push_str(&format!("  {} {}  {}\n", style::series("━━", number), cut(&curve.label), style::muted(&end)));
    }
    if figure.curves.len() > LINES {
        let rest = figure.curves.len() - LINES;
        text.push_str(&format!("  {} and {rest} more; `--out FILE.svg` draws all in colour\n", style::muted("━━")));
    }
    text
}

/// The least and the greatest, apart from each other; none of nothing.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    match (low, high) {
        (low, high) if low > high => None,
        (low, high) if low == high => Some((low - low.abs().max(1.0) * 0.5, high + high.abs().max(1.0) * 0.5)),
        extent => Some(extent),
    }
}

/// The dot of a value, of so many.
fn place(value: f64, (low, high): (f64, f64), n_dots: usize) -> usize {
    let part = (value - low) / (high - low);
    ((part * (n_dots - 1) as f64).round() as usize).min(n_dots - 1)
}

/// Dots of lines, by the character that they are in.
struct Canvas {
    /// Of each character its dots, and the line that was drawn there last.
    cells: Vec<(u8, usize)>,
}

impl Default for Canvas {
    fn default() -> Self {
        Self { cells: vec![(0, 0); WIDTH * HEIGHT] }
    }
}

impl Canvas {
    /// Draws a line through dots, given to the right and from the bottom up.
    fn line(&mut self, number: usize, dots: &[(usize, usize)]) {
        if let [only] = dots {
            self.dot(number, *only);
        }
        for pair in dots.windows(2) {
            let ((from_x, from_y), (to_x, to_y)) = (pair[0], pair[1]);
            let steps = from_x.abs_diff(to_x).max(from_y.abs_diff(to_y)).max(1);
            let between = |from: usize, to: usize, step: usize| {
                (from as f64 + (to as f64 - from as f64) * step as f64 / steps as f64).round() as usize
            };
            for step in 0..=steps {
                self.dot(number, (between(from_x, to_x, step), between(from_y, to_y, step)));
            }
        }
    }

    fn dot(&mut self, number: usize, (right, up): (usize, usize)) {
        // The dots of a Braille sign, from the upper left, by their bits in Unicode.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let down = HEIGHT * 4 - 1 - up;
        let cell = &mut self.cells[down / 4 * WIDTH + right / 2];
        *cell = (cell.0 | BITS[down % 4][right % 2], number);
    }

    /// The rows as text, each line in its colour.
    fn rows(&self) -> Vec<String> {
        let sign = |bits: u8| char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ');
        let cell = |(bits, number): &(u8, usize)| match bits {
            0 => " ".to_owned(),
            bits => style::series(&sign(*bits).to_string(), *number),
        };
        self.cells.chunks(WIDTH).map(|row| row.iter().map(cell).collect()).collect()
    }
}
