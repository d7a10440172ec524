//! Reader of a monitor.

use baton_core::asset::{Column, DriftRule, Monitor, PerformanceRule};
use baton_core::{AssetName, Definition, Kind};
use baton_diagnostics::codes;

use crate::keys;
use crate::reader::Reader;
use crate::report::LabelClaim;
use crate::spec::check;

const DAY: i64 = 86_400;

pub(super) fn read(reader: &Reader<'_>, _columns: &[Column]) -> Option<Definition> {
    let endpoint = reader.reference("endpoint", "watches", &[Kind::Endpoint]);
    let drift = reader.object("drift", keys::DRIFT).map(|drift| read_drift(&drift));
    let performance = reader.object("performance", keys::PERFORMANCE);
    let performance = performance.and_then(|performance| read_performance(reader, &performance, endpoint.as_ref()));
    let mut then: Vec<String> = reader.words("then", keys::REACTIONS).into_iter().map(str::to_owned).collect();
    if !reader.has("then") {
        then.push("alert".to_owned());
    }
    let min_rows = reader.whole("min_rows", 1, i64::MAX).and_then(|count| u64::try_from(count).ok());
    let window = reader.positive_seconds("window").unwrap_or(7 * DAY);
    let (runbook, severity) = (reader.text("runbook"), check::read_severity(reader));
    if !reader.has("drift") && !reader.has("performance") {
        let message = format!("{} has neither `drift` nor `performance`", reader.what());
        reader.report.error(codes::MISSING_KEY, message, reader.at(), "watches nothing");
    }
    Some(Definition::Monitor(Monitor {
        endpoint: endpoint?,
        window,
        min_rows: min_rows.unwrap_or(500),
        drift,
        performance,
        then,
        runbook,
        severity,
    }))
}

fn read_drift(drift: &Reader<'_>) -> DriftRule {
    DriftRule {
        method: drift.text("method").unwrap_or_else(|| "auto".to_owned()),
        threshold: drift.number("threshold"),
        share: drift.share("share").unwrap_or(0.5),
    }
}

fn read_performance(
    monitor: &Reader<'_>,
    performance: &Reader<'_>,
    endpoint: Option<&AssetName>,
) -> Option<PerformanceRule> {
    let label = performance.text("label").zip(performance.get("label"));
    if let (Some((label, node)), Some(endpoint)) = (label, endpoint.cloned()) {
        let place = monitor.report.place(node.span);
        let claim = LabelClaim { by: monitor.what().to_owned(), endpoint, label, place };
        monitor.report.claim_label(claim);
    }
    let metric = performance.need_text("metric");
    let (min, max) = (performance.number("min"), performance.number("max"));
    if performance.has("min") == performance.has("max") {
        let message = format!("{} needs one of `min` and `max`", performance.what());
        performance.report.error(codes::MISSING_KEY, message, performance.at(), "");
        return None;
    }
    Some(PerformanceRule { metric: metric?, threshold: min.or(max)? })
}
