//! Reads an object by its keys and reports whatever is wrong on the way, without stopping.
//!
//! A method that gives `None` for a key that is there has already reported why.

use std::str::FromStr as _;

use baton_core::duration::parse_seconds;
use baton_core::{AssetName, Kind};
use baton_diagnostics::{Diagnostic, codes, nearest};
use chrono::DateTime;
use croner::Cron;

use crate::report::{Mention, Report};
use crate::shape::Shape;
use crate::yaml::{Entry, Node, Span, Value};

/// An object that is being read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) report: &'a Report,
    /// Kind and name for messages: "source `flights`", "`train` of model `delay`".
    what: String,
    /// Where the object is named, for what is missing in it.
    at: Span,
    entries: &'a [Entry],
    shape: Shape,
}

impl<'a> Reader<'a> {
    /// Opens an object and reports its unknown keys; `None` and a report when it is no object. Null is empty.
    pub(crate) fn open(report: &'a Report, what: &str, at: Span, node: &'a Node, shape: Shape) -> Option<Self> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                wrong_type(report, what, node, "an object");
                return None;
            }
        };
        let reader = Self { report, what: what.to_owned(), at, entries, shape };
        reader.report_unknown_keys();
        Some(reader)
    }

    /// What messages call the object.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Renames the object in messages, once its name is read, and moves where missing keys are shown.
    pub(crate) fn rename(&mut self, what: String, at: Span) {
        self.what = what;
        self.at = at;
    }

    /// Where the object is named.
    pub(crate) fn at(&self) -> Span {
        self.at
    }

    /// Whether objects of this shape may have the key.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.shape.iter().any(|known| known.name == key)
    }

    /// Whether a key was written that objects of this shape do not have.
    pub(crate) fn has_unknown_keys(&self) -> bool {
        self.entries.iter().any(|entry| !self.knows(&entry.key))
    }

    /// Whether the key is written, even if without a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The key and its value.
    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key; one without a value counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.node).filter(|node| node.value != Value::Null)
    }

    /// The value of a needed key.
    pub(crate) fn need(&self, key: &str) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            let span = self.entry(key).map_or(self.at, |entry| entry.key_span);
            let message = format!("{} has no `{key}`", self.what);
            let description = self.shape.iter().find(|known| known.name == key).map_or("", |known| known.description);
            let diagnostic = Diagnostic::error(codes::MISSING_KEY, message)
                .with_label(self.report.place(span).label(""))
                .with_help(format!("add `{key}`: {description}"));
            self.report.push(diagnostic);
        }
        node
    }

    /// The object under a key.
    pub(crate) fn object(&self, key: &str, shape: Shape) -> Option<Self> {
        let entry = self.entry(key).filter(|entry| entry.node.value != Value::Null)?;
        Self::open(self.report, &self.of(key), entry.key_span, &entry.node, shape)
    }

    /// A text; numbers and booleans are taken as written.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(|node| self.as_text(key, node))
    }

    /// A needed text.
    pub(crate) fn need_text(&self, key: &str) -> Option<String> {
        self.need(key).and_then(|node| self.as_text(key, node))
    }

    /// A list of texts; a single one stands for a list of one, an absent key for none.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        self.items(key).iter().filter_map(|node| self.as_text(key, node)).collect()
    }

    /// The nodes of a list; a single value stands for a list of one.
    pub(crate) fn items(&self, key: &str) -> &'a [Node] {
        match self.get(key) {
            None => &[],
            Some(Node { value: Value::List(items), .. }) => items,
            Some(node) => std::slice::from_ref(node),
        }
    }

    /// The nodes of a list that must not be empty.
    pub(crate) fn need_items(&self, key: &str) -> &'a [Node] {
        if self.need(key).is_some() && self.items(key).is_empty() {
            let span = self.get(key).map_or(self.at, |node| node.span);
            let message = format!("`{key}` of {} is an empty list", self.what);
            self.report.error(codes::INVALID_VALUE, message, span, "expected at least one");
        }
        self.items(key)
    }

    /// true or false.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        match node.value {
            Value::Bool(value) => Some(value),
            _ => self.wrong(key, node, "true or false"),
        }
    }

    /// A whole number in a closed range.
    pub(crate) fn whole(&self, key: &str, least: i64, most: i64) -> Option<i64> {
        let node = self.get(key)?;
        let Value::Int(value) = node.value else {
            return self.wrong(key, node, "a whole number");
        };
        if (least..=most).contains(&value) {
            return Some(value);
        }
        let bounds = if most == i64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
        let message = format!("{} is {value}", self.of(key));
        self.report.error(codes::OUT_OF_RANGE, message, node.span, format!("expected {bounds}"));
        None
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        let node = self.get(key)?;
        match node.value {
            Value::Int(value) => Some(value as f64),
            Value::Float(value) if value.is_finite() => Some(value),
            _ => self.wrong(key, node, "a number"),
        }
    }

    /// A share from 0 to 1, written as a number or as `10%`.
    pub(crate) fn share(&self, key: &str) -> Option<f64> {
        let node = self.get(key)?;
        let share = match &node.value {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::Text(text) => percent(text),
            _ => None,
        };
        match share {
            None => self.wrong(key, node, "a share such as 0.1 or 10%"),
            Some(share) if (0.0..=1.0).contains(&share) => Some(share),
            Some(_) => {
                let written = node.scalar_text().unwrap_or_default();
                let message = format!("{} is {written}", self.of(key));
                self.report.error(codes::OUT_OF_RANGE, message, node.span, "expected 0 to 1, or 0% to 100%");
                None
            }
        }
    }

    /// A duration in seconds.
    pub(crate) fn seconds(&self, key: &str) -> Option<i64> {
        let node = self.get(key)?;
        let text = self.as_text(key, node)?;
        let seconds = parse_seconds(&text).ok();
        if seconds.is_none() {
            let message = format!("{} is `{text}`, which is not a duration", self.of(key));
            let diagnostic = Diagnostic::error(codes::INVALID_DURATION, message)
                .with_label(self.report.place(node.span).label(""))
                .with_help("write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w");
            self.report.push(diagnostic);
        }
        seconds
    }

    /// A duration longer than nothing.
    pub(crate) fn positive_seconds(&self, key: &str) -> Option<i64> {
        let seconds = self.seconds(key)?;
        if seconds == 0 {
            let span = self.get(key).map_or(self.at, |node| node.span);
            let message = format!("{} is zero", self.of(key));
            self.report.error(codes::OUT_OF_RANGE, message, span, "expected more than 0s");
            return None;
        }
        Some(seconds)
    }

    /// A cron line with five fields, in UTC.
    pub(crate) fn cron(&self, key: &str) -> Option<String> {
        self.get(key).and_then(|node| self.as_cron(key, node, " in UTC"))
    }

    /// Cron lines with five fields.
    pub(crate) fn crons(&self, key: &str) -> Vec<String> {
        self.items(key).iter().filter_map(|node| self.as_cron(key, node, "")).collect()
    }

    fn as_cron(&self, key: &str, node: &Node, zone: &str) -> Option<String> {
        let text = self.as_text(key, node)?;
        let problem = match Cron::from_str(&text) {
            _ if text.split_whitespace().count() != 5 => "expected five fields".to_owned(),
            Ok(cron) if cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false).is_err() => {
                "there is no such day".to_owned()
            }
            Ok(_) => return Some(text),
            Err(error) => error.to_string().to_lowercase().trim_end_matches('.').replace("component error: ", ""),
        };
        let help = format!("write five fields{zone}: minute hour day month weekday, such as `0 6 * * 1`");
        let diagnostic = Diagnostic::error(codes::INVALID_CRON, format!("{} is not a cron line", self.of(key)))
            .with_label(self.report.place(node.span).label(problem))
            .with_help(help);
        self.report.push(diagnostic);
        None
    }

    /// One of a few words.
    pub(crate) fn word(&self, key: &str, words: &[&'static str]) -> Option<&'static str> {
        self.get(key).and_then(|node| self.as_word(key, node, words))
    }

    /// A list of words out of a few.
    pub(crate) fn words(&self, key: &str, words: &[&'static str]) -> Vec<&'static str> {
        self.items(key).iter().filter_map(|node| self.as_word(key, node, words)).collect()
    }

    /// The name of an asset of these kinds, to be resolved when all files are read.
    pub(crate) fn reference(&self, key: &str, verb: &'static str, kinds: &'static [Kind]) -> Option<AssetName> {
        let node = self.need(key)?;
        let text = self.as_text(key, node)?;
        self.refer(&text, node.span, verb, kinds)
    }

    /// Parses a name and notes the mention.
    pub(crate) fn refer(
        &self,
        text: &str,
        span: Span,
        verb: &'static str,
        kinds: &'static [Kind],
    ) -> Option<AssetName> {
        let target = parse_name(self.report, text, span)?;
        self.report.mention(Mention {
            by: self.what.clone(),
            verb,
            target: target.clone(),
            feature: None,
            kinds,
            place: self.report.place(span),
        });
        Some(target)
    }

    /// A scalar as text; reports lists and objects.
    pub(crate) fn as_text(&self, key: &str, node: &Node) -> Option<String> {
        let text = node.scalar_text();
        if text.is_none() {
            return self.wrong(key, node, "a text");
        }
        text
    }

    /// "`key` of object".
    pub(crate) fn of(&self, key: &str) -> String {
        format!("`{key}` of {}", self.what)
    }

    fn wrong<T>(&self, key: &str, node: &Node, expected: &str) -> Option<T> {
        wrong_type(self.report, &self.of(key), node, expected);
        None
    }

    fn as_word(&self, key: &str, node: &Node, words: &[&'static str]) -> Option<&'static str> {
        let text = self.as_text(key, node)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let expected = format!("expected {}", join_words(words));
            let diagnostic = Diagnostic::error(codes::INVALID_VALUE, format!("{} is `{text}`", self.of(key)))
                .with_label(self.report.place(node.span).label(expected))
                .with_nearest(nearest(&text, words.iter().copied()));
            self.report.push(diagnostic);
        }
        found
    }

    fn report_unknown_keys(&self) {
        let known: Vec<&str> = self.shape.iter().map(|key| key.name).collect();
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let diagnostic =
                Diagnostic::error(codes::UNKNOWN_KEY, format!("{} has unknown key `{}`", self.what, entry.key))
                    .with_label(self.report.place(entry.key_span).label(""))
                    .with_detail(format!("Known keys: {}.", known.join(", ")))
                    .with_nearest(nearest(&entry.key, known.iter().copied()));
            self.report.push(diagnostic);
        }
    }
}

/// Parses a name, or reports why it is none.
pub(crate) fn parse_name(report: &Report, text: &str, span: Span) -> Option<AssetName> {
    let name = AssetName::parse(text);
    if name.is_err() {
        let message = if text.is_empty() { "a name is empty".to_owned() } else { format!("`{text}` is not a name") };
        let diagnostic = Diagnostic::error(codes::INVALID_NAME, message)
            .with_label(report.place(span).label(""))
            .with_help("use letters, digits and underscores, and start with a letter or underscore");
        report.push(diagnostic);
    }
    name.ok()
}

/// Reports a value of the wrong type.
pub(crate) fn wrong_type(report: &Report, what: &str, node: &Node, expected: &str) {
    let message = format!("{what} is {}, expected {expected}", node.type_word());
    report.error(codes::WRONG_TYPE, message, node.span, format!("expected {expected}"));
}

/// "a, b or c".
pub(crate) fn join_words(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn percent(text: &str) -> Option<f64> {
    text.trim()
        .strip_suffix('%')?
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .map(|value| value / 100.0)
}
