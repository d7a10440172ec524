//! Half-open time ranges and sets of them: a million partitions in a row are one range.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{Timestamp, timestamp_from_micros};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// A half-open range `[start, end)` in microseconds since the epoch; never empty in an [`IntervalSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// First microsecond inside.
    pub start: i64,
    /// First microsecond after.
    pub end: i64,
}

impl Interval {
    /// The range between two instants.
    pub fn between(start: Timestamp, end: Timestamp) -> Self {
        Self { start: start.timestamp_micros(), end: end.timestamp_micros() }
    }

    /// Whether nothing is inside.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// Whether `micros` is inside.
    pub fn contains(&self, micros: i64) -> bool {
        self.start <= micros && micros < self.end
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |micros| timestamp_from_micros(micros).format("%Y-%m-%dT%H:%M").to_string();
        write!(formatter, "[{}, {})", show(self.start), show(self.end))
    }
}

/// A set of instants as sorted ranges that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntervalSet(Vec<Interval>);

impl IntervalSet {
    /// The set of one range; empty if the range is.
    pub fn of(interval: Interval) -> Self {
        Self::from_iter([interval])
    }

    /// The ranges, sorted.
    pub fn ranges(&self) -> &[Interval] {
        &self.0
    }

    /// Whether nothing is inside.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first instant after all ranges.
    pub fn end(&self) -> Option<i64> {
        self.0.last().map(|interval| interval.end)
    }

    /// The first instant inside.
    pub fn start(&self) -> Option<i64> {
        self.0.first().map(|interval| interval.start)
    }

    /// Whether `micros` is inside; logarithmic in the number of ranges.
    pub fn contains(&self, micros: i64) -> bool {
        let after = self.0.partition_point(|interval| interval.start <= micros);
        after > 0 && self.0[after - 1].contains(micros)
    }

    /// What is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// What is in this set and not in `other`: missing = required − done.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = other.0.iter().peekable();
        for interval in &self.0 {
            let mut start = interval.start;
            while let Some(cut) = cuts.peek() {
                if cut.end <= start {
                    cuts.next();
                } else if cut.start >= interval.end {
                    break;
                } else {
                    left.push(Interval { start, end: cut.start });
                    start = cut.end;
                    if cut.end > interval.end {
                        break;
                    }
                    cuts.next();
                }
            }
            left.push(Interval { start, end: interval.end });
        }
        left.into_iter().collect()
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.difference(&self.difference(other))
    }
}

impl FromIterator<Interval> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let mut sorted: Vec<Interval> = intervals.into_iter().filter(|interval| !interval.is_empty()).collect();
        sorted.sort_unstable();
        let mut merged: Vec<Interval> = Vec::with_capacity(sorted.len());
        for interval in sorted {
            match merged.last_mut() {
                Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
                _ => merged.push(interval),
            }
        }
        Self(merged)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn members(set: &IntervalSet) -> BTreeSet<i64> {
        (-5..60).filter(|micros| set.contains(*micros)).collect()
    }

    prop_compose! {
        fn any_set()(pairs in prop::collection::vec((0i64..50, 0i64..12), 0..6)) -> IntervalSet {
            pairs.into_iter().map(|(start, length)| Interval { start, end: start + length }).collect()
        }
    }

    proptest! {
        #[test]
        fn set_operations_agree_with_sets_of_instants(left in any_set(), right in any_set()) {
            let (a, b) = (members(&left), members(&right));
            prop_assert_eq!(members(&left.union(&right)), &a | &b);
            prop_assert_eq!(members(&left.difference(&right)), &a - &b);
            prop_assert_eq!(members(&left.intersection(&right)), &a & &b);
        }

        #[test]
        fn ranges_are_sorted_apart_and_not_empty(set in any_set()) {
            for pair in set.ranges().windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
            prop_assert!(set.ranges().iter().all(|interval| !interval.is_empty()));
        }
    }

    #[test]
    fn a_million_days_are_one_range() {
        let days: IntervalSet = (0..1_000_000).map(|day| Interval { start: day, end: day + 1 }).collect();
        assert_eq!(days.ranges().len(), 1);
    }

    /// The worst case: of a million partitions every second one is done. The best of some tries counts, as the machine is
    /// shared.
    #[test]
    fn a_million_partitions_say_what_is_missing() {
        let every_second = (0..1_000_000).step_by(2).map(|day| Interval { start: day, end: day + 1 });
        let done: IntervalSet = every_second.collect();
        let answer = |_: u32| {
            let began = std::time::Instant::now();
            let missing = IntervalSet::of(Interval { start: 0, end: 1_000_000 }).difference(&done);
            (began.elapsed(), missing.ranges().len())
        };
        let (took, missing) = (0..5).map(answer).min().unwrap();
        assert_eq!((done.ranges().len(), missing), (500_000, 500_000));
        assert!(took < std::time::Duration::from_millis(50), "what is missing of a million partitions took {took:?}");
    }
}
