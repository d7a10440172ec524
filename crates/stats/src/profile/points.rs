//! Ordered values with weights: quantiles, shares below a point, and equal-width histograms.

/// Numbers in order, each standing for a number of values, within known bounds.
#[derive(Debug)]
pub(super) struct WeightedPoints {
    /// Number and the count of values up to and with it.
    cumulative: Vec<(f64, u64)>,
    bounds: Option<(f64, f64)>,
}

/// Equal-width bins.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Histogram {
    /// One more than there are bins; the last bin takes in its upper edge, the others do not.
    pub edges: Vec<f64>,
    /// Values in each bin.
    pub counts: Vec<u64>,
}

impl WeightedPoints {
    /// `bounds` are the exact least and greatest value.
    pub(super) fn new(mut points: Vec<(f64, u64)>, bounds: Option<(f64, f64)>) -> Self {
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut below = 0;
        for point in &mut points {
            below += point.1;
            point.1 = below;
        }
        Self { cumulative: points, bounds }
    }

    pub(super) fn count(&self) -> u64 {
        self.cumulative.last().map_or(0, |point| point.1)
    }

    /// Linear interpolation between the values at the two ranks around `q * (n - 1)`.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let (least, greatest) = self.bounds?;
        let count = self.count();
        if count == 0 || q <= 0.0 {
            return Some(least);
        }
        if q >= 1.0 {
            return Some(greatest);
        }
        let position = q * (count - 1) as f64;
        let rank = position.floor();
        let (lower, upper) = (self.at_rank(rank as u64), self.at_rank(rank as u64 + 1));
        let between =
            if upper > lower && position > rank { lower + (upper - lower) * (position - rank) } else { lower };
        Some(between.clamp(least, greatest))
    }

    /// Share of the values that are at most `point`.
    pub(super) fn share_at_most(&self, point: f64) -> Option<f64> {
        let (least, greatest) = self.bounds?;
        if point < least {
            return Some(0.0);
        }
        if point >= greatest {
            return Some(1.0);
        }
        let position = self.cumulative.partition_point(|entry| entry.0 <= point);
        Some(self.count_before(position) as f64 / self.count().max(1) as f64)
    }

    /// At most `limit` bins of equal width; whole numbers with few of them get a bin each.
    pub(super) fn histogram(&self, limit: usize, whole: bool) -> Option<Histogram> {
        let (least, greatest) = self.bounds?;
        let span = greatest - least;
        let bins = match whole {
            _ if span <= 0.0 => 1,
            true => (span + 1.0).min(limit as f64) as usize,
            false => limit,
        };
        let edges: Vec<f64> = (0..=bins).map(|bin| edge(least, greatest, bin as f64 / bins as f64)).collect();
        let mut counts = Vec::with_capacity(bins);
        let mut below = 0;
        for (bin, upper) in edges.iter().enumerate().skip(1) {
            let position = self.cumulative.partition_point(|entry| entry.0 < *upper);
            let up_to = if bin == bins { self.count() } else { self.count_before(position) };
            counts.push(up_to - below);
            below = up_to;
        }
        Some(Histogram { edges, counts })
    }

    fn at_rank(&self, rank: u64) -> f64 {
        let position = self.cumulative.partition_point(|entry| entry.1 <= rank);
        let position = position.min(self.cumulative.len().saturating_sub(1));
        self.cumulative[position].0
    }

    fn count_before(&self, position: usize) -> u64 {
        if position == 0 { 0 } else { self.cumulative[position - 1].1 }
    }
}

/// The point at a share of the way from `least` to `greatest`, also where their distance overflows.
fn edge(least: f64, greatest: f64, share: f64) -> f64 {
    let span = greatest - least;
    if share >= 1.0 {
        greatest
    } else if span.is_finite() {
        least + span * share
    } else {
        least * (1.0 - share) + greatest * share
    }
}
