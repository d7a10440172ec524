//! Places in a SQL text: lines and columns count from one, in characters.

use datafusion::common::Span;

use crate::error::SqlProblem;

/// A range on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    line: usize,
    column: usize,
    length: usize,
}

impl Place {
    /// From a start to an exclusive end; cut at the end of the first line.
    pub(crate) fn between(sql: &str, line: u64, column: u64, end_line: u64, end_column: u64) -> Self {
        let (line, column) = (line as usize, column as usize);
        let rest = sql.lines().nth(line.saturating_sub(1)).map_or(0, |text| text.chars().count() + 1);
        let end = if end_line as usize == line { end_column as usize } else { rest };
        Self { line: line.max(1), column: column.max(1), length: end.saturating_sub(column).max(1) }
    }

    pub(crate) fn of_span(sql: &str, span: &Span) -> Self {
        Self::between(sql, span.start.line, span.start.column, span.end.line, span.end.column)
    }

    /// The first place where `word` stands by itself.
    pub(crate) fn of_word(sql: &str, word: &str) -> Option<Self> {
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        sql.lines().enumerate().find_map(|(index, text)| {
            text.match_indices(word).find_map(|(start, found)| {
                let before = text[..start].chars().next_back();
                let after = text[start + found.len()..].chars().next();
                let alone = !before.is_some_and(is_part) && !after.is_some_and(is_part);
                let column = text[..start].chars().count() + 1;
                alone.then(|| Self { line: index + 1, column, length: word.chars().count() })
            })
        })
    }

    /// Line, column and length.
    pub(crate) fn parts(self) -> (usize, usize, usize) {
        (self.line, self.column, self.length)
    }

    /// Whether `problem` is here.
    pub(crate) fn is_of(self, problem: &SqlProblem) -> bool {
        self == Self { line: problem.line, column: problem.column, length: problem.length }
    }

    /// A problem here.
    pub(crate) fn problem(self, message: impl Into<String>) -> SqlProblem {
        let Self { line, column, length } = self;
        SqlProblem { line, column, length, ..SqlProblem::somewhere(message) }
    }
}
