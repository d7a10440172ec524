//! Training parameters: a sorted map of names to numbers, checked against what an algorithm declares.
//!
//! Knows no algorithm; each trainer lists its own [`ParamSpec`]s.

use crate::error::{MlError, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Parameters of one training, by name. Whole-number parameters are stored as whole `f64`s.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(pub BTreeMap<String, f64>);

/// One parameter that an algorithm takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParamSpec {
    /// Its name, as users write it.
    pub name: &'static str,
    /// The value when none is given.
    pub default: f64,
    /// Least allowed value.
    pub min: f64,
    /// Greatest allowed value.
    pub max: f64,
    /// Whether only whole numbers are allowed.
    pub whole: bool,
}

impl Params {
    /// The value of `name`, if one is given.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// These parameters with `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// These parameters with those of `other` written over them.
    #[must_use]
    pub fn overlaid(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().map(|(name, value)| (name.clone(), *value)));
        self
    }

    /// These parameters with every default of `specs` filled in.
    ///
    /// # Errors
    ///
    /// [`MlError::Parameter`] for a name that `specs` does not list or a value out of its range.
    pub fn resolved(&self, algorithm: &str, specs: &[ParamSpec]) -> Result<Self> {
        for (name, value) in &self.0 {
            check(algorithm, specs, name, *value)?;
        }
        let defaults = specs.iter().map(|spec| (spec.name.to_owned(), spec.default));
        Ok(Self(defaults.collect()).overlaid(self))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

fn check(algorithm: &str, specs: &[ParamSpec], name: &str, value: f64) -> Result<()> {
    let refuse = |reason: String| MlError::Parameter { algorithm: algorithm.to_owned(), name: name.to_owned(), reason };
    let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
        let known: Vec<_> = specs.iter().map(|spec| spec.name).collect();
        return Err(refuse(format!("no such parameter; it takes {}", known.join(", "))));
    };
    if !(spec.min..=spec.max).contains(&value) {
        return Err(refuse(format!("{value} is out of range; it takes {} to {}", spec.min, spec.max)));
    }
    if spec.whole && value.fract() != 0.0 {
        return Err(refuse(format!("{value} is not a whole number")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const SPECS: &[ParamSpec] = &[
        ParamSpec { name: "depth", default: 6.0, min: 1.0, max: 16.0, whole: true },
        ParamSpec { name: "rate", default: 0.1, min: 0.001, max: 1.0, whole: false },
    ];

    fn check_resolved(given: &[(&str, f64)], expected: Expect) {
        let params = Params(given.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect());
        let shown = match params.resolved("trees", SPECS) {
            Ok(params) => params.to_string(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn defaults_fill_in_and_bad_values_are_named() {
        check_resolved(&[("rate", 0.5)], expect!["depth=6, rate=0.5"]);
        check_resolved(
            &[("dept", 3.0)],
            expect!["parameter `dept` of `trees`: no such parameter; it takes depth, rate"],
        );
        check_resolved(
            &[("depth", 40.0)],
            expect!["parameter `depth` of `trees`: 40 is out of range; it takes 1 to 16"],
        );
        check_resolved(&[("depth", 2.5)], expect!["parameter `depth` of `trees`: 2.5 is not a whole number"]);
    }
}
