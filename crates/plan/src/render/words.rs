//! The words that both forms of a plan share.

use baton_core::{AssetName, Kind};

use crate::blast::{ChangedOutput, Effect, ReachedSchedule};
use crate::estimate::Estimate;
use crate::plan::{Change, NeededApproval, Plan, PlannedChecks};
use crate::stage::{Stage, stages};

/// Most names in a list before the rest is counted.
const LISTED: usize = 6;
/// Most characters of one line or cell.
const LONGEST_LINE: usize = 400;

/// The sign before an asset.
pub(super) fn sign(change: Change) -> char {
    match change {
        Change::New => '+',
        Change::Removed => '-',
        Change::Additive | Change::Breaking | Change::MetadataOnly => '~',
        Change::Data | Change::Unchanged => '>',
    }
}

/// The change in words.
pub(super) fn word(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Unchanged => "unchanged",
        Change::MetadataOnly => "metadata only",
        Change::Additive => "additive",
        Change::Breaking => "breaking",
        Change::Removed => "removed",
        Change::Data => "new data",
    }
}

/// How much a change weighs, the weightiest first, so that it is seen whatever is cut off.
pub(super) fn rank(change: Change) -> u8 {
    match change {
        Change::Breaking => 0,
        Change::Removed => 1,
        Change::Additive => 2,
        Change::New => 3,
        Change::Data => 4,
        Change::MetadataOnly | Change::Unchanged => 5,
    }
}

/// At most so many characters of a line.
pub(super) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_LINE).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// `5 unchanged, 1 breaking`.
pub(super) fn counts(plan: &Plan) -> String {
    let parts: Vec<String> =
        plan.counts().into_iter().map(|(change, count)| format!("{count} {}", word(change))).collect();
    let same = plan.blast_radius.unchanged.len();
    let told = if same == 0 { String::new() } else { format!("; {same} of them to the same result") };
    parts.join(", ") + &told
}

/// The models that are trained; `None` in a plan without models, and where a selection keeps one from it.
pub(super) fn trained(plan: &Plan) -> Option<Vec<AssetName>> {
    let has_model = plan.assets.iter().any(|asset| asset.kind == Kind::Model && asset.change != Change::Removed);
    let trained = stages(plan).into_iter().filter_map(|stage| match stage {
        Stage::Train { asset, .. } => Some(asset),
        _ => None,
    });
    let trained: Vec<AssetName> = trained.collect();
    let is_held = plan.scope.iter().flat_map(|scope| &scope.held).any(|held| held.kind == Kind::Model);
    (has_model && !(is_held && trained.is_empty())).then_some(trained)
}

/// `tables`, `feature views`, … for a heading.
pub(super) fn kinds(kind: Kind) -> String {
    format!("{}s", kind.word())
}

/// The first names, and how many more there are.
pub(super) fn list<T: ToString>(names: &[T]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(ToString::to_string).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A schedule with what changes of that which it runs.
pub(super) fn schedule(reached: &ReachedSchedule) -> String {
    format!("{} (runs {})", reached.schedule, list(&reached.assets))
}

/// A changed output within the list of its kind.
pub(super) fn output(output: &ChangedOutput) -> String {
    let name = &output.asset;
    match output.effect {
        Effect::Rebuilt if output.rows => format!("{name} (other rows)"),
        Effect::Rebuilt | Effect::Widened if !output.columns.is_empty() => {
            format!("{name} ({})", list(&output.columns))
        }
        Effect::Retrained => format!("{name}: trained again"),
        Effect::ServesOtherwise => format!("{name}: serves what is trained once its gates hold"),
        Effect::Disappears => format!("{name}: goes"),
        _ => name.to_string(),
    }
}

/// What changes downstream, by kind, without what is new.
pub(super) fn downstream(plan: &Plan) -> Vec<(Kind, Vec<&ChangedOutput>)> {
    let of_kind = |kind: Kind| {
        let found = plan.blast_radius.downstream().filter(move |output| output.kind == kind);
        let found: Vec<&ChangedOutput> = found.filter(|output| output.effect != Effect::Appears).collect();
        (!found.is_empty()).then_some((kind, found))
    };
    Kind::ALL.into_iter().filter_map(of_kind).collect()
}

/// `ada@example.com (flights, outcomes)`.
pub(super) fn owner(owner: &NeededApproval) -> String {
    format!("{} ({})", owner.owner, list(&owner.assets))
}

/// `12 on flights, outcomes; 4 gates on arrival_delay`.
pub(super) fn checks(checks: &[PlannedChecks]) -> Option<String> {
    let part = |is_gate: bool, what: &str| {
        let found: Vec<&PlannedChecks> = checks.iter().filter(|found| (found.kind == Kind::Model) == is_gate).collect();
        let count: usize = found.iter().map(|found| found.checks.len()).sum();
        let names: Vec<&AssetName> = found.iter().map(|found| &found.asset).collect();
        let what = if count == 1 { what.to_owned() } else { format!("{what}s") };
        (count > 0).then(|| format!("{count} {what} on {}", list(&names)))
    };
    let parts: Vec<String> = [part(false, "check"), part(true, "gate")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// `336,776 rows, 12.1 MB, about 9 s; 2 steps were never done before`; `None` when nothing is known.
pub(super) fn estimate(estimate: &Estimate) -> Option<String> {
    if estimate.stages.len() == estimate.unknown {
        return None;
    }
    let mut text = match estimate.rows {
        0 => duration(estimate.milliseconds),
        1 => format!("1 row, {}, {}", bytes(estimate.bytes), duration(estimate.milliseconds)),
        rows => format!("{} rows, {}, {}", thousands(rows), bytes(estimate.bytes), duration(estimate.milliseconds)),
    };
    match estimate.unknown {
        0 => {}
        1 => text.push_str("; 1 step was never done before"),
        more => text.push_str(&format!("; {more} steps were never done before")),
    }
    Some(text)
}

/// `336,776`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let apart = digits.as_bytes().rchunks(3).rev().map(|part| String::from_utf8_lossy(part).into_owned());
    apart.collect::<Vec<_>>().join(",")
}

/// `512 B`, `12.1 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000_u64), ("MB", 1_000_000), ("kB", 1_000)];
    match units.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
        None => format!("{bytes} B"),
    }
}

/// `under 1 s`, `about 9 s`, `about 3 min`, `about 2.5 h`.
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        ..1_000 => "under 1 s".to_owned(),
        1_000..120_000 => format!("about {} s", (milliseconds + 500) / 1_000),
        120_000..7_200_000 => format!("about {} min", (milliseconds + 30_000) / 60_000),
        _ => format!("about {:.1} h", milliseconds as f64 / 3_600_000.0),
    }
}
