//! Points where earlier trials did well: tree-structured Parzen estimators over all parameters of a branch together, as
//! Optuna's default sampler has them.
//!
//! The generator is seeded by the study's seed and the trial's number, so that a point depends on nothing but these and what
//! was seen.

use super::parzen::{Axis, Mixture, coordinate, value};
use super::random;
use super::space::{Branch, Parameter, Point};
use super::study::{Observed, Study, TrialState};
use baton_stats::metrics::Direction;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Trials that are drawn at random before the estimators are asked.
const STARTUP: usize = 10;
/// Draws of which the most promising is taken.
const CANDIDATES: usize = 24;
/// The share of trials that did well, and the most of them.
const WELL: (f64, f64) = (0.1, 25.0);

/// The point of trial `number`.
pub(super) fn point(study: &Study, number: usize, seen: &[Observed]) -> Point {
    let ended = seen.iter().filter(|trial| trial.state != TrialState::Running).count();
    if ended < STARTUP.max(study.space.branches.len()) {
        return random::point(&study.space, study.seed, number);
    }
    let mut generator = generator(study.seed, number);
    let branch = branch(study, seen, &mut generator);
    let (free, constant): (Vec<_>, Vec<_>) = branch.parameters.iter().partition(|one| Axis::of(&one.domain).is_some());
    let axes: Vec<Axis<'_>> = free.iter().filter_map(|parameter| Axis::of(&parameter.domain)).collect();
    let within: Vec<&Observed> = seen.iter().filter(|trial| trial.point.branch == branch.name).collect();
    let place = |trial: &Observed| coordinates(&free, trial);
    let promising = promising(study, &axes, &within, place, &mut generator);
    let settled = |(parameter, at): (&&Parameter, f64)| (parameter.name.clone(), value(&parameter.domain, at));
    let constants = constant.iter().map(|parameter| (parameter.name.clone(), value(&parameter.domain, 0.0)));
    let settings = free.iter().zip(promising).map(settled).chain(constants).collect();
    Point { branch: branch.name.clone(), settings }
}

fn branch<'s>(study: &'s Study, seen: &[Observed], generator: &mut StdRng) -> &'s Branch {
    let branches = &study.space.branches;
    if let [only] = branches.as_slice() {
        return only;
    }
    let axes = [Axis::Choice(branches.len(), None)];
    let place = |trial: &Observed| {
        let place = branches.iter().position(|branch| branch.name == trial.point.branch);
        place.map(|place| vec![place as f64])
    };
    let seen: Vec<&Observed> = seen.iter().collect();
    let chosen = promising(study, &axes, &seen, place, generator).first().map_or(0, |place| *place as usize);
    &branches[chosen.min(branches.len() - 1)]
}

/// Where a trial lies; none when it lacks a parameter, as one of an algorithm's defaults does.
fn coordinates(parameters: &[&Parameter], trial: &Observed) -> Option<Vec<f64>> {
    let of = |parameter: &&Parameter| coordinate(&parameter.domain, trial.point.settings.get(&parameter.name)?);
    parameters.iter().map(of).collect()
}

/// Of some draws where trials did well, the one that is least where others are.
fn promising(
    study: &Study,
    axes: &[Axis<'_>],
    seen: &[&Observed],
    place: impl Fn(&Observed) -> Option<Vec<f64>>,
    generator: &mut StdRng,
) -> Vec<f64> {
    let placed: Vec<(&Observed, Vec<f64>)> = seen.iter().filter_map(|trial| Some((*trial, place(trial)?))).collect();
    let well = did_well(study, &placed);
    let (mut good, mut others) = (Vec::new(), Vec::new());
    for (number, (_, point)) in placed.into_iter().enumerate() {
        if well.contains(&number) { good.push(point) } else { others.push(point) }
    }
    let (good, others) = (Mixture::of(axes, &good), Mixture::of(axes, &others));
    let candidates = (0..CANDIDATES).map(|_| {
        let point = good.draw(generator);
        (good.log_density(&point) - others.log_density(&point), point)
    });
    let better = |best: (f64, Vec<f64>), other: (f64, Vec<f64>)| if other.0 > best.0 { other } else { best };
    candidates.reduce(better).map(|(_, point)| point).unwrap_or_default()
}

/// The places of the trials that did well.
fn did_well(study: &Study, trials: &[(&Observed, Vec<f64>)]) -> Vec<usize> {
    let standing = |(place, (trial, _)): (usize, &(&Observed, _))| Some((place, standing(study, trial)?));
    let mut standings: Vec<_> = trials.iter().enumerate().filter_map(standing).collect();
    let order = |one: &Standing, other: &Standing| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1));
    standings.sort_by(|(_, one), (_, other)| order(one, other));
    let (share, most) = WELL;
    let count = (share * standings.len() as f64).ceil().min(most) as usize;
    standings.into_iter().take(count).map(|(place, _)| place).collect()
}

/// How many steps are missing, then the loss; the least is the best.
type Standing = (u64, f64);

/// How a trial did. One that was stopped comes behind all that finished, and the earlier it was stopped the farther. One that
/// failed did badly whatever else it says, and one that goes on is to be kept away from.
fn standing(study: &Study, trial: &Observed) -> Option<Standing> {
    let loss = |value: f64| match study.direction {
        Direction::HigherIsBetter => -value,
        Direction::LowerIsBetter => value,
    };
    let (missing, value) = match (trial.state, trial.curve.last()) {
        (TrialState::Running | TrialState::Failed, _) => return None,
        (TrialState::Finished, _) => (0, trial.value?),
        (TrialState::Pruned, Some((step, value))) => (u64::MAX - step, *value),
        (TrialState::Pruned, None) => (u64::MAX, f64::INFINITY),
    };
    Some((missing, if value.is_nan() { f64::INFINITY } else { loss(value) }))
}

fn generator(seed: u64, number: usize) -> StdRng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&(number as u64).to_le_bytes());
    StdRng::from_seed(*hasher.finalize().as_bytes())
}
