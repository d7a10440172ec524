//! Histogram edges and counts with numpy's rules, and the zero fill of PSI and KL.
//!
//! Edges follow `numpy.histogram_bin_edges` (Sturges, Doane) and counts follow
//! `numpy.histogram` with an edge array: bins are closed on the left, the last one on both
//! sides. Knows nothing of methods. All slices are sorted and finite.

/// Smallest proportion an empty bin is given, see [`fill_zeros`].
const SMALLEST_PROPORTION: f64 = 1e-4;

/// Returns equal-width edges by the Sturges rule for the values of both samples together.
pub(super) fn sturges_edges(lowest: f64, highest: f64, rows: usize) -> Vec<f64> {
    let width = (highest - lowest) / ((rows as f64).log2() + 1.0);
    equal_width_edges(lowest, highest, width)
}

/// Returns equal-width edges by the Doane rule for one sorted sample.
pub(super) fn doane_edges(sorted: &[f64]) -> Vec<f64> {
    let (Some(&lowest), Some(&highest)) = (sorted.first(), sorted.last()) else {
        return Vec::new();
    };
    equal_width_edges(lowest, highest, doane_width(sorted, highest - lowest))
}

/// Returns the edges of ten bins that hold equal shares of a sorted reference.
///
/// Equal quantiles (many ties) share one edge, so there may be fewer bins. The outermost edges
/// are the reference's extremes; values outside belong to the outermost bins.
pub(super) fn quantile_edges(sorted: &[f64]) -> Vec<f64> {
    const BINS: usize = 10;
    let mut edges: Vec<f64> = (0..=BINS).map(|step| quantile(sorted, step as f64 / BINS as f64)).collect();
    edges.dedup();
    edges
}

/// Counts sorted values per bin; values outside the edges are in no bin.
pub(super) fn histogram(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let last_edge = edges.len().saturating_sub(1);
    let below: Vec<usize> = edges
        .iter()
        .enumerate()
        .map(|(index, edge)| match index == last_edge {
            true => sorted.partition_point(|value| value <= edge),
            false => sorted.partition_point(|value| value < edge),
        })
        .collect();
    below.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect()
}

/// Counts sorted values per bin; values outside the edges fall into the outermost bins.
pub(super) fn clipped_histogram(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    let mut below: Vec<usize> = vec![0];
    below.extend(inner.iter().map(|edge| sorted.partition_point(|value| value < edge)));
    below.push(sorted.len());
    below.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect()
}

/// Replaces zero proportions: by 1e-4, or by a millionth of the smallest proportion when that
/// one is itself at most 1e-4. The vector is not normalised again (Evidently's rule).
pub(super) fn fill_zeros(proportions: &mut [f64]) {
    let smallest = proportions.iter().copied().filter(|share| *share > 0.0).fold(f64::INFINITY, f64::min);
    let fill = if smallest <= SMALLEST_PROPORTION { smallest / 1e6 } else { SMALLEST_PROPORTION };
    for share in proportions.iter_mut().filter(|share| **share == 0.0) {
        *share = fill;
    }
}

/// Linear interpolation between order statistics, as numpy's default quantile.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let position = level * (sorted.len() as f64 - 1.0);
    let lower = position.floor();
    let below = sorted[lower as usize];
    let above = sorted[(position.ceil() as usize).min(sorted.len() - 1)];
    below + (above - below) * (position - lower)
}

fn equal_width_edges(lowest: f64, highest: f64, width: f64) -> Vec<f64> {
    // numpy widens a constant column to a unit interval around the value.
    let (lowest, highest) = if lowest == highest { (lowest - 0.5, highest + 0.5) } else { (lowest, highest) };
    let bins = if width > 0.0 { (((highest - lowest) / width).ceil() as usize).max(1) } else { 1 };
    let step = (highest - lowest) / bins as f64;
    let mut edges: Vec<f64> = (0..bins).map(|index| index as f64 * step + lowest).collect();
    edges.push(highest);
    edges
}

fn doane_width(sorted: &[f64], range: f64) -> f64 {
    let rows = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / rows;
    let deviation = (sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows).sqrt();
    if sorted.len() <= 2 || deviation == 0.0 {
        return 0.0;
    }
    let skewness = sorted.iter().map(|value| ((value - mean) / deviation).powi(3)).sum::<f64>() / rows;
    let skewness_error = (6.0 * (rows - 2.0) / ((rows + 1.0) * (rows + 3.0))).sqrt();
    range / (1.0 + rows.log2() + (1.0 + skewness.abs() / skewness_error).log2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_bin_is_closed_on_both_sides() {
        // numpy.histogram([0, 1, 2, 3, 4, 9], [0, 2, 4]) == [2, 3]
        assert_eq!(histogram(&[0.0, 1.0, 2.0, 3.0, 4.0, 9.0], &[0.0, 2.0, 4.0]), vec![2.0, 3.0]);
    }

    #[test]
    fn clipped_histogram_keeps_every_row() {
        let counts = clipped_histogram(&[-5.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0], &[0.0, 2.0, 4.0]);
        assert_eq!(counts, vec![3.0, 4.0]);
    }

    #[test]
    fn constant_column_has_one_bin_around_the_value() {
        assert_eq!(sturges_edges(2.0, 2.0, 50), vec![1.5, 2.5]);
        assert_eq!(doane_edges(&[2.0, 2.0, 2.0]), vec![1.5, 2.5]);
    }

    #[test]
    fn edges_equal_numpy() {
        // numpy.histogram_bin_edges(numpy.arange(1, 11)**2., bins='doane' | 'sturges')
        let squares: Vec<f64> = (1..=10).map(|value| f64::from(value * value)).collect();
        assert_eq!(doane_edges(&squares).len(), 7);
        assert_eq!(sturges_edges(1.0, 100.0, 10), vec![1.0, 20.8, 40.6, 60.400000000000006, 80.2, 100.0]);
    }

    #[test]
    fn tiny_proportions_make_a_tiny_fill() {
        let mut shares = vec![0.0, 5e-5, 1.0 - 5e-5];
        fill_zeros(&mut shares);
        assert_eq!(shares[0], 5e-5 / 1e6);
        let mut shares = vec![0.0, 0.25, 0.75];
        fill_zeros(&mut shares);
        assert_eq!(shares[0], 1e-4);
    }
}
