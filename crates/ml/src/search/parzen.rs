//! Parzen estimators over whole points: a mixture of kernels, one for each observed point and one for what was assumed
//! before, each a product over the axes, so that parameters that belong together stay together.
//!
//! Bergstra et al. 2011 for the widths of kernels, Falkner et al. 2018 for the products; the constants are those of Optuna's
//! default. Coordinates are numbers as [`Range::coordinate`] has them, and places in lists of values.

use super::space::{Domain, Range};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use statrs::function::erf::erfc;
use std::f64::consts::{PI, SQRT_2, TAU};

/// So many of the latest points count in full; those before them count the less the older they are.
const RECENT: usize = 25;
/// No kernel is narrower than this share of its axis.
const NARROWEST: f64 = 0.01;

/// What a coordinate stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Axis<'a> {
    /// A number of a range.
    Number(&'a Range),
    /// The place of one of so many values, with their shares of random draws where these differ.
    Choice(usize, Option<&'a [f64]>),
}

impl<'a> Axis<'a> {
    /// The axis of a parameter; none where there is nothing to choose.
    pub(super) fn of(domain: &'a Domain) -> Option<Self> {
        match domain {
            Domain::Choice { values, .. } if values.len() < 2 => None,
            Domain::Choice { values, probabilities } => Some(Self::Choice(values.len(), probabilities.as_deref())),
            Domain::Range(range) => Some(Self::Number(range)),
        }
    }
}

/// Where a value of a parameter lies; none for one that is not of its values.
pub(super) fn coordinate(domain: &Domain, value: &Value) -> Option<f64> {
    match domain {
        Domain::Choice { values, .. } => values.iter().position(|known| known == value).map(|place| place as f64),
        Domain::Range(range) => {
            let (low, high) = range.coordinates();
            let coordinate = range.coordinate(value.as_f64()?);
            (low..=high).contains(&coordinate).then_some(coordinate)
        }
    }
}

/// The value of a parameter at a coordinate.
pub(super) fn value(domain: &Domain, coordinate: f64) -> Value {
    match domain {
        Domain::Choice { values, .. } => values[(coordinate as usize).min(values.len() - 1)].clone(),
        Domain::Range(range) => range.at(coordinate),
    }
}

/// A density over points.
#[derive(Debug)]
pub(super) struct Mixture<'a> {
    /// The kernels' shares of the whole; the last is that of what was assumed before.
    weights: Vec<f64>,
    axes: Vec<Kernels<'a>>,
}

impl<'a> Mixture<'a> {
    /// The density of points, oldest first, each with a coordinate for each axis.
    pub(super) fn of(axes: &[Axis<'a>], points: &[Vec<f64>]) -> Self {
        let mut weights = weights(points.len());
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let along = |place: usize| points.iter().map(|point| point[place]).collect::<Vec<f64>>();
        let axes = axes.iter().enumerate().map(|(place, axis)| Kernels::of(*axis, &along(place))).collect();
        Self { weights, axes }
    }

    /// Draws a point. The same generator state draws the same point.
    pub(super) fn draw(&self, generator: &mut StdRng) -> Vec<f64> {
        let kernel = drawn(&self.weights, generator);
        self.axes.iter().map(|axis| axis.draw(kernel, generator)).collect()
    }

    /// The logarithm of the density at a point.
    pub(super) fn log_density(&self, point: &[f64]) -> f64 {
        let of_kernel = |kernel: usize| {
            let axes = self.axes.iter().zip(point).map(|(axis, coordinate)| axis.log_density(kernel, *coordinate));
            self.weights[kernel].ln() + axes.sum::<f64>()
        };
        let logs: Vec<f64> = (0..self.weights.len()).map(of_kernel).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest.is_infinite() {
            return largest;
        }
        largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
    }
}

/// How much each of so many points counts, oldest first.
fn weights(count: usize) -> Vec<f64> {
    let older = count.saturating_sub(RECENT);
    let least = 1.0 / count.max(1) as f64;
    let step = (1.0 - least) / older.saturating_sub(1).max(1) as f64;
    (0..count).map(|place| if place < older { least + step * place as f64 } else { 1.0 }).collect()
}

/// All kernels along one axis.
#[derive(Debug)]
enum Kernels<'a> {
    Number { range: &'a Range, bounds: (f64, f64), normals: Vec<Normal> },
    Choice(Vec<Vec<f64>>),
}

impl<'a> Kernels<'a> {
    fn of(axis: Axis<'a>, points: &[f64]) -> Self {
        match axis {
            Axis::Number(range) => {
                let bounds = range.coordinates();
                let observed = points.iter().zip(deviations(points, bounds));
                let observed = observed.map(|(mean, deviation)| Normal { mean: *mean, deviation });
                let (mean, deviation) = range.assumed();
                Self::Number { range, bounds, normals: observed.chain([Normal { mean, deviation }]).collect() }
            }
            Axis::Choice(count, shares) => Self::Choice(shares_of_choices(count, shares, points)),
        }
    }

    fn draw(&self, kernel: usize, generator: &mut StdRng) -> f64 {
        match self {
            Self::Number { range, bounds, normals } => range.settle(normals[kernel].draw(*bounds, generator)),
            Self::Choice(shares) => drawn(&shares[kernel], generator) as f64,
        }
    }

    fn log_density(&self, kernel: usize, coordinate: f64) -> f64 {
        match self {
            Self::Number { range, bounds, normals } => {
                let normal = &normals[kernel];
                let within = match range.cell(coordinate) {
                    Some(cell) => normal.mass(cell).ln(),
                    None => normal.log_density(coordinate),
                };
                within - normal.mass(*bounds).ln()
            }
            Self::Choice(shares) => shares[kernel][coordinate as usize].ln(),
        }
    }
}

/// One list of shares a kernel: its own value counts one, all together as much as they are likely.
fn shares_of_choices(count: usize, shares: Option<&[f64]>, points: &[f64]) -> Vec<Vec<f64>> {
    let each = 1.0 / (points.len() + 1) as f64;
    let total: f64 = shares.map_or(1.0, |shares| shares.iter().sum());
    let likely = |place: usize| shares.map_or(1.0, |shares| shares[place] / total * count as f64);
    let kernel = |own: Option<usize>| {
        let counted = (0..count).map(|place| each * likely(place) + f64::from(u8::from(own == Some(place))));
        let counted: Vec<f64> = counted.collect();
        let sum: f64 = counted.iter().sum();
        counted.into_iter().map(|share| share / sum).collect()
    };
    points.iter().map(|point| kernel(Some(*point as usize))).chain([kernel(None)]).collect()
}

/// As wide as the way to the farther neighbour, the outermost to the one that they have.
fn deviations(means: &[f64], (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by(|one, other| means[*one].total_cmp(&means[*other]));
    let sorted: Vec<f64> = order.iter().map(|place| means[*place]).collect();
    let last = sorted.len().saturating_sub(1);
    let width = high - low;
    let narrowest = width * NARROWEST.max(1.0 / (2.0 + sorted.len() as f64));
    let mut deviations = vec![0.0; means.len()];
    for (rank, place) in order.into_iter().enumerate() {
        let mean = sorted[rank];
        let below = if rank == 0 { low } else { sorted[rank - 1] };
        let above = if rank == last { high } else { sorted[rank + 1] };
        let way = match rank {
            0 if last > 0 => above - mean,
            _ if last > 0 && rank == last => mean - below,
            _ => (mean - below).max(above - mean),
        };
        deviations[place] = way.clamp(narrowest, width);
    }
    deviations
}

/// A normal distribution, of which only what lies within bounds counts.
#[derive(Debug)]
struct Normal {
    mean: f64,
    deviation: f64,
}

impl Normal {
    /// Draws until a number lies within the bounds. The mean does, and the deviation is no more than their distance, so that
    /// a third of all draws do.
    fn draw(&self, (low, high): (f64, f64), generator: &mut StdRng) -> f64 {
        loop {
            let (one, other): (f64, f64) = (generator.random_range(f64::MIN_POSITIVE..1.0), generator.random());
            // Box and Muller's transform of two uniform numbers.
            let number = self.mean + self.deviation * (-2.0 * one.ln()).sqrt() * (TAU * other).cos();
            if (low..=high).contains(&number) {
                return number;
            }
        }
    }

    fn log_density(&self, coordinate: f64) -> f64 {
        let distance = (coordinate - self.mean) / self.deviation;
        -0.5 * distance * distance - self.deviation.ln() - 0.5 * (2.0 * PI).ln()
    }

    /// The share of it between two numbers, computed in the nearer tail, so that small shares keep their digits.
    fn mass(&self, (low, high): (f64, f64)) -> f64 {
        let [from, to] = [low, high].map(|number| (number - self.mean) / self.deviation);
        let beyond = |distance: f64| 0.5 * erfc(distance / SQRT_2);
        let mass = if from > 0.0 { beyond(from) - beyond(to) } else { beyond(-to) - beyond(-from) };
        mass.max(f64::MIN_POSITIVE)
    }
}

/// A place, each as likely as its share.
fn drawn(shares: &[f64], generator: &mut StdRng) -> usize {
    let mut left = generator.random_range(0.0..shares.iter().sum());
    let reached = shares.iter().position(|share| {
        left -= share;
        left < 0.0
    });
    reached.unwrap_or(shares.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Scale;
    use rand::SeedableRng as _;

    fn axes(ranges: &[Range]) -> Vec<Axis<'_>> {
        ranges.iter().map(Axis::Number).chain([Axis::Choice(3, None)]).collect()
    }

    fn ranges() -> [Range; 4] {
        let width = Range { scale: Scale::Log, ..Range::whole(1.0, 256.0) };
        [Range::linear(-5.0, 5.0), Range::log(1e-4, 1.0), Range::whole(1.0, 8.0), width]
    }

    /// Points as people write them: the second and the fourth number are logarithmic.
    fn points(written: &[[f64; 5]]) -> Vec<Vec<f64>> {
        written.iter().map(|[x, rate, depth, width, kind]| vec![*x, rate.ln(), *depth, width.ln(), *kind]).collect()
    }

    fn assert_density(mixture: &Mixture<'_>, point: &[f64], expected: f64) {
        let actual = mixture.log_density(point);
        assert!((actual - expected).abs() < 1e-7, "{actual} is not {expected}");
    }

    // Optuna 5.0.0: `_ParzenEstimator(observations, space, parameters).log_pdf(points)` with the sampler's defaults.
    #[test]
    fn densities_are_those_of_optuna() {
        let ranges = ranges();
        let observed = [
            [-4.5, 1e-3, 1.0, 1.0, 0.0],
            [1.0, 0.5, 3.0, 16.0, 1.0],
            [1.25, 2e-4, 3.0, 256.0, 1.0],
            [4.0, 0.02, 8.0, 20.0, 2.0],
        ];
        let at = points(&[[0.0, 0.01, 2.0, 4.0, 1.0], [-4.9, 1e-4, 8.0, 1.0, 0.0], [1.1, 0.4, 3.0, 200.0, 2.0]]);
        let mixture = Mixture::of(&axes(&ranges), &points(&observed));
        for (point, expected) in
            at.iter().zip([-10.540_569_210_998_75, -11.235_692_489_651_349, -15.058_786_079_021_898])
        {
            assert_density(&mixture, point, expected);
        }
        let mixture = Mixture::of(&axes(&ranges), &[]);
        for (point, expected) in
            at.iter().zip([-10.812_727_957_675_405, -9.701_243_664_595_054, -14.876_715_202_193_786])
        {
            assert_density(&mixture, point, expected);
        }
    }

    // As above: `FloatDistribution(0, 1)`, observed `(n * 7 % 30) / 30 + 0.01` for 30 numbers.
    #[test]
    fn older_points_count_less() {
        let range = Range::linear(0.0, 1.0);
        let observed: Vec<Vec<f64>> = (0..30).map(|number| vec![f64::from(number * 7 % 30) / 30.0 + 0.01]).collect();
        let mixture = Mixture::of(&[Axis::Number(&range)], &observed);
        for (at, expected) in
            [(0.05, -0.108_463_371_922_463_58), (0.5, -0.075_145_362_044_757_08), (0.95, 0.102_492_664_480_531_18)]
        {
            assert_density(&mixture, &[at], expected);
        }
    }

    #[test]
    fn draws_follow_the_density() {
        let ranges = ranges();
        let mixture = Mixture::of(&axes(&ranges), &points(&[[4.0, 0.02, 8.0, 20.0, 2.0], [4.5, 0.03, 7.0, 30.0, 2.0]]));
        let mut generator = StdRng::seed_from_u64(1);
        let drawn: Vec<Vec<f64>> = (0..2000).map(|_| mixture.draw(&mut generator)).collect();
        let share = |place: usize, is: fn(f64) -> bool| {
            drawn.iter().filter(|point| is(point[place])).count() as f64 / drawn.len() as f64
        };
        assert!(share(0, |x| x > 0.0) > 0.7 && share(0, |x| (-5.0..=5.0).contains(&x)) == 1.0);
        assert!(share(2, |depth| depth.fract() == 0.0 && (1.0..=8.0).contains(&depth)) == 1.0);
        assert!(share(4, |kind| kind == 2.0) > 0.5);
    }
}
