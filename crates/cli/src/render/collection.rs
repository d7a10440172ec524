//! What a collection deleted, or would.

use baton_orchestrator::{GarbageKind, GcReport};

use super::table::{Table, count};

/// What goes by kind and place, with bytes.
pub(crate) fn collection(report: &GcReport) -> String {
    let mut text = String::new();
    for reason in &report.left_alone {
        text.push_str(&format!("left alone {reason}\n"));
    }
    let kept = format!("{} in {} data files of tables that stay\n", size(report.kept_bytes), count(report.kept_files));
    if report.garbage.is_empty() {
        return format!("{text}Nothing to collect; {kept}");
    }
    let mut table = Table::new(&["kind", "what", ">items", ">bytes"]);
    for garbage in &report.garbage {
        let name = short(&garbage.name);
        table.row([word(garbage.kind).to_owned(), name, count(garbage.items), size(garbage.bytes)]);
    }
    text.push_str(&table.render(""));
    let did = if report.dry_run { "would be freed" } else { "freed" };
    text.push_str(&format!("{} {did}; {kept}", size(report.bytes)));
    text
}

fn word(kind: GarbageKind) -> &'static str {
    match kind {
        GarbageKind::Table => "table",
        GarbageKind::TableFiles => "files of table",
        GarbageKind::Artifact => "model",
        GarbageKind::OnlineValues => "online values",
        GarbageKind::Leftover => "leftover",
    }
}

/// Locations with a short fingerprint.
fn short(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').map(|part| if part.len() == 64 { &part[..10] } else { part }).collect();
    parts.join("/")
}

/// Bytes in the unit that leaves few digits: `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}
