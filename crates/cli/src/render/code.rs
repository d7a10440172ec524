//! Codes of messages: the list, and one of them in full.

use baton_diagnostics::{CodeInfo, Example};
use serde_json::{Value, json};

use super::style;

/// All codes with their titles, a line each.
pub(crate) fn codes(rows: &[CodeInfo]) -> String {
    let line = |row: &CodeInfo| format!("{}  {}\n", style::heading(row.code.as_str()), row.title);
    rows.iter().map(line).collect()
}

/// Title, text, an example as a terminal shows it, and what to do; coloured, as all text for standard output.
pub(crate) fn code(row: &CodeInfo, example: Option<&Example>) -> String {
    let mut text = format!("{}: {}\n\n{}\n", style::heading(row.code.as_str()), row.title, wrapped(row.text));
    if let Some(example) = example {
        let shown = example.render(true);
        // The last lines count the diagnostics, which says nothing of an example.
        let shown = shown.rsplit_once("\n\n").map_or(shown.as_str(), |(body, _)| body);
        text.push_str(&format!("\n{}\n", style::heading("Example")));
        let indented = shown.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n");
        text.extend(indented);
        text.push_str(&format!("\n{}\n  {}\n", style::heading("What to do"), example.help));
    }
    text
}

/// The same for programs.
pub(crate) fn code_as_json(row: &CodeInfo, example: Option<&Example>) -> Value {
    let example = example.map(|example| {
        json!({
            "message": example.message,
            "file": Some(example.file).filter(|file| !file.is_empty()),
            "source": Some(example.source).filter(|source| !source.is_empty()),
            "rendered": example.render(false),
            "help": example.help,
        })
    });
    json!({
        "code": row.code,
        "title": row.title,
        "text": row.text,
        "severity": row.code.usual_severity(),
        "example": example,
    })
}

/// Lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + word.len() >= 100);
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.join("\n")
}
