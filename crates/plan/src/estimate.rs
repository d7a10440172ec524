//! What the work of a plan will come to, from what the same work came to before. Pure: history in, figures out.

use std::collections::BTreeMap;

use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, IntervalSet, Kind};
use serde::{Deserialize, Serialize};

use crate::plan::{Change, Plan, PlannedAsset};
use crate::stage::{Stage, stages};

/// What is known of an asset's past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Rows of its newest version.
    pub rows: Option<u64>,
    /// Bytes of its newest version's files.
    pub bytes: Option<u64>,
    /// Milliseconds that its steps took, by verb, newest last.
    pub milliseconds: BTreeMap<String, Vec<u64>>,
}

/// What one stage will come to; `None` is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageEstimate {
    /// `build`, `train`, …
    pub verb: String,
    /// The asset.
    pub asset: AssetName,
    /// Rows written.
    pub rows: Option<u64>,
    /// Bytes written.
    pub bytes: Option<u64>,
    /// Milliseconds of work.
    pub milliseconds: Option<u64>,
}

/// What a plan will come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Stage by stage.
    pub stages: Vec<StageEstimate>,
    /// Rows written by the stages of which it is known.
    pub rows: u64,
    /// Bytes written by the stages of which it is known.
    pub bytes: u64,
    /// Milliseconds of the stages of which it is known.
    pub milliseconds: u64,
    /// Stages that were never done before, so that nothing is known of them.
    pub unknown: usize,
}

/// Estimates the stages of `plan`. `covered` is the time that each incremental table has.
pub fn estimate(plan: &Plan, past: &BTreeMap<AssetName, Past>, covered: &BTreeMap<AssetName, IntervalSet>) -> Estimate {
    let nothing = Past::default();
    let mut found = Estimate::default();
    let planned: BTreeMap<&AssetName, &PlannedAsset> = plan.assets.iter().map(|asset| (&asset.name, asset)).collect();
    for stage in stages(plan) {
        let Some((asset, planned)) = stage.asset().and_then(|name| Some((name, *planned.get(name)?))) else { continue };
        let known = past.get(asset).unwrap_or(&nothing);
        let part = part_of(planned, covered.get(asset));
        let share = |whole: Option<u64>| whole.map(|whole| (whole as f64 * part).ceil() as u64);
        let writes = matches!(stage, Stage::Ingest { .. } | Stage::Build { .. } | Stage::Materialize { .. });
        let estimate = StageEstimate {
            verb: stage.verb().to_owned(),
            asset: asset.clone(),
            rows: share(known.rows).filter(|_| writes),
            bytes: share(known.bytes).filter(|_| writes && planned.kind != Kind::FeatureView),
            milliseconds: milliseconds(known.milliseconds.get(stage.verb()), planned),
        };
        found.rows += estimate.rows.unwrap_or_default();
        found.bytes += estimate.bytes.unwrap_or_default();
        found.milliseconds += estimate.milliseconds.unwrap_or_default();
        found.unknown += usize::from(estimate.milliseconds.is_none());
        found.stages.push(estimate);
    }
    found
}

/// The share of a table that is computed: missing time against covered time, else all of it.
fn part_of(planned: &PlannedAsset, covered: Option<&IntervalSet>) -> f64 {
    let length = |set: &IntervalSet| -> i64 {
        set.ranges().iter().map(|range| (range.end - range.start) / MICROS_PER_SECOND).sum()
    };
    let covered = covered.map(length).unwrap_or_default();
    if planned.change != Change::Data || planned.from_nothing || planned.missing.is_empty() || covered == 0 {
        return 1.0;
    }
    length(&planned.missing) as f64 / covered as f64
}

/// New data is like the last time; what is made as a whole is like the longest time.
fn milliseconds(past: Option<&Vec<u64>>, planned: &PlannedAsset) -> Option<u64> {
    let past = past?;
    if planned.change == Change::Data && !planned.from_nothing {
        return past.last().copied();
    }
    past.iter().copied().max()
}
