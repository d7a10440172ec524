//! Places in a text: editors count UTF-16 units from zero, Baton counts characters from one.

use std::collections::BTreeMap;

use lsp_types::{Position, Range};

/// The range of `length` characters at a line and column that count from one.
pub(crate) fn range(text: &str, line: u32, column: u32, length: u32) -> Range {
    let line = line.max(1) - 1;
    let shown = text.lines().nth(line as usize).unwrap_or("");
    let units = |characters: u32| shown.chars().take(characters as usize).map(char::len_utf16).sum::<usize>() as u32;
    let start = column.max(1) - 1;
    Range::new(Position::new(line, units(start)), Position::new(line, units(start + length)))
}

/// A word in a text, with the one before its dot: `f.dep_delay`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// `f`, when a dot stands before the word.
    pub(crate) qualifier: Option<String>,
    /// The word itself; may be empty at the end of what is typed.
    pub(crate) name: String,
    /// Whether `as` stands before it: it names what comes out.
    pub(crate) is_output: bool,
    /// Where it stands.
    pub(crate) range: Range,
}

/// The word at a position.
pub(crate) fn word_at(text: &str, position: Position) -> Option<Word> {
    let line = text.lines().nth(position.line as usize)?;
    let letters: Vec<char> = line.chars().collect();
    let at = characters(line, position.character);
    let start = start_of_word(&letters, at);
    let end = at + letters[at..].iter().take_while(|letter| is_part(**letter)).count();
    let qualifier = (start > 0 && letters[start - 1] == '.').then(|| {
        let first = start_of_word(&letters, start - 1);
        letters[first..start - 1].iter().collect::<String>()
    });
    let before: String = letters[..start].iter().collect();
    Some(Word {
        is_output: before.to_lowercase().trim_end().ends_with(" as") && before.ends_with(char::is_whitespace),
        qualifier: qualifier.filter(|word| !word.is_empty()),
        name: letters[start..end].iter().collect(),
        range: range(text, position.line + 1, start as u32 + 1, (end - start) as u32),
    })
}

/// How many characters the first `units` UTF-16 units of a line are.
fn characters(line: &str, units: u32) -> usize {
    let mut left = units as usize;
    line.chars().take_while(|letter| left.checked_sub(letter.len_utf16()).map(|rest| left = rest).is_some()).count()
}

fn start_of_word(letters: &[char], at: usize) -> usize {
    at - letters[..at].iter().rev().take_while(|letter| is_part(**letter)).count()
}

fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Aliases of tables in a query: `from flights f`, `join airlines as a`. By words, so that it works while the query is
/// being typed and cannot be parsed.
pub(crate) fn aliases(sql: &str) -> BTreeMap<String, String> {
    const NO_ALIAS: &[&str] = &[
        "on", "using", "where", "join", "left", "right", "full", "inner", "cross", "group", "order", "limit", "union",
        "having", "natural", "window",
    ];
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or("")).collect();
    let code = code.join(" ");
    let words: Vec<&str> = code.split(|letter: char| !is_part(letter)).filter(|word| !word.is_empty()).collect();
    let mut found = BTreeMap::new();
    for (index, word) in words.iter().enumerate() {
        if !["from", "join"].contains(&word.to_lowercase().as_str()) {
            continue;
        }
        let Some(table) = words.get(index + 1) else { continue };
        let mut rest = words[index + 2..].iter().filter(|word| !word.eq_ignore_ascii_case("as"));
        if let Some(alias) = rest.next().filter(|word| !NO_ALIAS.contains(&word.to_lowercase().as_str())) {
            found.insert((*alias).to_owned(), (*table).to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_with_what_stands_before_their_dot() {
        let text = "select f.dep_delay,\n  '😀', carrier from flights f";
        let word = |line, character| word_at(text, Position::new(line, character)).unwrap();
        assert_eq!(word(0, 12).name, "dep_delay");
        assert_eq!(word(0, 12).qualifier.as_deref(), Some("f"));
        assert_eq!(word(0, 9).range, Range::new(Position::new(0, 9), Position::new(0, 18)));
        assert_eq!(word(1, 10).name, "carrier");
        assert_eq!(word(1, 10).range.start, Position::new(1, 8), "the smiley is two units");
        assert!(!word(0, 12).is_output && word_at("select 1 as one", Position::new(0, 13)).unwrap().is_output);
        assert_eq!(word(0, 6).name, "select", "the end of a word belongs to it");
        assert_eq!(word(0, 99).name, "");
        assert!(word_at(text, Position::new(9, 0)).is_none());
    }

    #[test]
    fn aliases_are_told_from_keywords() {
        let sql = "select 1 from flights f -- from x y\njoin airlines as a on a.c = f.c left join planes where 1 = 1";
        let found: Vec<(String, String)> = aliases(sql).into_iter().collect();
        assert_eq!(found, [("a", "airlines"), ("f", "flights")].map(|(a, t)| (a.to_owned(), t.to_owned())));
    }
}
