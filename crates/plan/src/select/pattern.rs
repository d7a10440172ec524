//! Patterns: texts in which `*`, `?` and `[abc]` stand for others.

use globset::{Glob, GlobBuilder, GlobMatcher};

/// A text to compare with, with or without wildcards.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    matcher: Option<GlobMatcher>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Reads a pattern over names and words; a wildcard stands for any characters.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::build(text, false)
    }

    /// Reads a pattern over paths, in which `*` stops at a slash and `**` does not.
    pub(super) fn parse_path(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("./").unwrap_or(text);
        Self::build(text.strip_suffix('/').unwrap_or(text), true)
    }

    fn build(text: &str, is_path: bool) -> Result<Self, String> {
        let matcher = if text.contains(['*', '?', '[']) {
            let glob: Result<Glob, _> = GlobBuilder::new(text).literal_separator(is_path).build();
            Some(glob.map_err(|error| error.kind().to_string())?.compile_matcher())
        } else {
            None
        };
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// The text as written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has wildcards.
    pub(super) fn is_wild(&self) -> bool {
        self.matcher.is_some()
    }

    /// Whether `text` is what the pattern stands for.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.matcher.as_ref().map_or(self.text == text, |matcher| matcher.is_match(text))
    }

    /// Whether `file`, or a folder that it lies in, is what the pattern stands for.
    pub(super) fn matches_path(&self, file: &str) -> bool {
        let folders = file.match_indices('/').map(|(slash, _)| &file[..slash]);
        self.text == "." || self.matches(file) || folders.into_iter().any(|folder| self.matches(folder))
    }
}
