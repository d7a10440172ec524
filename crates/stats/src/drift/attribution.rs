//! Attribution drift: whether the features still rank as they did at training.

/// Normalised discounted cumulative gain of the current ranking, in (0, 1].
///
/// Features are ranked by current importance, the gain of rank i is the reference importance of
/// the feature there, DCG = sum of gain_i / log2(i + 1), divided by the DCG of the reference's
/// own ranking. Both slices list the same features in the same order; signs are ignored. Equal
/// importances keep the order of the slice. None when lengths differ, a value is not finite or
/// the reference has no importance at all.
pub fn attribution_ndcg(reference: &[f64], current: &[f64]) -> Option<f64> {
    let is_usable = reference.iter().chain(current).all(|importance| importance.is_finite());
    if reference.len() != current.len() || !is_usable {
        return None;
    }
    let ideal = discounted_gain(reference, reference);
    (ideal > 0.0).then(|| discounted_gain(reference, current) / ideal)
}

fn discounted_gain(gains: &[f64], ranking: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..ranking.len()).collect();
    order.sort_by(|left, right| ranking[*right].abs().total_cmp(&ranking[*left].abs()));
    order.iter().enumerate().map(|(rank, feature)| gains[*feature].abs() / (rank as f64 + 2.0).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_leaders_lower_the_gain() {
        // sklearn.metrics.ndcg_score([[.5, .3, .2]], [[.3, .5, .2]]) == 0.906479133234798
        let gain = attribution_ndcg(&[0.5, 0.3, 0.2], &[0.3, 0.5, 0.2]).unwrap();
        assert!((gain - 0.906479133234798).abs() < 1e-12, "{gain}");
        assert_eq!(attribution_ndcg(&[0.5, 0.3, 0.2], &[5.0, 3.0, 2.0]), Some(1.0));
    }

    #[test]
    fn no_importance_has_no_gain() {
        assert_eq!(attribution_ndcg(&[0.0, 0.0], &[1.0, 2.0]), None);
        assert_eq!(attribution_ndcg(&[1.0], &[1.0, 2.0]), None);
    }
}
