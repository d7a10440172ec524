//! What a step's output depends on, in parts: the same parts are the same output, in any environment.
//!
//! The parts are recorded with the output, so that a step that was not taken from the cache can say what differs.

use std::collections::BTreeMap;

use baton_core::check::Check;
use baton_core::{AssetName, Fingerprint, Interval, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::code::code_of;

/// The parts of a step's cache key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepKey {
    /// `ingest`, `build`, `train`, …
    pub(crate) verb: String,
    /// What decides rows and columns, or what a model learns.
    pub(crate) content: Fingerprint,
    /// The checks that its output was held to; `None` without checks.
    #[serde(default)]
    pub(crate) checks: Option<Fingerprint>,
    /// The exact inputs: versions of assets, hashes of deliveries.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, String>,
    /// The version that it was added to.
    #[serde(default)]
    pub(crate) base: Option<String>,
    /// The time that was computed.
    #[serde(default)]
    pub(crate) interval: Option<Interval>,
    /// The logical clock, where it decides the output.
    #[serde(default)]
    pub(crate) clock: Option<Timestamp>,
    /// Whatever else decides it, by name.
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    /// The code that did the work.
    pub(crate) code: String,
}

impl StepKey {
    /// The key of a step that has nothing but a definition yet.
    pub(crate) fn new(verb: &str, content: &Fingerprint) -> Self {
        Self {
            verb: verb.to_owned(),
            content: content.clone(),
            checks: None,
            inputs: BTreeMap::new(),
            base: None,
            interval: None,
            clock: None,
            parameters: BTreeMap::new(),
            code: code_of(verb),
        }
    }

    /// With the checks that its output is held to.
    pub(crate) fn checked_by(mut self, checks: &[Check]) -> Self {
        self.checks = (!checks.is_empty()).then(|| Fingerprint::of([json!(checks).to_string()]));
        self
    }

    /// With the exact versions of the assets that it reads.
    pub(crate) fn reading(mut self, inputs: &BTreeMap<AssetName, String>) -> Self {
        self.inputs = inputs.iter().map(|(name, version)| (name.to_string(), version.clone())).collect();
        self
    }

    /// With one more thing that decides the output.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.parameters.insert(name.to_owned(), value.to_string());
        self
    }

    /// The hash of all parts.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([json!(self).to_string()])
    }

    /// What of `other`, an earlier key of the same asset, is different here: a line for each part.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.verb != other.verb {
            lines.push(format!("the last step was a {}", other.verb));
        }
        if self.content != other.content {
            lines.push(format!("definition: {} → {}", other.content.short(), self.content.short()));
        }
        if self.checks != other.checks {
            lines.push("checks differ".to_owned());
        }
        lines.extend(match self.verb.as_str() {
            "ingest" => deliveries(&other.inputs, &self.inputs),
            _ => moved(&other.inputs, &self.inputs),
        });
        if self.interval != other.interval {
            let show = |interval: Option<Interval>| interval.map_or("the whole".to_owned(), |found| found.to_string());
            lines.push(format!("interval: {} → {}", show(other.interval), show(self.interval)));
        }
        if self.base != other.base {
            lines.push(format!("base: {} → {}", version_or_none(&other.base), version_or_none(&self.base)));
        }
        if self.clock != other.clock {
            let show =
                |clock: Option<Timestamp>| clock.map_or("any".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string());
            lines.push(format!("clock: {} → {}", show(other.clock), show(self.clock)));
        }
        lines.extend(moved(&other.parameters, &self.parameters));
        if self.code != other.code {
            lines.push(format!("code: {} → {}", other.code, self.code));
        }
        lines
    }
}

fn moved(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let came = now.iter().filter(|(name, _)| !before.contains_key(*name)).map(|(name, _)| format!("{name}: new"));
    let went = before.keys().filter(|name| !now.contains_key(*name)).map(|name| format!("{name}: no longer read"));
    let other = now.iter().filter_map(|(name, value)| {
        let was = before.get(name).filter(|was| *was != value)?;
        Some(format!("{name}: {} → {}", short(was), short(value)))
    });
    came.chain(went).chain(other).collect()
}

/// Deliveries that were not landed with the base, by path.
fn deliveries(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let line = |(path, hash): (&String, &String)| match before.get(path) {
        Some(was) if was == hash => None,
        Some(_) => Some(format!("delivery {path} holds something else")),
        None => Some(format!("delivery {path} is new")),
    };
    now.iter().filter_map(line).collect()
}

fn version_or_none(version: &Option<String>) -> String {
    version.as_deref().map_or("none".to_owned(), short)
}

/// The part of a version that tells it from others: `v3 of 4f0c21aa` for `tables/flights/4f0c21aa…@3`.
fn short(text: &str) -> String {
    let (version, clock) = text.split_once(" as of ").map_or((text, ""), |(version, _)| (version, " under the clock"));
    match version.rsplit_once('@') {
        Some((location, number)) => {
            let folder = location.rsplit('/').next().unwrap_or(location);
            format!("v{number} of {}{clock}", folder.get(..8).unwrap_or(folder))
        }
        None if version.len() > 40 => format!("{}…", version.chars().take(39).collect::<String>()),
        None => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StepKey {
        StepKey::new("build", &Fingerprint::of(["select 1"])).with("seed", 1)
    }

    #[test]
    fn equal_parts_are_one_key() {
        assert_eq!(key().fingerprint(), key().fingerprint());
        assert!(key().differences(&key()).is_empty());
        assert_ne!(key().fingerprint(), key().with("seed", 2).fingerprint());
    }

    #[test]
    fn every_part_that_differs_is_named() {
        let mut before = key();
        before.inputs.insert("orders".to_owned(), "tables/orders/4f0c21aa77@3".to_owned());
        before.inputs.insert("gone".to_owned(), "tables/gone/4f0c21aa77@0".to_owned());
        let mut now = StepKey::new("build", &Fingerprint::of(["select 2"])).with("seed", 2);
        now.inputs.insert("orders".to_owned(), "tables/orders/4f0c21aa77@4 as of 1380000000000000".to_owned());
        now.interval = Some(Interval { start: 0, end: 86_400_000_000 });
        now.base = Some("tables/days/99aa00bb11@7".to_owned());
        now.code.push_str(", more");
        let expected = expect_test::expect![[r#"
            definition: 99720b22 → 11b2d08d
            gone: no longer read
            orders: v3 of 4f0c21aa → v4 of 4f0c21aa under the clock
            interval: the whole → [1970-01-01T00:00, 1970-01-02T00:00)
            base: none → v7 of 99aa00bb
            seed: 1 → 2
            code"#]];
        let lines: Vec<String> = now.differences(&before);
        let lines: Vec<&str> =
            lines.iter().map(|line| if line.starts_with("code:") { "code" } else { line.as_str() }).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn recorded_keys_are_read_back() {
        let text = json!(key()).to_string();
        assert_eq!(serde_json::from_str::<StepKey>(&text).unwrap(), key());
    }
}
