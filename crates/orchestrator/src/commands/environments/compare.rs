//! Two commits side by side, asset by asset.

use std::collections::BTreeSet;

use baton_core::{AssetName, Commit, Kind, Pin, Version};
use serde::Serialize;

use super::names::resolve_commit;
use crate::error::RunError;
use crate::services::Services;

/// How two commits differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What was asked for, and the commit that it stands for.
    pub from: (String, String),
    /// The other one.
    pub to: (String, String),
    /// Assets that are the same in both.
    pub unchanged: usize,
    /// Assets that differ, by name.
    pub differences: Vec<AssetDifference>,
}

/// How one asset differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetDifference {
    /// The asset.
    pub asset: AssetName,
    /// What it is.
    pub kind: Kind,
    /// `added`, `removed`, `definition` or `version`: what weighs most.
    pub change: &'static str,
    /// What differs, a line each.
    pub details: Vec<String>,
}

/// Compares what `from` and `to` name: environments, tags or commits.
///
/// # Errors
/// [`RunError::UnknownReference`].
pub async fn compare(services: &Services, from: &str, to: &str) -> Result<Comparison, RunError> {
    let (before, after) = (resolve_commit(services, from).await?, resolve_commit(services, to).await?);
    Ok(Comparison {
        from: (from.to_owned(), before.id.0.clone()),
        to: (to.to_owned(), after.id.0.clone()),
        ..differences(&before, &after)
    })
}

fn differences(before: &Commit, after: &Commit) -> Comparison {
    let names: BTreeSet<&AssetName> = before.assets.keys().chain(after.assets.keys()).collect();
    let mut unchanged = 0;
    let mut differences = Vec::new();
    for name in names {
        let found = match (before.assets.get(name), after.assets.get(name)) {
            (Some(old), Some(new)) => changed(name, old, new),
            (None, Some(new)) => Some(whole(name, new, "added")),
            (Some(old), None) => Some(whole(name, old, "removed")),
            (None, None) => None,
        };
        match found {
            Some(found) => differences.push(found),
            None => unchanged += 1,
        }
    }
    Comparison { from: Default::default(), to: Default::default(), unchanged, differences }
}

fn whole(asset: &AssetName, pin: &Pin, change: &'static str) -> AssetDifference {
    AssetDifference { asset: asset.clone(), kind: pin.kind, change, details: vec![version_text(pin)] }
}

/// `None` when nothing but the place of online values differs.
fn changed(asset: &AssetName, old: &Pin, new: &Pin) -> Option<AssetDifference> {
    let definition = definition_lines(old, new);
    let change = if definition.is_empty() { "version" } else { "definition" };
    let details: Vec<String> = definition.into_iter().chain(version_lines(old, new)).collect();
    (!details.is_empty()).then(|| AssetDifference { asset: asset.clone(), kind: new.kind, change, details })
}

/// What makes a pin another, a line each; empty when only the place of online values differs.
pub(super) fn changed_lines(old: Option<&Pin>, new: Option<&Pin>) -> Vec<String> {
    match (old, new) {
        (Some(old), Some(new)) => definition_lines(old, new).into_iter().chain(version_lines(old, new)).collect(),
        (None, Some(new)) => vec![format!("new: {}", version_text(new))],
        (Some(_), None) => vec!["removed".to_owned()],
        (None, None) => Vec::new(),
    }
}

/// How what defines an asset differs, in words: its rows, its columns by name, and what decides no content.
pub(super) fn definition_lines(old: &Pin, new: &Pin) -> Vec<String> {
    let mut lines = Vec::new();
    if old.kind != new.kind {
        lines.push(format!("{} → {}", old.kind, new.kind));
    }
    if old.fingerprint != new.fingerprint {
        lines.push("what decides its rows".to_owned());
    }
    let named = |word: &str, names: Vec<&String>| {
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")))
    };
    let added = new.columns.keys().filter(|name| !old.columns.contains_key(*name)).collect();
    let removed = old.columns.keys().filter(|name| !new.columns.contains_key(*name)).collect();
    let differs = |(name, column): &(&String, _)| old.columns.get(*name).is_some_and(|there| there != *column);
    let moved = new.columns.iter().filter(differs).map(|(name, _)| name).collect();
    lines.extend(named("adds column", added));
    lines.extend(named("removes column", removed));
    lines.extend(named("computes otherwise", moved));
    if old.metadata != new.metadata {
        lines.push("description, owner, tags or checks".to_owned());
    }
    lines
}

fn version_lines(old: &Pin, new: &Pin) -> Vec<String> {
    let mut lines = Vec::new();
    match (&old.version, &new.version) {
        (Version::Table(before), Version::Table(after)) if before != after => {
            let rows = match (old.rows, new.rows) {
                (Some(before), Some(after)) if before != after => format!(", {before} → {after} rows"),
                _ => String::new(),
            };
            let same_rows = old.digest.is_some() && old.digest == new.digest;
            let note = if same_rows { ", the same rows" } else { "" };
            lines.push(format!("{} → {}{rows}{note}", place_of(old), place_of(new)));
        }
        (Version::FeatureView { table: before, online: o }, Version::FeatureView { table: after, online: n }) => {
            if before != after {
                lines.push(format!("{} → {}", place_of(old), place_of(new)));
            }
            if o.is_some() != n.is_some() {
                lines.push(if n.is_some() { "comes online" } else { "no longer online" }.to_owned());
            }
        }
        (Version::Model { aliases: before }, Version::Model { aliases: after }) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for alias in names.into_iter().filter(|alias| before.get(*alias) != after.get(*alias)) {
                let show =
                    |number: Option<&u32>| number.map_or("none".to_owned(), |number| format!("version {number}"));
                lines.push(format!("{alias}: {} → {}", show(before.get(alias)), show(after.get(alias))));
            }
        }
        (Version::Endpoint { serves: before, .. }, Version::Endpoint { serves: after, .. }) => {
            let roles: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for role in roles.into_iter().filter(|role| before.get(*role) != after.get(*role)) {
                let show = |found: Option<&String>| found.cloned().unwrap_or_else(|| "none".to_owned());
                lines.push(format!("{role}: {} → {}", show(before.get(role)), show(after.get(role))));
            }
        }
        _ => {}
    }
    lines
}

fn version_text(pin: &Pin) -> String {
    match (&pin.version, pin.rows) {
        (Version::Table(_), Some(rows)) => format!("{}, {rows} rows", place_of(pin)),
        (Version::Table(_) | Version::FeatureView { .. }, _) => place_of(pin),
        (version, _) => version.to_string(),
    }
}

/// Version and folder: numbers of two folders cannot be compared.
fn place_of(pin: &Pin) -> String {
    match pin.version.table() {
        Some(table) => {
            let folder = table.location.rsplit('/').next().unwrap_or_default();
            format!("v{} of {}", table.version, folder.get(..8).unwrap_or(folder))
        }
        None => pin.version.to_string(),
    }
}
