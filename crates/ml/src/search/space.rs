//! What a search may try: branches, each with parameters of its own, and the values that those may take.
//!
//! A branch is an algorithm where several are searched at once; a space without alternatives has one branch. Knows
//! nothing of how points are chosen, only which points there are.

use crate::error::{MlError, Result};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most values of one parameter, and the most points of a grid.
pub const MOST_POINTS: usize = 100_000;

/// Normal draws stay within so many deviations of their mean.
const DEVIATIONS: f64 = 4.0;

/// All that a search may try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// The alternatives; at least one.
    pub branches: Vec<Branch>,
}

/// One alternative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Its name: an algorithm, or empty where there is no alternative.
    pub name: String,
    /// Its share of the random trials, relative to the other branches'.
    pub weight: usize,
    /// What is drawn, in the order of drawing.
    pub parameters: Vec<Parameter>,
    /// The point to begin with instead of a random one.
    pub start: Option<BTreeMap<String, Value>>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The values that it may take.
    pub domain: Domain,
}

/// The values that a parameter may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// One of a list.
    Choice {
        /// The list.
        values: Vec<Value>,
        /// How likely each is when drawn at random; without them all are as likely.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probabilities: Option<Vec<f64>>,
    },
    /// A number of a range.
    Range(Range),
}

/// Numbers from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
    /// How they lie.
    pub scale: Scale,
    /// Only multiples of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Only whole numbers.
    #[serde(default)]
    pub whole: bool,
    /// How many significant digits a drawn number keeps, because people read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<u8>,
}

/// How the numbers of a range lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// All are as likely.
    Linear,
    /// Their logarithms are.
    Log,
    /// Around a mean.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
        /// Whether it is the logarithms that are normal.
        log: bool,
    },
}

/// What a trial tries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The branch's name.
    pub branch: String,
    /// A value for each parameter of the branch.
    pub settings: BTreeMap<String, Value>,
}

impl Space {
    /// A space without alternatives.
    pub fn of(parameters: Vec<Parameter>) -> Self {
        Self { branches: vec![Branch { name: String::new(), weight: 1, parameters, start: None }] }
    }

    /// The branch of this name.
    pub fn branch(&self, name: &str) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.name == name)
    }

    /// # Errors
    ///
    /// [`MlError::Space`] with the parameter that cannot be searched and why.
    pub fn check(&self) -> Result<()> {
        if self.branches.is_empty() {
            return Err(MlError::space("", "there is nothing to search"));
        }
        self.branches.iter().flat_map(|branch| &branch.parameters).try_for_each(Parameter::check)
    }
}

impl Parameter {
    /// A parameter by its name and values.
    pub fn new(name: &str, domain: Domain) -> Self {
        Self { name: name.to_owned(), domain }
    }

    fn check(&self) -> Result<()> {
        let refuse = |reason: String| Err(MlError::space(&self.name, reason));
        match &self.domain {
            Domain::Choice { values, .. } if values.is_empty() => refuse("there is no value to choose".to_owned()),
            Domain::Choice { values, probabilities: Some(shares) } => match shares.len() == values.len() {
                true if shares.iter().all(|share| *share >= 0.0) && shares.iter().sum::<f64>() > 0.0 => Ok(()),
                true => refuse("its probabilities must be 0 or more, and not all 0".to_owned()),
                false => refuse(format!("it has {} values, but {} probabilities", values.len(), shares.len())),
            },
            Domain::Choice { .. } => Ok(()),
            Domain::Range(range) => range.problem().map_or(Ok(()), refuse),
        }
    }
}

impl Domain {
    /// A list of numbers.
    pub fn numbers(values: &[f64]) -> Self {
        Self::Choice { values: values.iter().map(|value| (*value).into()).collect(), probabilities: None }
    }

    /// The one value there is.
    pub fn constant(value: Value) -> Self {
        Self::Choice { values: vec![value], probabilities: None }
    }

    /// Draws a value. The same generator state draws the same value.
    pub(super) fn draw(&self, generator: &mut StdRng) -> Value {
        match self {
            Self::Choice { values, probabilities: Some(shares) } => {
                let mut left = generator.random_range(0.0..shares.iter().sum());
                let reached = shares.iter().position(|share| {
                    left -= share;
                    left < 0.0
                });
                values[reached.unwrap_or(values.len() - 1)].clone()
            }
            Self::Choice { values, .. } => values[generator.random_range(0..values.len() as u32) as usize].clone(),
            Self::Range(range) => range.draw(generator),
        }
    }

    /// All values, where they can be counted.
    pub(super) fn all(&self) -> Option<Vec<Value>> {
        match self {
            Self::Choice { values, .. } => Some(values.clone()),
            Self::Range(range) => range.all(),
        }
    }
}

impl Range {
    /// Numbers that are all as likely.
    pub const fn linear(low: f64, high: f64) -> Self {
        Self { low, high, scale: Scale::Linear, step: None, whole: false, digits: None }
    }

    /// Numbers whose logarithms are all as likely.
    pub const fn log(low: f64, high: f64) -> Self {
        Self { low, high, scale: Scale::Log, step: None, whole: false, digits: None }
    }

    /// Whole numbers.
    pub const fn whole(low: f64, high: f64) -> Self {
        Self { low, high, scale: Scale::Linear, step: None, whole: true, digits: None }
    }

    /// Numbers around `mean`.
    pub fn normal(mean: f64, deviation: f64, log: bool) -> Self {
        let (low, high) = (mean - DEVIATIONS * deviation, mean + DEVIATIONS * deviation);
        let (low, high) = if log { (low.exp(), high.exp()) } else { (low, high) };
        let scale = Scale::Normal { mean, deviation, log };
        Self { low, high, scale, step: None, whole: false, digits: None }
    }

    /// The same numbers with so many significant digits.
    #[must_use]
    pub const fn with_digits(self, digits: u8) -> Self {
        Self { digits: Some(digits), ..self }
    }

    fn is_log(&self) -> bool {
        matches!(self.scale, Scale::Log | Scale::Normal { log: true, .. })
    }

    fn problem(&self) -> Option<String> {
        let Self { low, high, step, .. } = self;
        if !(low.is_finite() && high.is_finite()) || low >= high {
            return Some(format!("its least value {low} must be below its greatest, which is {high}"));
        }
        if self.is_log() && *low <= 0.0 {
            return Some(format!("its least value is {low}, but a logarithm needs one above 0"));
        }
        step.filter(|step| !(step.is_finite() && *step > 0.0)).map(|step| format!("its step {step} must be above 0"))
    }

    /// The bounds in which every value has the same room: a whole number reaches half a step to each side.
    pub(super) fn coordinates(&self) -> (f64, f64) {
        let half = self.step.unwrap_or(if self.whole { 1.0 } else { 0.0 }) / 2.0;
        let low = if self.is_log() { (self.low - half).max(self.low / 2.0) } else { self.low - half };
        (self.coordinate(low), self.coordinate(self.high + half))
    }

    /// Where a value lies between the [`coordinates`](Self::coordinates).
    pub(super) fn coordinate(&self, value: f64) -> f64 {
        if self.is_log() { value.ln() } else { value }
    }

    /// The value at a coordinate.
    pub(super) fn at(&self, coordinate: f64) -> Value {
        self.settled(if self.is_log() { coordinate.exp() } else { coordinate })
    }

    /// Mean and deviation of what is assumed of a coordinate before anything was tried.
    pub(super) fn assumed(&self) -> (f64, f64) {
        let (low, high) = self.coordinates();
        match self.scale {
            Scale::Normal { mean, deviation, .. } => (mean, deviation),
            Scale::Linear | Scale::Log => (f64::midpoint(low, high), high - low),
        }
    }

    /// The coordinates that mean the same value as this one; none where each is a value of its own.
    pub(super) fn cell(&self, coordinate: f64) -> Option<(f64, f64)> {
        let half = self.step.or(self.whole.then_some(1.0))? / 2.0;
        let value = if self.is_log() { coordinate.exp() } else { coordinate };
        let low = if self.is_log() { (value - half).max(value / 2.0) } else { value - half };
        Some((self.coordinate(low), self.coordinate(value + half)))
    }

    /// The coordinate of the value at a coordinate.
    pub(super) fn settle(&self, coordinate: f64) -> f64 {
        match self.cell(coordinate).and_then(|_| self.at(coordinate).as_f64()) {
            Some(value) => self.coordinate(value),
            None => coordinate,
        }
    }

    fn draw(&self, generator: &mut StdRng) -> Value {
        match self.scale {
            Scale::Linear if self.whole && self.step.is_none() => {
                let span = (self.high - self.low).min(f64::from(u32::MAX)) as u32;
                self.settled(self.low + f64::from(generator.random_range(0..=span)))
            }
            Scale::Normal { mean, deviation, .. } => {
                let (one, other): (f64, f64) = (generator.random_range(f64::MIN_POSITIVE..1.0), generator.random());
                // Box and Muller's transform of two uniform numbers.
                let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
                self.at(mean + deviation * normal.clamp(-DEVIATIONS, DEVIATIONS))
            }
            Scale::Linear if self.step.is_none() => self.at(generator.random_range(self.low..=self.high)),
            Scale::Log if self.step.is_none() && !self.whole => {
                self.at(generator.random_range(self.low.ln()..=self.high.ln()))
            }
            Scale::Linear | Scale::Log => {
                let (low, high) = self.coordinates();
                self.at(generator.random_range(low..high))
            }
        }
    }

    /// A number as the range allows it: a multiple, whole, of few digits, within the bounds.
    fn settled(&self, value: f64) -> Value {
        let value = match self.step {
            Some(step) => {
                let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
                step * (value / step).round().clamp(first.min(last), last.max(first))
            }
            None if self.whole => value.round().clamp(self.low, self.high),
            None => significant(value, self.digits).clamp(self.low, self.high),
        };
        if self.whole { Value::from(value.round() as i64) } else { Value::from(value) }
    }

    fn all(&self) -> Option<Vec<Value>> {
        let step = self.step.or(self.whole.then_some(1.0))?;
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        let count = (last - first + 1.0).max(0.0);
        (count <= MOST_POINTS as f64)
            .then(|| (0..count as usize).map(|n| self.settled((first + n as f64) * step)).collect())
    }
}

fn significant(value: f64, digits: Option<u8>) -> f64 {
    let Some(digits) = digits.filter(|_| value != 0.0) else { return value };
    let scale = 10f64.powi(i32::from(digits) - 1 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    fn drawn(range: Range) -> Vec<f64> {
        let mut generator = StdRng::seed_from_u64(3);
        (0..500).map(|_| Domain::Range(range).draw(&mut generator).as_f64().unwrap()).collect()
    }

    #[test]
    fn draws_keep_to_the_range_and_fill_it() {
        let steps = drawn(Range { step: Some(0.25), ..Range::linear(0.1, 1.1) });
        assert!(steps.iter().all(|value| [0.25, 0.5, 0.75, 1.0].contains(value)), "{steps:?}");
        let whole = drawn(Range { whole: true, ..Range::log(1.0, 64.0) });
        assert!(whole.iter().all(|value| value.fract() == 0.0 && (1.0..=64.0).contains(value)));
        let below = whole.iter().filter(|value| **value < 8.0).count();
        assert!((200..300).contains(&below), "half of a logarithmic range lies below its middle: {below}");
        let normal = drawn(Range::normal(10.0, 2.0, false));
        let mean = normal.iter().sum::<f64>() / 500.0;
        assert!((mean - 10.0).abs() < 0.3, "{mean}");
    }

    #[test]
    fn what_can_be_counted_is_counted() {
        let shown = |range: Range| serde_json::to_string(&range.all()).unwrap();
        expect!["[2,3,4]"].assert_eq(&shown(Range::whole(2.0, 4.0)));
        expect!["[0.5,1.0]"].assert_eq(&shown(Range { step: Some(0.5), ..Range::linear(0.3, 1.2) }));
        expect!["null"].assert_eq(&shown(Range::linear(0.0, 1.0)));
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let refused = |domain| Space::of(vec![Parameter::new("rate", domain)]).check().unwrap_err().to_string();
        expect!["parameter `rate` cannot be searched: its least value 3 must be below its greatest, which is 3"]
            .assert_eq(&refused(Domain::Range(Range::linear(3.0, 3.0))));
        expect!["parameter `rate` cannot be searched: its least value is 0, but a logarithm needs one above 0"]
            .assert_eq(&refused(Domain::Range(Range::log(0.0, 3.0))));
        expect!["parameter `rate` cannot be searched: there is no value to choose"]
            .assert_eq(&refused(Domain::numbers(&[])));
    }

    proptest! {
        /// Every value that can be drawn lies within the coordinates and comes back from its own.
        #[test]
        fn values_and_coordinates_agree(low in 0.1f64..10.0, width in 1.0f64..100.0, whole: bool, log: bool, seed: u64) {
            let scale = if log { Scale::Log } else { Scale::Linear };
            let (low, high) = if whole { (low.ceil(), (low + width).ceil()) } else { (low, low + width) };
            let range = Range { scale, whole, ..Range::linear(low, high) };
            let value = Domain::Range(range).draw(&mut StdRng::seed_from_u64(seed)).as_f64().unwrap();
            let (start, end) = range.coordinates();
            let coordinate = range.coordinate(value);
            prop_assert!(start <= coordinate && coordinate <= end);
            let back = range.at(coordinate).as_f64().unwrap();
            prop_assert!((back - value).abs() <= 1e-9 * value);
        }
    }
}
