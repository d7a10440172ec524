//! The grammar: text to terms. Knows words and operators, not assets.
//!
//! ```text
//! argument = group {space group}            union
//! group    = term {"," term}                intersection
//! term     = ["@"] [[number] "+"] [method ":"] value ["+" [number]]
//! ```

use baton_core::Kind;
use baton_diagnostics::nearest;

use super::error::{Place, SelectError};
use super::pattern::Pattern;
use super::result::StepResult;
use super::walk::Walk;
use crate::plan::Change;

/// Terms that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// As written.
    pub(super) text: String,
    pub(super) terms: Vec<Term>,
}

/// What is looked for, and how far around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) place: Place,
    pub(super) criterion: Criterion,
    pub(super) walk: Walk,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Criterion {
    Name(Pattern),
    Tag(Pattern),
    Kind(Kind),
    Owner(Pattern),
    Source(Pattern),
    Path(Pattern),
    State(StateWord),
    Result(StepResult),
}

/// What a plan says of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateWord {
    /// New, or defined otherwise in any way, as in dbt.
    Modified,
    /// Exactly this change.
    Exactly(Change),
}

const METHODS: &[&str] = &["kind", "name", "owner", "path", "result", "source", "state", "tag"];
const KINDS: &[&str] = &["source", "table", "feature_view", "model", "endpoint", "monitor", "exposure"];
const STATES: &[&str] = &["new", "modified", "additive", "breaking", "metadata_only", "data", "unchanged", "removed"];
const RESULTS: &[&str] = &["error", "skipped", "success"];

/// Reads arguments into groups.
pub(super) fn parse(arguments: &[String]) -> Result<Vec<Group>, SelectError> {
    let mut groups = Vec::new();
    for argument in arguments {
        for (start, word) in split(argument, char::is_whitespace) {
            if !word.is_empty() {
                groups.push(group(argument, start, word)?);
            }
        }
    }
    Ok(groups)
}

/// The pieces of `text` between separators, each with its byte offset.
fn split(text: &str, is_separator: impl Fn(char) -> bool + Copy) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split(is_separator).map(move |piece| {
        let at = start;
        // Every separator of the grammar, and every ASCII space, is one byte; others only shift a place.
        start += piece.len() + 1;
        (at, piece)
    })
}

fn group(argument: &str, start: usize, text: &str) -> Result<Group, SelectError> {
    let terms =
        split(text, |letter| letter == ',').map(|(offset, term)| Reader::new(argument, start + offset, term).term());
    Ok(Group { text: text.to_owned(), terms: terms.collect::<Result<_, _>>()? })
}

/// Reads one term from its left to its right end.
struct Reader<'a> {
    argument: &'a str,
    /// Byte offset of `rest` in the argument.
    at: usize,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn new(argument: &'a str, at: usize, rest: &'a str) -> Self {
        Self { argument, at, rest }
    }

    fn place(&self) -> Place {
        let before = self.argument.get(..self.at).unwrap_or(self.argument);
        Place { argument: self.argument.to_owned(), character: before.chars().count() + 1 }
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
        self.rest = &self.rest[bytes..];
    }

    fn term(mut self) -> Result<Term, SelectError> {
        let place = self.place();
        let is_at = self.rest.starts_with('@');
        if is_at {
            self.skip(1);
        }
        let operators = self.place();
        let up = self.ancestors()?;
        let down = self.descendants()?;
        let walk = match (is_at, up, down) {
            (true, None, None) => Walk::ChildrensParents,
            (true, ..) => return Err(SelectError::MixedOperators { place: operators }),
            (false, up, down) => Walk::Steps { up: up.unwrap_or(0), down: down.unwrap_or(0) },
        };
        Ok(Term { criterion: self.criterion()?, place, walk })
    }

    /// Takes `+` or `2+` from the left end.
    fn ancestors(&mut self) -> Result<Option<usize>, SelectError> {
        let digits = self.rest.len() - self.rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        if !self.rest[digits..].starts_with('+') {
            return Ok(None);
        }
        let steps = self.steps(&self.rest[..digits])?;
        self.skip(digits + 1);
        Ok(Some(steps))
    }

    /// Takes `+` or `+2` from the right end.
    fn descendants(&mut self) -> Result<Option<usize>, SelectError> {
        let without_digits = self.rest.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let Some(body) = without_digits.strip_suffix('+') else { return Ok(None) };
        let steps = self.steps(&self.rest[without_digits.len()..])?;
        self.rest = body;
        Ok(Some(steps))
    }

    fn steps(&self, digits: &str) -> Result<usize, SelectError> {
        if digits.is_empty() {
            return Ok(usize::MAX);
        }
        digits.parse().map_err(|_| SelectError::InvalidDepth { text: digits.to_owned(), place: self.place() })
    }

    fn criterion(mut self) -> Result<Criterion, SelectError> {
        let Some((method, value)) = self.rest.split_once(':') else {
            return self.name_or_path();
        };
        let Some(method) = METHODS.iter().find(|known| **known == method) else {
            return Err(SelectError::UnknownMethod {
                word: method.to_owned(),
                nearest: nearest(method, METHODS.iter().copied()).map(str::to_owned),
                place: self.place(),
                known: METHODS,
            });
        };
        self.skip(self.rest.len() - value.len());
        self.needs_value()?;
        match *method {
            "tag" => Ok(Criterion::Tag(self.pattern()?)),
            "owner" => Ok(Criterion::Owner(self.pattern()?)),
            "source" => Ok(Criterion::Source(self.pattern()?)),
            "path" => Ok(Criterion::Path(self.path()?)),
            "kind" => self.kind(),
            "state" => self.state(),
            "result" => self.result(),
            _ => Ok(Criterion::Name(self.pattern()?)),
        }
    }

    /// A word without a method is a name; names have neither slashes nor dots, so one with them is a path.
    fn name_or_path(&self) -> Result<Criterion, SelectError> {
        self.needs_value()?;
        let is_path =
            self.rest.contains('/') || [".sql", ".py", ".yml", ".yaml"].iter().any(|end| self.rest.ends_with(end));
        Ok(if is_path { Criterion::Path(self.path()?) } else { Criterion::Name(self.pattern()?) })
    }

    fn needs_value(&self) -> Result<(), SelectError> {
        if self.rest.is_empty() { Err(SelectError::Missing { place: self.place() }) } else { Ok(()) }
    }

    fn pattern(&self) -> Result<Pattern, SelectError> {
        Pattern::parse(self.rest).map_err(|reason| self.invalid(reason))
    }

    fn path(&self) -> Result<Pattern, SelectError> {
        Pattern::parse_path(self.rest).map_err(|reason| self.invalid(reason))
    }

    fn invalid(&self, reason: String) -> SelectError {
        SelectError::InvalidPattern { text: self.rest.to_owned(), reason, place: self.place() }
    }

    fn kind(&self) -> Result<Criterion, SelectError> {
        let word = self.rest.replace('-', "_");
        let singular = word.strip_suffix('s').unwrap_or(&word);
        let singular = if singular == "feature" { "feature_view" } else { singular };
        let found = Kind::ALL.into_iter().find(|kind| kind.word().replace(' ', "_") == singular);
        found.map(Criterion::Kind).ok_or_else(|| self.unknown_word("kind", KINDS))
    }

    fn state(&self) -> Result<Criterion, SelectError> {
        let word = match self.rest {
            "modified" => Some(StateWord::Modified),
            "metadata" => Some(StateWord::Exactly(Change::MetadataOnly)),
            other => serde_json::from_value(other.into()).ok().map(StateWord::Exactly),
        };
        word.map(Criterion::State).ok_or_else(|| self.unknown_word("state", STATES))
    }

    fn result(&self) -> Result<Criterion, SelectError> {
        let found = match self.rest {
            "error" | "fail" => StepResult::Error,
            "skipped" => StepResult::Skipped,
            "success" => StepResult::Success,
            _ => return Err(self.unknown_word("result", RESULTS)),
        };
        Ok(Criterion::Result(found))
    }

    fn unknown_word(&self, method: &'static str, known: &'static [&'static str]) -> SelectError {
        SelectError::UnknownWord {
            method,
            word: self.rest.to_owned(),
            nearest: nearest(self.rest, known.iter().copied()).map(str::to_owned),
            place: self.place(),
            known,
        }
    }
}
