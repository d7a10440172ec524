//! Lineage as a tree of assets, and as a list of column edges.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::Assets;
use baton_orchestrator::{Direction, LineageReport};

use super::style;

/// What an asset is made from (or feeds) as a tree; an asset that occurs again is not opened again.
pub(crate) fn lineage(report: &LineageReport, assets: &Assets, direction: Direction) -> String {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in &report.edges {
        let (from, to) = (from.as_str(), to.as_str());
        let (parent, child) = if direction == Direction::Up { (to, from) } else { (from, to) };
        next.entry(parent).or_default().insert(child);
    }
    let mut tree = Tree { next, assets, external: &report.external, seen: BTreeSet::new(), text: String::new() };
    tree.push(&report.asset, "", "");
    let mut text = tree.text;
    if !report.columns.is_empty() {
        text.push_str(&format!("\n{}\n", style::heading("Columns")));
        for edge in &report.columns {
            text.push_str(&format!(
                "  {}.{} → {}.{}\n",
                edge.from_asset, edge.from_column, edge.to_asset, edge.to_column
            ));
        }
    }
    text
}

struct Tree<'a> {
    next: BTreeMap<&'a str, BTreeSet<&'a str>>,
    assets: &'a Assets,
    external: &'a BTreeMap<String, String>,
    seen: BTreeSet<&'a str>,
    text: String,
}

impl<'a> Tree<'a> {
    fn push(&mut self, name: &'a str, branch: &str, below: &str) {
        let children: Vec<&'a str> = self.next.get(name).into_iter().flatten().copied().collect();
        let is_new = self.seen.insert(name);
        let own = self.assets.get(name).map(|asset| asset.kind().word());
        let kind = own.or_else(|| self.external.get(name).map(String::as_str)).unwrap_or_default();
        let again = if is_new || children.is_empty() { "" } else { " (above)" };
        self.text.push_str(&format!("{branch}{name} {}{again}\n", style::muted(kind)));
        if !is_new {
            return;
        }
        for (position, child) in children.iter().enumerate() {
            let is_last = position + 1 == children.len();
            let (elbow, rest) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.push(child, &format!("{below}{elbow}"), &format!("{below}{rest}"));
        }
    }
}
