//! What changed under us.

use baton_orchestrator::{DriftKind, RefreshReport};

use super::collection::size;
use super::style;
use super::table::count;

/// One drift a paragraph: what, and what to do.
pub(crate) fn drift(report: &RefreshReport) -> String {
    let commit = report.commit.get(..10).unwrap_or(&report.commit);
    let mut text = format!("Environment `{}` at {commit}, beside what is stored\n\n", report.environment);
    for drift in &report.drift {
        let asset = drift.asset.as_ref().map_or("-", |asset| asset.as_str());
        let (sign, kind) = (style::error("!"), word(drift.kind));
        text.push_str(&format!("  {sign} {kind:<14} {asset:<22} {}\n      {}\n", drift.what, drift.hint));
    }
    if report.drift.is_empty() {
        text.push_str("  Nothing changed under us.\n");
    }
    let read = match report.bytes_read {
        0 => String::new(),
        bytes => format!(", {} read", size(bytes)),
    };
    text.push_str(&format!(
        "\n  {} changed, {} data files looked at{read}\n",
        report.drift.len(),
        count(report.files as u64)
    ));
    text
}

fn word(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::Pointer => "pointer",
        DriftKind::Log => "log",
        DriftKind::FileMissing => "file gone",
        DriftKind::FileAltered => "file altered",
        DriftKind::OtherEngine => "other engine",
        DriftKind::Model => "model",
        DriftKind::Online => "online values",
    }
}
