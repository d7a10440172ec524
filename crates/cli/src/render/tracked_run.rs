//! One tracked run as text.

use std::collections::BTreeMap;

use baton_orchestrator::DataOfRun;

use super::table::{Table, count};
use super::tracked::milliseconds;
use crate::commands::{TrackedRun, figure};

/// A tracked run: head, code, data, features, environment, parameters, metrics, what has changed since.
pub(crate) fn tracked_run(run: &TrackedRun) -> String {
    let mut text = format!("{} ({})\n", run.name, run.run_id);
    let took = run.end_time.map_or_else(String::new, |end| format!(", {} s", seconds(end - run.start_time)));
    let by = if run.user.is_empty() { String::new() } else { format!(", by {}", run.user) };
    text.push_str(&format!(
        "  experiment {}, {}, began {}{took}{by}\n",
        run.experiment,
        run.status.to_lowercase(),
        milliseconds(run.start_time)
    ));
    section(&mut text, "code", &code(run));
    data(&mut text, &run.ties.data);
    list(&mut text, "features", &run.ties.features);
    section(&mut text, "environment", &environment(run));
    section(&mut text, "parameters", &pairs(&run.params));
    let metrics = run.metrics.iter().map(|(name, value)| (name.clone(), figure(*value)));
    section(&mut text, "metrics", &metrics.collect::<Vec<_>>());
    section(&mut text, "models", &pairs(&run.models));
    changes(&mut text, run);
    text
}

fn seconds(milliseconds: i64) -> String {
    format!("{:.1}", milliseconds as f64 / 1_000.0)
}

fn code(run: &TrackedRun) -> Vec<(String, String)> {
    let ties = &run.ties;
    let all = [
        ("asset", ties.asset.as_ref()),
        ("environment", ties.asset.as_ref().map(|_| &ties.environment)),
        ("run", ties.run.as_ref()),
        ("as of", ties.as_of.as_ref()),
        ("git revision", ties.revision.as_ref()),
        ("definition", ties.definition.as_ref()),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))).collect()
}

fn environment(run: &TrackedRun) -> Vec<(String, String)> {
    let runtime = &run.ties.runtime;
    let own = [("lock", runtime.lock.as_ref()), ("platform", runtime.platform.as_ref())];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
    own.chain(pairs(&run.packages)).collect()
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn section(text: &mut String, title: &str, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    text.push_str(&format!("\n{title}\n"));
    for (name, value) in rows {
        text.push_str(&format!("  {name:width$}  {value}\n"));
    }
}

fn data(text: &mut String, data: &[DataOfRun]) {
    if data.is_empty() {
        return;
    }
    let mut table = Table::new(&["data", "for", "version", ">rows", "now"]);
    for dataset in data {
        let now = match &dataset.now {
            None => String::new(),
            Some(now) if now.same => "the same".to_owned(),
            Some(now) => format!("{}, {} rows", now.version, now.rows.map_or_else(|| "?".to_owned(), count)),
        };
        table.row([
            dataset.name.clone(),
            dataset.context.clone().unwrap_or_default(),
            dataset.version.clone(),
            dataset.rows.map_or_else(String::new, count),
            now,
        ]);
    }
    text.push('\n');
    text.push_str(&table.render(""));
}

fn list(text: &mut String, title: &str, names: &[String]) {
    if !names.is_empty() {
        text.push_str(&format!("\n{title}\n  {}\n", names.join(", ")));
    }
}

fn changes(text: &mut String, run: &TrackedRun) {
    text.push_str("\nchanged since\n");
    if run.ties.changed.is_empty() {
        text.push_str("  nothing that is known\n");
    }
    for change in &run.ties.changed {
        text.push_str(&format!("  {change}\n"));
    }
}
