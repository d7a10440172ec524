//! One test per class of cause.

use baton_core::duration::format_seconds;
use baton_core::incident::{Cause, CauseClass};
use baton_core::{AssetName, Kind};

use crate::evidence::{AssetEvidence, ColumnShift, Evidence, Happening, ThinDay};

/// Everything the evidence speaks for, unfiltered.
pub(super) fn candidates(evidence: &Evidence) -> Vec<Cause> {
    let mut found = Vec::new();
    for (asset, facts) in &evidence.assets {
        found.extend(late_data(asset, facts));
        found.extend(volume_drop(asset, facts));
        found.extend(thin_days(asset, facts, evidence));
        found.extend(happened(asset, facts, &facts.schema_changes, CauseClass::SchemaChange, 0.9));
        found.extend(happened(asset, facts, &facts.code_changes, CauseClass::BrokenTransform, 0.8));
        found.extend(failed(asset, facts));
        found.extend(stale_online(asset, facts, evidence));
        found.extend(facts.shifts.iter().filter_map(|shift| column_shift(asset, facts, shift, evidence)));
    }
    found.extend(missing_labels(evidence));
    found.extend(stale_features(evidence));
    found.extend(endpoint_changes(evidence));
    found
}

/// What is left when no candidate stands: the relation changed, or the evidence does not decide.
pub(super) fn remainder(evidence: &Evidence) -> Option<Cause> {
    let asset = evidence.asset.clone()?;
    let worse = evidence.performance.as_ref();
    let (class, score, summary) = match worse {
        Some(found) => (
            CauseClass::ModelDrift,
            0.5,
            format!(
                "no fault in data, code or serving explains it: {} went from {:.3} to {:.3}, the world or the relation that the model learnt has changed",
                found.metric, found.reference, found.value
            ),
        ),
        None if !evidence.features.is_empty() => (
            CauseClass::ModelDrift,
            0.4,
            "inputs are distributed otherwise than in training, and no fault in data, code or serving explains it"
                .to_owned(),
        ),
        None => (CauseClass::Unknown, 0.0, undecided(evidence)),
    };
    let owner = match class {
        CauseClass::Unknown => evidence.assets.get(&asset).and_then(|facts| facts.owner.clone()),
        _ => None,
    };
    let shifted: Vec<String> = strongest(evidence)
        .iter()
        .map(|(feature, score)| format!("feature {feature} is at {score:.1} times its drift threshold"))
        .collect();
    Some(Cause {
        class,
        asset,
        columns: Vec::new(),
        since: evidence.onset,
        score,
        summary,
        evidence: if class == CauseClass::Unknown { evidence.alerts.clone() } else { shifted },
        owner,
        action: match class {
            CauseClass::ModelDrift => "train a challenger on recent data and let the gates judge it".to_owned(),
            _ => "look at `baton log` and `baton show` of the assets upstream".to_owned(),
        },
    })
}

/// The breach in its own words: nothing that is recorded explains it.
fn undecided(evidence: &Evidence) -> String {
    match evidence.alerts.first() {
        Some(alert) => format!("{alert}; nothing upstream explains it"),
        None => "the recorded evidence does not decide".to_owned(),
    }
}

fn strongest(evidence: &Evidence) -> Vec<(String, f64)> {
    let mut shifted: Vec<(String, f64)> = evidence
        .features
        .iter()
        .filter(|shift| shift.score >= 1.0)
        .map(|shift| (shift.feature.clone(), shift.score))
        .collect();
    shifted.sort_by(|a, b| b.1.total_cmp(&a.1));
    shifted.truncate(5);
    shifted
}

fn cause(class: CauseClass, asset: &AssetName, facts: &AssetEvidence, score: f64, summary: String) -> Cause {
    Cause {
        class,
        asset: asset.clone(),
        columns: Vec::new(),
        since: None,
        score: score.clamp(0.0, 1.0),
        summary,
        evidence: Vec::new(),
        owner: facts.owner.clone(),
        action: String::new(),
    }
}

/// The newest row is older than it ever usually was.
fn late_data(asset: &AssetName, facts: &AssetEvidence) -> Option<Cause> {
    let (lag, usual) = (facts.lag?, facts.usual_lag?);
    let bearable = (usual * 2).max(3_600);
    if lag <= bearable || facts.kind != Some(Kind::Source) {
        return None;
    }
    let score = 0.6 + 0.4 * (1.0 - bearable as f64 / lag as f64);
    let mut found = cause(
        CauseClass::LateData,
        asset,
        facts,
        score,
        format!("{asset} is late: its newest row is {} old, usually at most {}", readable(lag), readable(usual)),
    );
    found.since = facts.newest_row_at;
    if let Some(newest) = facts.newest_row_at {
        found.evidence.push(format!("newest row of {asset}: {}", newest.format("%Y-%m-%d %H:%M UTC")));
    }
    found.action = format!(
        "ask the owner for the missing delivery of {asset}, then `baton run`: what depends on it is computed again"
    );
    Some(found)
}

fn readable(seconds: i64) -> String {
    let rounded = if seconds >= 7_200 { seconds / 3_600 * 3_600 } else { seconds / 60 * 60 };
    format_seconds(rounded)
}

/// Rows a day fell below half of what is usual.
fn volume_drop(asset: &AssetName, facts: &AssetEvidence) -> Option<Cause> {
    let (now, usual) = (facts.rows_per_day?, facts.usual_rows_per_day?);
    if usual < 10.0 || now >= usual * 0.6 {
        return None;
    }
    let missing = 1.0 - now / usual;
    let mut found = cause(
        CauseClass::VolumeDrop,
        asset,
        facts,
        0.5 + 0.45 * missing,
        format!("{asset} has {now:.0} rows a day instead of {usual:.0} ({:.0} % are missing)", missing * 100.0),
    );
    found.action = format!("find out what was left out of {asset}'s deliveries");
    Some(found)
}

/// Days that their own band calls thin. At the breach itself they are what happened; upstream of it, a day or two weigh
/// little in a window of weeks.
fn thin_days(asset: &AssetName, facts: &AssetEvidence, evidence: &Evidence) -> Option<Cause> {
    let missing = |day: &ThinDay| 1.0 - day.rows / day.expected.max(1.0);
    let worst = facts.thin_days.iter().max_by(|a, b| missing(a).total_cmp(&missing(b)))?;
    let is_breach = evidence.asset.as_ref() == Some(asset);
    let score = if is_breach { 0.6 + 0.4 * missing(worst) } else { 0.5 * missing(worst) };
    let mut found = cause(
        CauseClass::VolumeDrop,
        asset,
        facts,
        score,
        format!(
            "{asset} has {:.0} rows on {} instead of {:.0} ({:.0} % are missing)",
            worst.rows,
            worst.day,
            worst.expected,
            missing(worst) * 100.0
        ),
    );
    found.since = facts.thin_days.iter().map(|day| day.at).min();
    found.evidence = facts
        .thin_days
        .iter()
        .map(|day| format!("{} {:.0} rows, usually at least {:.0}", day.day, day.rows, day.low))
        .collect();
    found.action = format!("ask the owner of {asset} whether the day was special, or what its deliveries lack");
    Some(found)
}

fn happened(
    asset: &AssetName,
    facts: &AssetEvidence,
    happenings: &[Happening],
    class: CauseClass,
    score: f64,
) -> Option<Cause> {
    let latest = happenings.iter().max_by_key(|happening| happening.at)?;
    let by = latest.author.as_ref().map(|author| format!(" by {author}")).unwrap_or_default();
    let mut found = cause(class, asset, facts, score, format!("{asset}: {}{by}", latest.what));
    found.since = Some(latest.at);
    found.evidence = happenings
        .iter()
        .map(|happening| format!("{} {}", happening.at.format("%Y-%m-%d %H:%M UTC"), happening.what))
        .collect();
    found.owner = latest.author.clone().or_else(|| facts.owner.clone());
    found.action = match class {
        CauseClass::SchemaChange => format!(
            "agree the new columns of {asset} with its owner, or hold it to the contract with on_schema_change: freeze"
        ),
        _ => format!("look at the change of {asset}; `baton rollback` undoes it"),
    };
    Some(found)
}

/// A step failed. Where it brings features online, what is wrong is their age; elsewhere it is the transform.
fn failed(asset: &AssetName, facts: &AssetEvidence) -> Option<Cause> {
    let class = match facts.kind {
        Some(Kind::FeatureView) => CauseClass::StaleFeatures,
        _ => CauseClass::BrokenTransform,
    };
    let mut found = happened(asset, facts, &facts.failures, class, 0.85)?;
    // The first failure is when it began; the later ones are the same.
    found.since = facts.failures.iter().map(|happening| happening.at).min();
    if class == CauseClass::StaleFeatures {
        found.action = format!("mend what the failure names, then `baton run` brings {asset} online again");
    }
    Some(found)
}

/// An online view was left behind by its table, and no failure says so already.
fn stale_online(asset: &AssetName, facts: &AssetEvidence, evidence: &Evidence) -> Option<Cause> {
    let until = facts.online_until.filter(|_| facts.failures.is_empty())?;
    let age = evidence.onset.map_or(0, |onset| (onset - until).num_seconds()).max(0);
    let summary = format!("online values of {asset} are {} old, its table has newer ones", readable(age));
    let mut found = cause(CauseClass::StaleFeatures, asset, facts, 0.8, summary);
    found.since = Some(until);
    found.action = format!("bring {asset} online with `baton run`");
    Some(found)
}

/// A column moved at its source, judged by how far, and by how much the model listens to it.
fn column_shift(asset: &AssetName, facts: &AssetEvidence, shift: &ColumnShift, evidence: &Evidence) -> Option<Cause> {
    if shift.score < 1.0 {
        return None;
    }
    let importance: f64 = evidence
        .features
        .iter()
        .filter(|feature| shift.feeds.contains(&feature.feature))
        .map(|feature| feature.importance)
        .sum();
    // What reaches neither a feature nor the label cannot have moved the predictions.
    let relevance = if evidence.features.is_empty() || !shift.feeds.is_empty() { 1.0 } else { 0.5 };
    // Twice the threshold is common over seasons; five times and more is a break.
    let strength = 1.0 - 1.0 / (shift.score / 2.0).max(1.0);
    let mut found = cause(
        CauseClass::ColumnShift,
        asset,
        facts,
        relevance * strength * (0.75 + 0.25 * importance.min(1.0)),
        format!(
            "{asset}.{} is distributed otherwise than before ({:.1} times the threshold)",
            shift.column, shift.score
        ),
    );
    found.columns = vec![shift.column.clone()];
    if let (Some(before), Some(now)) = (shift.mean_before, shift.mean_now) {
        found.evidence.push(format!("mean of {} went from {before:.2} to {now:.2}", shift.column));
    }
    if (shift.nulls_now - shift.nulls_before).abs() > 0.01 {
        found.evidence.push(format!(
            "nulls in {} went from {:.1} % to {:.1} %",
            shift.column,
            shift.nulls_before * 100.0,
            shift.nulls_now * 100.0
        ));
    }
    if !shift.feeds.is_empty() {
        found.evidence.push(format!("{} is computed from it", shift.feeds.join(", ")));
    }
    found.action = format!("ask the owner of {asset} what changed in {}", shift.column);
    Some(found)
}

fn missing_labels(evidence: &Evidence) -> Option<Cause> {
    let labels = evidence.labels.as_ref().filter(|labels| labels.expected >= 20)?;
    let share = labels.found as f64 / labels.expected as f64;
    if share >= labels.usual_share * 0.8 {
        return None;
    }
    let facts = evidence.assets.get(&labels.from).cloned().unwrap_or_default();
    let mut found = cause(
        CauseClass::MissingLabels,
        &labels.from,
        &facts,
        0.95 - 0.4 * share,
        format!(
            "labels are missing: {} of {} predictions have one ({:.0} %), usually {:.0} %",
            labels.found,
            labels.expected,
            share * 100.0,
            labels.usual_share * 100.0
        ),
    );
    found.action = format!("judge the model again when the labels of {} are there", labels.from);
    Some(found)
}

/// Features whose values are missing far more often than in training: the online values ran out of their time to live.
fn stale_features(evidence: &Evidence) -> Option<Cause> {
    let stale: Vec<_> =
        evidence.features.iter().filter(|feature| feature.nulls_now - feature.nulls_before > 0.2).collect();
    let worst =
        stale.iter().max_by(|a, b| (a.nulls_now - a.nulls_before).total_cmp(&(b.nulls_now - b.nulls_before)))?;
    let facts = evidence.assets.get(&worst.from).cloned().unwrap_or_default();
    let mut found = cause(
        CauseClass::StaleFeatures,
        &worst.from,
        &facts,
        0.5 + 0.4 * (worst.nulls_now - worst.nulls_before),
        format!(
            "features are stale: {:.0} % of predictions had no value of {} (training: {:.0} %)",
            worst.nulls_now * 100.0,
            worst.feature,
            worst.nulls_before * 100.0
        ),
    );
    found.columns = stale.iter().map(|feature| feature.feature.clone()).collect();
    found.action = format!("bring {} up to date with `baton run`", worst.from);
    Some(found)
}

fn endpoint_changes(evidence: &Evidence) -> Vec<Cause> {
    let facts = AssetEvidence::default();
    evidence
        .deployments
        .iter()
        .map(|deployment| {
            let mut found = cause(
                CauseClass::EndpointChange,
                &deployment.asset,
                &facts,
                0.55,
                format!("{}: {}", deployment.asset, deployment.what),
            );
            found.since = Some(deployment.at);
            found.owner = deployment.author.clone();
            found.action =
                format!("compare with the revision before; `baton rollback` brings it back to {}", deployment.asset);
            found
        })
        .collect()
}
