//! Which variant answers: a hash of endpoint and key decides, so the same key always goes the same way.

/// Parts of the traffic, in ten-thousandths.
const PARTS: u64 = 10_000;

/// A share of the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share(u64);

impl Share {
    /// The nearest share in ten-thousandths; `None` outside of 0 to 1.
    pub(super) fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then(|| Self((share * PARTS as f64).round() as u64))
    }

    /// Whether the share takes `key` of `endpoint`. Growing a share keeps those that it took before.
    pub(super) fn takes(self, endpoint: &str, key: &[u8]) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(endpoint.as_bytes()).update(&[0]).update(key);
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first) % PARTS < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(share: f64, endpoint: &str) -> Vec<u32> {
        let share = Share::new(share).unwrap();
        (0..20_000_u32).filter(|key| share.takes(endpoint, &key.to_le_bytes())).collect()
    }

    #[test]
    fn share_of_keys_is_the_share_asked_for() {
        // Three deviations of a binomial of 20,000 trials at 10 % are 127.
        assert!(taken(0.1, "delay").len().abs_diff(2000) < 127);
        assert_eq!(taken(0.0, "delay").len(), 0);
        assert_eq!(taken(1.0, "delay").len(), 20_000);
    }

    #[test]
    fn growing_share_keeps_its_keys_and_endpoints_differ() {
        let small = taken(0.05, "delay");
        assert!(small.iter().all(|key| taken(0.25, "delay").contains(key)));
        assert_ne!(small, taken(0.05, "other"));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert_eq!([-0.1, 1.1, f64::NAN].map(Share::new), [None; 3]);
    }
}
