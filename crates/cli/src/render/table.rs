//! Text in aligned columns.

/// Rows of text under a header; columns of numbers stand to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    header: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; a name that starts with `>` stands to the right.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let header = columns.iter().map(|column| column.trim_start_matches('>').to_owned()).collect();
        let right = columns.iter().map(|column| column.starts_with('>')).collect();
        Self { header, right, rows: Vec::new() }
    }

    /// A table whose column names are data, with the columns that stand to the right.
    pub(crate) fn of_columns(header: Vec<String>, right: Vec<bool>) -> Self {
        Self { header, right, rows: Vec::new() }
    }

    /// Adds a row; it has as many cells as the header.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines that start with `indent`.
    pub(crate) fn render(&self, indent: &str) -> String {
        let widths = self.widths();
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let mut text = String::new();
        for cells in [&self.header, &rule].into_iter().chain(&self.rows) {
            text.push_str(&self.line(indent, cells, &widths));
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).chain(self.header.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.header.len()).map(width).collect()
    }

    fn line(&self, indent: &str, cells: &[String], widths: &[usize]) -> String {
        let mut line = indent.to_owned();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            let is_right = self.right.get(column).copied().unwrap_or(false);
            let padded = if is_right { format!("{gap}{cell}") } else { format!("{cell}{gap}") };
            line.push_str(if column == 0 { "" } else { "  " });
            line.push_str(&padded);
        }
        format!("{}\n", line.trim_end())
    }
}

/// A whole number with thousands apart: `336,776`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
