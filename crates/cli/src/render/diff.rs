//! A diff as text for a terminal, and as Markdown for a pull request.

use baton_orchestrator::{
    AssetDiff, ColumnShift, DiffReport, ModelDiff, Presence, RowChange, RowDiff, RowMethod, SampleRow,
};
use serde_json::Value;

use super::style;
use super::table::{Table, count};

/// The rows that differ between two versions: figures, columns, samples.
pub(crate) fn rows_section(rows: &RowDiff) -> String {
    let parts = [
        row_counts(rows),
        changed_columns(rows),
        changed_rows(&rows.changed_sample),
        sample(&rows.added_sample),
        sample(&rows.removed_sample),
    ];
    parts.concat()
}

/// Lines of a definition that are shown of each asset.
const DEFINITION_LINES: usize = 40;
/// Columns that are shown of each kind.
const COLUMNS: usize = 12;
/// Characters of a cell in a sample.
const CELL: usize = 28;
/// Bytes of a Markdown answer; pull requests take 65,536 characters.
const MARKDOWN_BYTES: usize = 60_000;

/// For a terminal.
pub(crate) fn diff(report: &DiffReport) -> String {
    let mut text = format!("{}\n", heading(report));
    for asset in &report.assets {
        text.push('\n');
        text.push_str(&style::heading(&title(asset)));
        text.push('\n');
        for (label, body) in sections(asset) {
            text.push_str(&format!("  {label}\n"));
            body.lines()
                .for_each(|line| text.push_str(&format!("    {}\n", colored(&label, line)).replace(" \n", "\n")));
        }
    }
    text.push_str(&format!("\n{}\n", closing(report)));
    text
}

/// For a pull request, never longer than it takes.
pub(crate) fn diff_markdown(report: &DiffReport) -> String {
    let mut text = format!("### {}\n\n{}\n", heading(report), closing(report));
    for (place, asset) in report.assets.iter().enumerate() {
        let mut part = format!("\n<details><summary><b>{}</b></summary>\n", escaped(&title(asset)));
        for (label, body) in sections(asset) {
            let language = if is_difference(&label) { "diff" } else { "text" };
            part.push_str(&format!("\n{label}\n```{language}\n{}\n```\n", body.trim_end()));
        }
        part.push_str("\n</details>\n");
        if text.len() + part.len() > MARKDOWN_BYTES {
            text.push_str(&format!("\n{} more assets differ; see `baton diff`.\n", report.assets.len() - place));
            break;
        }
        text.push_str(&part);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn colored(label: &str, line: &str) -> String {
    let is_marked = is_difference(label) || label == "columns";
    match line.chars().next() {
        Some('+') if is_marked => style::good(line),
        Some('-') if is_marked => style::error(line),
        Some('@') if is_difference(label) => style::muted(line),
        _ => line.to_owned(),
    }
}

/// Whether a section is a unified diff.
fn is_difference(label: &str) -> bool {
    matches!(label, "definition" | "plan")
}

fn heading(report: &DiffReport) -> String {
    let side = |side: &baton_orchestrator::DiffSide| {
        format!("{} ({} as of {})", side.name, side.commit.short(), side.as_of.format("%Y-%m-%d %H:%M"))
    };
    format!("{} → {}", side(&report.before), side(&report.after))
}

fn closing(report: &DiffReport) -> String {
    match report.assets.len() {
        0 => format!("No differences: {} assets are the same.", report.same),
        1 => format!("1 asset differs, {} are the same", report.same),
        differing => format!("{differing} assets differ, {} are the same", report.same),
    }
}

fn title(asset: &AssetDiff) -> String {
    let versions = match (&asset.before, &asset.after) {
        (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
        (Some(version), Some(_)) => version.clone(),
        (None, Some(after)) => after.clone(),
        (Some(before), None) => before.clone(),
        (None, None) => String::new(),
    };
    let word = match asset.presence {
        Presence::Added => "added",
        Presence::Removed => "removed",
        Presence::Changed => "changed",
    };
    format!("{} {} {word} {versions}", asset.kind, asset.name).trim_end().to_owned()
}

/// What there is to say of an asset, as label and lines.
fn sections(asset: &AssetDiff) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |label: &str, body: String| {
        if !body.is_empty() {
            found.push((label.to_owned(), body));
        }
    };
    if asset.presence == Presence::Changed {
        add("definition", bounded(&asset.definition, DEFINITION_LINES));
        add("plan", bounded(&asset.plan, DEFINITION_LINES));
        add("columns", columns(asset));
    }
    if let Some(rows) = &asset.rows {
        add("rows", row_counts(rows));
        add("values changed by column", changed_columns(rows));
        add("changed", changed_rows(&rows.changed_sample));
        add("added", sample(&rows.added_sample));
        add("removed", sample(&rows.removed_sample));
    }
    add("statistics", shifts(&asset.profile));
    if let Some(model) = &asset.model {
        add("versions", model_lines(model));
        add("metrics on the same rows", metrics(model));
        add("importance", importance(model));
    }
    let serves = asset.serves.iter().map(|(role, (before, after))| {
        let show = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        format!("{role}: {} → {}\n", show(before), show(after))
    });
    add("serves", serves.collect());
    add("notes", asset.notes.iter().map(|note| format!("{note}\n")).collect());
    found
}

fn bounded(lines: &[String], limit: usize) -> String {
    let mut text: String = lines.iter().take(limit).map(|line| format!("{line}\n")).collect();
    if lines.len() > limit {
        text.push_str(&format!("… {} more lines\n", lines.len() - limit));
    }
    text
}

fn columns(asset: &AssetDiff) -> String {
    let schema = &asset.schema;
    let added = schema.added.iter().map(|(name, data_type)| format!("+ {name} {data_type}\n"));
    let removed = schema.removed.iter().map(|(name, data_type)| format!("- {name} {data_type}\n"));
    let retyped = schema.retyped.iter().map(|(name, was, is)| format!("~ {name} {was} → {is}\n"));
    added.chain(removed).chain(retyped).collect()
}

fn row_counts(rows: &RowDiff) -> String {
    let by = match rows.method {
        RowMethod::Grain => format!("by {}", rows.grain.join(", ")),
        RowMethod::Multiset => "as a whole".to_owned(),
    };
    let files = match rows.files_shared {
        0 => String::new(),
        1 => "; 1 shared file not read".to_owned(),
        shared => format!("; {shared} shared files not read"),
    };
    let figures = match (rows.added, rows.removed, rows.changed) {
        (0, 0, 0) => "the same".to_owned(),
        (added, removed, changed) => match rows.method {
            RowMethod::Grain => {
                format!("{} added, {} removed, {} changed", count(added), count(removed), count(changed))
            }
            RowMethod::Multiset => format!("{} added, {} removed", count(added), count(removed)),
        },
    };
    format!("{} → {}: {figures} ({by}{files})\n", count(rows.before), count(rows.after))
}

fn changed_columns(rows: &RowDiff) -> String {
    let mut table = Table::new(&["column", ">changed", ">rate"]);
    for column in rows.columns.iter().take(COLUMNS) {
        table.row([column.column.clone(), count(column.changed), share(column.rate)]);
    }
    with_rest(table, rows.columns.len())
}

fn with_rest(table: Table, total: usize) -> String {
    if table.is_empty() {
        return String::new();
    }
    let rest = total.saturating_sub(COLUMNS);
    let more = if rest > 0 { format!("… {rest} more\n") } else { String::new() };
    format!("{}{more}", table.render(""))
}

fn changed_rows(rows: &[RowChange]) -> String {
    let line = |row: &RowChange| {
        let key: Vec<String> = row.key.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
        let values: Vec<String> = row
            .values
            .iter()
            .take(COLUMNS)
            .map(|(name, (before, after))| format!("{name} {} → {}", shown(before), shown(after)))
            .collect();
        format!("{}: {}\n", key.join(" "), values.join(", "))
    };
    rows.iter().map(line).collect()
}

fn sample(rows: &[SampleRow]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let names: Vec<String> = first.keys().take(COLUMNS).cloned().collect();
    let right = first.values().take(COLUMNS).map(Value::is_number).collect();
    let mut table = Table::of_columns(names, right);
    for row in rows {
        table.row(row.values().take(COLUMNS).map(shown));
    }
    with_rest(table, first.len())
}

fn shifts(shifts: &[ColumnShift]) -> String {
    let mut table = Table::new(&["column", ">nulls", ">distinct", ">mean", ">p50", ">p95", ">distance", ""]);
    for shift in shifts.iter().take(COLUMNS) {
        let drift = shift.drift.as_ref();
        table.row([
            shift.column.clone(),
            moved(&share(shift.nulls.0), &share(shift.nulls.1)),
            moved(&some(shift.distinct.0), &some(shift.distinct.1)),
            moved(&statistic(&shift.mean.0), &statistic(&shift.mean.1)),
            moved(&statistic(&shift.p50.0), &statistic(&shift.p50.1)),
            moved(&statistic(&shift.p95.0), &statistic(&shift.p95.1)),
            drift.map(|drift| format!("{:.3}", drift.score)).unwrap_or_default(),
            drift.filter(|drift| drift.drifted).map(|_| "drifted".to_owned()).unwrap_or_default(),
        ]);
    }
    with_rest(table, shifts.len())
}

fn some(number: Option<u64>) -> String {
    number.map(count).unwrap_or_default()
}

fn moved(before: &str, after: &str) -> String {
    if before == after { before.to_owned() } else { format!("{before} → {after}") }
}

fn model_lines(model: &ModelDiff) -> String {
    let version = |line: &Option<baton_orchestrator::ModelLine>| {
        line.as_ref().map_or("none".to_owned(), |line| {
            let at = line.trained_at.format("%Y-%m-%d");
            format!("{} {} of {at}, {} rows", line.version, line.algorithm, count(line.rows))
        })
    };
    let number = |number: &Option<u32>| number.map_or("none".to_owned(), |number| number.to_string());
    let aliases = model.aliases.iter().map(|(alias, (was, is))| format!("{alias}: {} → {}\n", number(was), number(is)));
    let shown = format!("{}\n", moved(&version(&model.before), &version(&model.after)));
    aliases.chain([shown]).collect()
}

fn metrics(model: &ModelDiff) -> String {
    let Some(found) = &model.same_rows else { return String::new() };
    let mut table = Table::new(&["metric", ">before", ">after", ">difference"]);
    let figure = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    for (metric, (before, after)) in &found.metrics {
        let difference = before.zip(*after).map(|(before, after)| format!("{:+.4}", after - before));
        table.row([metric.clone(), figure(*before), figure(*after), difference.unwrap_or_default()]);
    }
    format!("{} rows of the test part of {}\n{}", count(found.rows), found.test_of, table.render(""))
}

fn importance(model: &ModelDiff) -> String {
    let mut table = Table::new(&["feature", ">before", ">after"]);
    let figure = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    for (feature, before, after) in model.importance.iter().take(COLUMNS) {
        table.row([feature.clone(), figure(*before), figure(*after)]);
    }
    with_rest(table, model.importance.len())
}

fn share(share: f64) -> String {
    match share {
        0.0 => "0%".to_owned(),
        small if small < 0.001 => "<0.1%".to_owned(),
        share => format!("{:.1}%", share * 100.0),
    }
}

/// A statistic in short: nothing where there is none, five digits of a number, an instant to the minute.
fn statistic(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            let float = number.as_f64().unwrap_or_default();
            let digits = (4 - float.abs().max(1.0).log10().floor() as i32).clamp(0, 4);
            let factor = 10f64.powi(digits);
            format!("{}", (float * factor).round() / factor)
        }
        Value::String(text) if text.len() > 16 && text.as_bytes()[10] == b'T' => {
            text.get(..16).unwrap_or(text).to_owned()
        }
        other => shown(other),
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() => format!("{}", (float * 1e6).round() / 1e6),
            _ => number.to_string(),
        },
        other => other.to_string(),
    };
    if text.chars().count() <= CELL {
        return text;
    }
    format!("{}…", text.chars().take(CELL - 1).collect::<String>())
}
