//! Finds where a query names a table. By words, because the parsed query is not known here.

use std::sync::LazyLock;

use regex::Regex;

use crate::yaml::Span;

/// The place where `sql` reads `name`: after `from` or `join` if it stands there, else its first mention.
/// Comments are passed over, case does not count.
pub(crate) fn find_table(sql: &str, name: &str) -> Option<Span> {
    let code = without_comments(sql);
    let name = regex::escape(name);
    let template = r#"(?:\{\{-?\s*(?:ref|source)\(\s*(?:['"][^'"]*['"]\s*,\s*)?['"])?"#;
    let read = Regex::new(&format!(r#"(?i)\b(?:from|join)\s+{template}"?({name})\b"#)).ok()?;
    let mention = Regex::new(&format!(r"(?i)\b({name})\b")).ok()?;
    let found = read.captures(&code).or_else(|| mention.captures(&code))?.get(1)?;
    Some(span_at(sql, found.start(), found.end()))
}

/// Whether `text` has `name` as a word.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.split(|letter| !is_word(letter)).any(|word| word == name)
}

/// The place of a byte range.
pub(crate) fn span_at(text: &str, start: usize, end: usize) -> Span {
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let within = text.get(start..end).unwrap_or("").lines().next().unwrap_or("");
    Span {
        line: before.matches('\n').count() as u32 + 1,
        column: before[line_start..].chars().count() as u32 + 1,
        length: within.chars().count() as u32,
    }
}

static COMMENT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"--[^\n]*|(?s:/\*.*?\*/)|(?s:\{#.*?#\})").ok());

/// The text with comments blanked out byte by byte, so that places stay.
pub(crate) fn without_comments(sql: &str) -> String {
    let Some(comment) = COMMENT.as_ref() else { return sql.to_owned() };
    comment
        .replace_all(sql, |found: &regex::Captures<'_>| {
            found[0].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect::<String>()
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_places_come_before_other_mentions() {
        let sql = "-- from delays\nselect delays\n/* delays */ from flights\nleft join {{ ref('delays') }} using (x)\n";
        assert_eq!(find_table(sql, "delays"), Some(Span { line: 4, column: 19, length: 6 }));
        assert_eq!(find_table(sql, "flights"), Some(Span { line: 3, column: 19, length: 7 }));
        assert_eq!(find_table("select a.x from b, a", "a"), Some(Span { line: 1, column: 8, length: 1 }));
        assert_eq!(find_table("select 1", "delays"), None);
    }
}
