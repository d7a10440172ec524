//! Gates as written in a project: comparisons as text, the others as mappings.
//!
//! Metrics are known by their names here, so that a slip is told before anything is trained.

use super::{Bound, Comparison, Gate};
use crate::evaluate::{CALIBRATION_ERROR, Metric};
use baton_stats::StatsError;
use serde_json::{Map, Value};

/// The forms a gate may have, for messages.
const FORMS: &str = "`roc_auc >= 0.65`, `roc_auc >= champion.roc_auc - 0.005`, `size <= 50MB`, `no_open_incidents`, \
                     `{fairness: {group: carrier, metric: equal_opportunity_difference, max: 0.2}}` or \
                     `{load_test: {rps: 200, p99_ms: 20}}`";

/// A gate that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gate `{text}`, column {column}: {reason}; a gate is written {FORMS}")]
pub struct GateSyntax {
    /// The gate as it was written.
    pub text: String,
    /// Where it stops being understood, from 1.
    pub column: usize,
    /// What was expected there.
    pub reason: String,
}

impl Gate {
    /// Reads a gate from a project value: text or a mapping with one key.
    ///
    /// # Errors
    ///
    /// [`GateSyntax`] with the place and the valid forms.
    pub fn parse(value: &Value) -> Result<Self, GateSyntax> {
        match value {
            Value::String(text) => Self::parse_text(text),
            Value::Object(mapping) => parse_mapping(value, mapping),
            other => Err(refuse(&other.to_string(), 0, "a gate is text or a mapping")),
        }
    }

    /// Reads a comparison (`metric >= bound`), `size <= 50MB` or `no_open_incidents`.
    ///
    /// # Errors
    ///
    /// [`GateSyntax`] with the place and the valid forms.
    pub fn parse_text(text: &str) -> Result<Self, GateSyntax> {
        let mut reader = Reader { text, at: 0 };
        let subject = reader.name("a metric")?;
        let gate = match subject.as_str() {
            "no_open_incidents" => Self::NoOpenIncidents,
            "size" => {
                let comparison = reader.comparison()?;
                reader.size(comparison)?
            }
            _ => {
                let metric = reader.known_metric(subject)?;
                Self::Metric { metric, comparison: reader.comparison()?, bound: reader.bound()? }
            }
        };
        if reader.is_done() { Ok(gate) } else { Err(reader.refuse("nothing more is expected here")) }
    }
}

fn refuse(text: &str, at: usize, reason: &str) -> GateSyntax {
    let column = text.get(..at).map_or(0, |before| before.chars().count()) + 1;
    GateSyntax { text: text.to_owned(), column, reason: reason.to_owned() }
}

/// Why no metric has this name, or `None` when one has.
fn unknown_metric(name: &str) -> Option<String> {
    if name == CALIBRATION_ERROR {
        return None;
    }
    let error = name.parse::<Metric>().err()?;
    Some(format!("{error}, {CALIBRATION_ERROR}"))
}

/// Reads words from the left.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn refuse(&self, reason: &str) -> GateSyntax {
        refuse(self.text, self.at, reason)
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn is_done(&mut self) -> bool {
        self.skip_spaces();
        self.at == self.text.len()
    }

    /// The longest prefix of what follows whose characters all fit.
    fn take(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        self.skip_spaces();
        let rest = &self.text[self.at..];
        let end = rest.find(|character| !fits(character)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn name(&mut self, what: &str) -> Result<String, GateSyntax> {
        self.skip_spaces();
        let start = self.at;
        let name = self.take(|character| character.is_alphanumeric() || "_@".contains(character));
        if name.starts_with(|character: char| character.is_alphabetic()) {
            return Ok(name.to_owned());
        }
        Err(refuse(self.text, start, &format!("{what} is expected here")))
    }

    /// The name that was just read, if a metric has it.
    fn known_metric(&self, name: String) -> Result<String, GateSyntax> {
        match unknown_metric(&name) {
            None => Ok(name),
            Some(reason) => Err(refuse(self.text, self.at - name.len(), &reason)),
        }
    }

    fn comparison(&mut self) -> Result<Comparison, GateSyntax> {
        self.skip_spaces();
        let start = self.at;
        match self.take(|character| "<>=!".contains(character)) {
            ">=" => Ok(Comparison::AtLeast),
            ">" => Ok(Comparison::Above),
            "<=" => Ok(Comparison::AtMost),
            "<" => Ok(Comparison::Below),
            _ => Err(refuse(self.text, start, "one of `>=`, `>`, `<=`, `<` is expected here")),
        }
    }

    fn number(&mut self) -> Result<f64, GateSyntax> {
        self.skip_spaces();
        let start = self.at;
        let written = self.take(|character| character.is_ascii_digit() || "+-.eE".contains(character));
        let number = written.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| refuse(self.text, start, "a number is expected here"))
    }

    fn bound(&mut self) -> Result<Bound, GateSyntax> {
        self.skip_spaces();
        let Some(rest) = self.text[self.at..].strip_prefix("champion.") else {
            return self.number().map(Bound::Number).map_err(|error| GateSyntax {
                reason: "a number or `champion.` and a metric is expected here".to_owned(),
                ..error
            });
        };
        self.at = self.text.len() - rest.len();
        let name = self.name("a metric of the champion")?;
        let metric = self.known_metric(name)?;
        Ok(Bound::Champion { metric, offset: self.offset()? })
    }

    fn offset(&mut self) -> Result<f64, GateSyntax> {
        self.skip_spaces();
        let sign = match self.text[self.at..].chars().next() {
            Some('-') => -1.0,
            Some('+') => 1.0,
            _ => return Ok(0.0),
        };
        self.at += 1;
        Ok(sign * self.number()?)
    }

    fn size(&mut self, comparison: Comparison) -> Result<Gate, GateSyntax> {
        if comparison != Comparison::AtMost {
            return Err(self.refuse("a size has a greatest value, so `<=` is expected before it"));
        }
        let number = self.number()?;
        self.skip_spaces();
        let start = self.at;
        let unit = match self.take(|character| character.is_ascii_alphabetic()).to_ascii_uppercase().as_str() {
            "" | "B" => 1e0,
            "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            _ => return Err(refuse(self.text, start, "one of B, KB, MB, GB is expected here")),
        };
        Ok(Gate::Size { max_bytes: (number * unit).max(0.0) as u64 })
    }
}

fn parse_mapping(value: &Value, mapping: &Map<String, Value>) -> Result<Gate, GateSyntax> {
    let entries: Vec<_> = mapping.iter().collect();
    let fields = match entries[..] {
        [(kind, Value::Object(fields))] => Fields { gate: value, kind, fields },
        _ => return Err(refuse(&value.to_string(), 0, "a mapping has one key, with a mapping below it")),
    };
    match fields.kind {
        "fairness" => {
            fields.only(&["group", "metric", "max", "min"])?;
            let metric = fields.text("metric")?.parse();
            let metric = metric.map_err(|error: StatsError| fields.refuse("metric", &error.to_string()))?;
            let (comparison, bound) = fields.limit()?;
            Ok(Gate::Fairness { group: fields.text("group")?, metric, comparison, bound })
        }
        "load_test" => {
            fields.only(&["rps", "p99_ms"])?;
            Ok(Gate::LoadTest { rps: fields.number("rps")?, p99_ms: fields.number("p99_ms")? })
        }
        other => Err(fields.refuse(other, "`fairness` or `load_test` is expected here")),
    }
}

/// The fields of a gate that is written as a mapping.
struct Fields<'a> {
    gate: &'a Value,
    kind: &'a str,
    fields: &'a Map<String, Value>,
}

impl Fields<'_> {
    /// A complaint that points at the first place where the gate's text has `at`.
    fn refuse(&self, at: &str, reason: &str) -> GateSyntax {
        let text = self.gate.to_string();
        let place = text.find(&format!("\"{at}\"")).map_or(0, |place| place + 1);
        refuse(&text, place, reason)
    }

    fn only(&self, known: &[&str]) -> Result<(), GateSyntax> {
        match self.fields.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(self.refuse(key, &format!("`{}` takes {}", self.kind, known.join(", ")))),
        }
    }

    fn text(&self, key: &str) -> Result<String, GateSyntax> {
        match self.fields.get(key) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(self.refuse(key, &format!("`{key}` is text"))),
            None => Err(self.refuse(self.kind, &format!("`{}` needs `{key}`", self.kind))),
        }
    }

    /// The bound of a fairness gate: exactly one of `max` and `min`.
    fn limit(&self) -> Result<(Comparison, f64), GateSyntax> {
        match (self.fields.contains_key("max"), self.fields.contains_key("min")) {
            (true, false) => Ok((Comparison::AtMost, self.number("max")?)),
            (false, true) => Ok((Comparison::AtLeast, self.number("min")?)),
            _ => Err(self.refuse(self.kind, "`fairness` needs either `max` or, for a ratio, `min`")),
        }
    }

    fn number(&self, key: &str) -> Result<f64, GateSyntax> {
        match self.fields.get(key) {
            Some(value) => value.as_f64().ok_or_else(|| self.refuse(key, &format!("`{key}` is a number"))),
            None => Err(self.refuse(self.kind, &format!("`{}` needs `{key}`", self.kind))),
        }
    }
}
