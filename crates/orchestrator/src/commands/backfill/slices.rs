//! The slices of a backfill: which there are, and which a run published.

use std::collections::BTreeSet;

use baton_core::event::EventFilter;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, EventKind, Interval};

use crate::error::RunError;
use crate::services::Services;
use crate::steps::StepKey;

/// So many slices at most where only their order was asked for.
const SLICES: i64 = 12;

/// The slices of a time in the order in which they are computed: whole batches each, of `every` seconds at least where that
/// was asked for; one, unless the latest is to come first.
pub(super) fn slices_of(interval: Interval, batch: i64, every: Option<i64>, latest_first: bool) -> Vec<Interval> {
    let batches = (interval.end - interval.start).div_euclid(batch).max(1);
    let per_slice = match every {
        Some(seconds) => up(seconds * MICROS_PER_SECOND, batch),
        None if latest_first => up(batches, SLICES),
        None => batches,
    };
    let length = per_slice.max(1) * batch;
    let mut slices = Vec::new();
    // Cut from the end where that comes first, so that the newest slice is a whole one.
    let (mut start, mut end) = (interval.start, interval.end);
    while start < end {
        if latest_first {
            slices.push(Interval { start: (end - length).max(start), end });
            end -= length;
        } else {
            slices.push(Interval { start, end: (start + length).min(end) });
            start += length;
        }
    }
    slices
}

/// How often `part` goes into `whole`, rounded up.
fn up(whole: i64, part: i64) -> i64 {
    (whole + part - 1).div_euclid(part)
}

/// The slices that a run computed and published: those with a commit of the run behind them.
pub(super) async fn done_in(services: &Services, run: &str, asset: &AssetName) -> Result<BTreeSet<Interval>, RunError> {
    let filter = EventFilter {
        run: Some(run.to_owned()),
        kinds: vec![EventKind::StepFinished, EventKind::CommitMade],
        ..EventFilter::default()
    };
    let (mut computed, mut done) = (Vec::new(), BTreeSet::new());
    for found in services.ledger.events(&filter).await? {
        match found.event.kind {
            EventKind::CommitMade => done.extend(computed.drain(..)),
            _ if found.event.asset.as_ref() == Some(asset) => {
                let key = found.event.body.get("key").cloned();
                let key = key.and_then(|key| serde_json::from_value::<StepKey>(key).ok());
                computed.extend(key.and_then(|key| key.interval));
            }
            _ => {}
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(slices: &[Interval]) -> String {
        let day = 86_400 * MICROS_PER_SECOND;
        slices.iter().map(|slice| format!("{}-{}", slice.start / day, slice.end / day)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn slices_are_whole_batches_in_the_order_of_the_work() {
        let day = 86_400 * MICROS_PER_SECOND;
        let of = |days: i64, every: Option<i64>, latest_first| {
            shown(&slices_of(Interval { start: 0, end: days * day }, day, every, latest_first))
        };
        assert_eq!(of(10, None, false), "0-10");
        assert_eq!(of(10, Some(4 * 86_400), false), "0-4 4-8 8-10");
        assert_eq!(of(10, Some(4 * 86_400), true), "6-10 2-6 0-2");
        assert_eq!(of(2, Some(3_600), false), "0-1 1-2", "a batch is the least");
        assert_eq!(of(24, None, true).split(' ').count(), 12);
        assert_eq!(of(3, None, true), "2-3 1-2 0-1");
    }
}
