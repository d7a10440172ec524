//! What was brought in from other trackers, and handed back.

use baton_exchange::{Counts, ExportReport, ImportReport};

use super::style;
use super::table::{Table, count};

/// Mistakes that are told; JSON has all of them.
const TOLD: usize = 20;

/// What was brought in.
pub(crate) fn imported(report: &ImportReport) -> String {
    let mut table = Table::new(&["", ">new", ">changed", ">unchanged"]);
    let kinds = [
        ("experiments", report.experiments),
        ("runs", report.runs),
        ("logged models", report.logged_models),
        ("registered models", report.registered_models),
        ("model versions", report.model_versions),
        ("traces", report.traces),
    ];
    for (kind, counts) in kinds.into_iter().filter(|(_, counts)| *counts != Counts::default()) {
        let cells = [counts.new, counts.changed, counts.unchanged].map(|number| count(number as u64));
        table.row([kind.to_owned()].into_iter().chain(cells));
    }
    if report.files.copied + report.files.unchanged > 0 {
        let [copied, unchanged] = [report.files.copied, report.files.unchanged].map(|number| count(number as u64));
        table.row(["files".to_owned(), copied, String::new(), unchanged]);
    }
    let mut text = format!("{}\n", report.source);
    if table.is_empty() {
        text.push_str("  nothing is kept there\n");
    } else {
        text.push_str(&table.render("  "));
    }
    for note in &report.notes {
        text.push_str(&format!("{} {note}\n", style::hint("note:")));
    }
    for aside in report.set_aside.iter().take(TOLD) {
        text.push_str(&format!("{} {}: {}\n", style::warning("set aside:"), aside.place, aside.reason));
    }
    if report.set_aside.len() > TOLD {
        let rest = report.set_aside.len() - TOLD;
        text.push_str(&format!("and {rest} more; `--output json` tells all\n"));
    }
    text
}

/// What was handed on.
pub(crate) fn exported(report: &ExportReport) -> String {
    let mut table = Table::new(&["", ">written"]);
    let kinds = [
        ("experiments", report.experiments),
        ("runs", report.runs),
        ("logged models", report.logged_models),
        ("registered models", report.registered_models),
        ("model versions", report.model_versions),
        ("traces", report.traces),
        ("files", report.files),
    ];
    for (kind, number) in kinds.into_iter().filter(|(_, number)| *number > 0) {
        table.row([kind.to_owned(), count(number as u64)]);
    }
    let uri = format!("sqlite:///{}", report.database.display());
    format!("{}{} mlflow.set_tracking_uri(\"{uri}\")\n", table.render("  "), style::hint("open it with"))
}
