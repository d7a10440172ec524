//! Diagnostics for a terminal: header, source excerpts with underlines (drawn by miette), detail and help.
//!
//! Reads no environment and no terminal: the caller says whether to colour and where sources come from.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use crate::diagnostic::{Diagnostic, Label, Severity, count};

/// Text for people, a blank line between diagnostics, and the summary line at the end; empty for no diagnostics.
///
/// `sources` gives a file's text; a file it does not know is named without an excerpt.
pub fn render_terminal(diagnostics: &[Diagnostic], sources: &dyn Fn(&str) -> Option<String>, color: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&render_one(diagnostic, sources, color));
        text.push('\n');
    }
    text.push_str(&summary(diagnostics));
    text.push('\n');
    text
}

/// Counts in words: `2 errors, 1 warning`.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let counted = |severity, word: &str| {
        let number = count(diagnostics, severity);
        format!("{number} {word}{}", if number == 1 { "" } else { "s" })
    };
    format!("{}, {}", counted(Severity::Error, "error"), counted(Severity::Warning, "warning"))
}

fn render_one(diagnostic: &Diagnostic, sources: &dyn Fn(&str) -> Option<String>, color: bool) -> String {
    let theme = theme(diagnostic, color);
    let mut text = String::new();
    let mut files = files(&diagnostic.labels);
    if files.is_empty() {
        files.push("");
    }
    for (position, file) in files.into_iter().enumerate() {
        let excerpt = Excerpt::new(diagnostic, file, sources(file));
        let drawn = draw(&excerpt, theme.clone());
        let (header, snippet) = drawn.split_once('\n').unwrap_or((&drawn, ""));
        if position == 0 {
            text.push_str(header.trim_start());
            text.push('\n');
        }
        text.push_str(snippet);
        text.push_str(&excerpt.unseen_places());
    }
    push_notes(&mut text, diagnostic, &theme);
    text
}

fn draw(excerpt: &Excerpt, theme: GraphicalTheme) -> String {
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_context_lines(1)
        .with_wrap_lines(false)
        .without_syntax_highlighting()
        .with_urls(false);
    let mut text = String::new();
    match handler.render_report(&mut text, excerpt) {
        Ok(()) => text,
        Err(fmt::Error) => format!("{excerpt}\n"), // a String never refuses, so this is only for the types
    }
}

/// The header is drawn as `<icon> <message>`, so the icon is where severity and code go.
fn theme(diagnostic: &Diagnostic, color: bool) -> GraphicalTheme {
    let mut theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let head = format!("{}[{}]:", diagnostic.severity.word(), diagnostic.code);
    theme.characters.error.clone_from(&head);
    theme.characters.warning.clone_from(&head);
    theme.characters.advice = head;
    theme
}

fn push_notes(text: &mut String, diagnostic: &Diagnostic, theme: &GraphicalTheme) {
    let notes = diagnostic.detail.iter().map(|note| ("detail:", note));
    for (word, note) in notes.chain(diagnostic.help.iter().map(|note| ("help:", note))) {
        let note = note.replace('\n', &format!("\n{:width$}", "", width = word.len() + 3));
        text.push_str(&format!("  {} {note}\n", theme.styles.help.style(word)));
    }
}

/// Files in the order in which labels name them.
fn files(labels: &[Label]) -> Vec<&str> {
    let mut files: Vec<&str> = Vec::new();
    for label in labels {
        if !files.contains(&label.file.as_str()) {
            files.push(&label.file);
        }
    }
    files
}

/// One file's part of a diagnostic, in miette's terms.
#[derive(Debug)]
struct Excerpt<'a> {
    diagnostic: &'a Diagnostic,
    labels: Vec<&'a Label>,
    source: Option<File>,
}

impl<'a> Excerpt<'a> {
    fn new(diagnostic: &'a Diagnostic, file: &str, source: Option<String>) -> Self {
        let labels = diagnostic.labels.iter().filter(|label| label.file == file).collect();
        let source = source.map(|text| File { name: file.to_owned(), text });
        Self { diagnostic, labels, source }
    }

    /// The places of a file whose text is not at hand.
    fn unseen_places(&self) -> String {
        if self.source.is_some() {
            return String::new();
        }
        self.labels
            .iter()
            .map(|label| {
                let gap = if label.text.is_empty() { "" } else { ": " };
                format!("  ─[{}:{}:{}]{gap}{}\n", label.file, label.line, label.column, label.text)
            })
            .collect()
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Excerpt<'_> {}

impl miette::Diagnostic for Excerpt<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Info => miette::Severity::Advice,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let source = self.source.as_ref()?;
        Some(Box::new(self.labels.iter().map(|label| labeled_span(label, &source.text))))
    }
}

/// A named text. Like miette's own, except that columns count characters and not bytes.
#[derive(Debug)]
struct File {
    name: String,
    text: String,
}

impl SourceCode for File {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, lines_before, lines_after)?;
        let before = self.text.get(..inner.span().offset()).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].chars().count();
        let (name, line, count) = (self.name.clone(), inner.line(), inner.line_count());
        Ok(Box::new(MietteSpanContents::new_named(name, inner.data(), *inner.span(), line, column, count)))
    }
}

fn labeled_span(label: &Label, source: &str) -> LabeledSpan {
    let start = byte_offset(source, label.line, label.column);
    let rest = source.get(start..).unwrap_or("");
    let length = rest.lines().next().unwrap_or("").chars().take(label.length as usize).map(char::len_utf8).sum();
    let text = (!label.text.is_empty()).then(|| label.text.clone());
    LabeledSpan::new(text, start, length)
}

/// The byte at which a line and column lie; beyond the end of a line or of the text it is that end.
fn byte_offset(source: &str, line: u32, column: u32) -> usize {
    let skipped = (line.max(1) - 1) as usize;
    let start: usize = source.split_inclusive('\n').take(skipped).map(str::len).sum();
    let line_text = source.get(start..).unwrap_or("").lines().next().unwrap_or("");
    start + line_text.chars().take((column.max(1) - 1) as usize).map(char::len_utf8).sum::<usize>()
}
