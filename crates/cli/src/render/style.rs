//! Colours by what they mean; the meaning survives without them.

use anstyle::{AnsiColor, Style};

const BOLD: Style = Style::new().bold();
const MUTED: Style = Style::new().dimmed();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const GOOD: Style = AnsiColor::Green.on_default();

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A heading.
pub(crate) fn heading(text: &str) -> String {
    paint(BOLD, text)
}

/// What matters less.
pub(crate) fn muted(text: &str) -> String {
    paint(MUTED, text)
}

/// What failed.
pub(crate) fn error(text: &str) -> String {
    paint(ERROR, text)
}

/// What should be looked at.
pub(crate) fn warning(text: &str) -> String {
    paint(WARNING, text)
}

/// What to do.
pub(crate) fn hint(text: &str) -> String {
    paint(HINT, text)
}

/// What is well.
pub(crate) fn good(text: &str) -> String {
    paint(GOOD, text)
}

/// A part of one of several lines of a figure; only the first few have a colour each.
pub(crate) fn series(text: &str, number: usize) -> String {
    use AnsiColor::{Blue, Cyan, Green, Magenta, Red, Yellow};
    match [Blue, Yellow, Green, Magenta, Cyan, Red].get(number) {
        Some(colour) => paint(colour.on_default(), text),
        None => muted(text),
    }
}

/// Colours the sign at the start of a plan's line.
pub(crate) fn plan_line(line: &str) -> String {
    let sign = line.trim_start().chars().next();
    match sign {
        Some('+') if line.starts_with("  ") => paint(GOOD, line),
        Some('-') if line.starts_with("  ") => paint(AnsiColor::Red.on_default(), line),
        Some('~') if line.starts_with("  ") => paint(AnsiColor::Yellow.on_default(), line),
        _ => line.to_owned(),
    }
}
