//! Points where earlier trials did well: one Parzen estimator a parameter, as Optuna's default sampler has.
//!
//! The estimators are the crate `tpe`'s. A parameter's generator is seeded by the study's seed, the trial's number and
//! the parameter's name, so that a point depends on nothing but these and what was seen.

use super::random;
use super::space::{Branch, Domain, Point, Range};
use super::study::{Observed, Study, TrialState};
use baton_stats::metrics::Direction;
use serde_json::Value;
use tpe::{TpeOptimizer, histogram_estimator, parzen_estimator};
use tpe_rand::SeedableRng as _;
use tpe_rand::rngs::StdRng;

/// Trials that are drawn at random before the estimators are asked.
const STARTUP: usize = 10;

/// The point of trial `number`.
pub(super) fn point(study: &Study, number: usize, seen: &[Observed]) -> Point {
    let losses: Vec<(&Observed, f64)> = seen.iter().filter_map(|trial| Some((trial, loss(study, trial)?))).collect();
    if losses.len() < STARTUP.max(study.space.branches.len()) {
        return random::point(&study.space, study.seed, number);
    }
    let branch = branch(study, number, &losses);
    let within: Vec<_> = losses.into_iter().filter(|(trial, _)| trial.point.branch == branch.name).collect();
    let setting = |parameter: &super::space::Parameter| {
        let mut generator = generator(study.seed, number, &parameter.name);
        let told = within.iter().filter_map(|(trial, loss)| Some((trial.point.settings.get(&parameter.name)?, *loss)));
        (parameter.name.clone(), suggested(&parameter.domain, told, &mut generator))
    };
    Point { branch: branch.name.clone(), settings: branch.parameters.iter().map(setting).collect() }
}

/// What is to be small. A trial that was stopped counts by what it last reported, a failed one as the worst; one that
/// goes on is not known yet.
fn loss(study: &Study, trial: &Observed) -> Option<f64> {
    let value = match trial.state {
        TrialState::Running => return None,
        TrialState::Failed => return Some(f64::INFINITY),
        TrialState::Finished => trial.value,
        TrialState::Pruned => trial.curve.last().map(|(_, value)| *value),
    };
    let sign = if study.direction == Direction::HigherIsBetter { -1.0 } else { 1.0 };
    Some(value.filter(|value| !value.is_nan()).map_or(f64::INFINITY, |value| sign * value))
}

fn branch<'s>(study: &'s Study, number: usize, losses: &[(&Observed, f64)]) -> &'s Branch {
    let branches = &study.space.branches;
    let place = |name: &str| branches.iter().position(|branch| branch.name == name);
    let told = losses.iter().filter_map(|(trial, loss)| Some((place(&trial.point.branch)?, *loss)));
    // No parameter has this name, as names of parameters are never empty.
    let chosen = chosen(branches.len(), told, &mut generator(study.seed, number, ""));
    &branches[chosen.min(branches.len() - 1)]
}

fn suggested<'t>(domain: &Domain, told: impl Iterator<Item = (&'t Value, f64)>, generator: &mut StdRng) -> Value {
    match domain {
        Domain::Choice { values, .. } => {
            let place = |value: &Value| values.iter().position(|known| known == value);
            let told = told.filter_map(|(value, loss)| Some((place(value)?, loss)));
            values[chosen(values.len(), told, generator).min(values.len() - 1)].clone()
        }
        Domain::Range(range) => {
            let told = told.filter_map(|(value, loss)| Some((value.as_f64()?, loss)));
            number(range, told, generator)
        }
    }
}

/// One of `count` alternatives. Neither making the estimator nor asking it can fail for these ranges; should the crate
/// say otherwise, the first alternative is as good as any.
fn chosen(count: usize, told: impl Iterator<Item = (usize, f64)>, generator: &mut StdRng) -> usize {
    let Ok(range) = tpe::categorical_range(count) else { return 0 };
    let mut optimizer = TpeOptimizer::new(histogram_estimator(), range);
    for (place, loss) in told {
        // A value outside of the range is of another space and tells nothing about this one.
        let _not_told = optimizer.tell(place as f64, loss);
    }
    optimizer.ask(generator).map_or(0, |place| place as usize)
}

/// A number of a range; its middle, should the crate refuse, as in [`chosen`].
fn number(range: &Range, told: impl Iterator<Item = (f64, f64)>, generator: &mut StdRng) -> Value {
    let (start, end) = range.coordinates();
    let Ok(bounds) = tpe::range(start, end) else { return range.at(f64::midpoint(start, end)) };
    let mut optimizer = TpeOptimizer::new(parzen_estimator(), bounds);
    // The estimators' ranges do not include their end, but ours do.
    let last = end - (end - start) * 1e-12;
    for (value, loss) in told {
        let _not_told = optimizer.tell(range.coordinate(value).min(last), loss);
    }
    let asked = optimizer.ask(generator).unwrap_or_else(|_| f64::midpoint(start, end));
    range.at(asked)
}

fn generator(seed: u64, number: usize, parameter: &str) -> StdRng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&(number as u64).to_le_bytes());
    hasher.update(parameter.as_bytes());
    StdRng::from_seed(*hasher.finalize().as_bytes())
}
