//! The model card: everything known about a model version, as Markdown. The same card gives the same text.
//!
//! Knows nothing of where the facts came from; the caller fills in [`ModelCard`].

use crate::explain::FeatureImportance;
use crate::gate::{GateResult, bytes_text};
use crate::params::Params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The facts of a model version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The model's name.
    pub model: String,
    /// Its version, as people write it: `3`.
    pub version: String,
    /// What it is for, from the project; may be empty.
    pub description: String,
    /// Who answers for it; may be empty.
    pub owner: String,
    /// The task: `binary_classification` or `regression`.
    pub task: String,
    /// The algorithm.
    pub algorithm: String,
    /// Its parameters.
    pub params: Params,
    /// The digest of the stored model.
    pub digest: String,
    /// The size of the model file.
    pub size_bytes: u64,
    /// When it was trained, by the logical clock.
    pub trained_at: String,
    /// The tables it learnt from, with their versions.
    pub data: Vec<CardData>,
    /// The parts of the training set: name (`train`, `test`), rows, first and last time.
    pub splits: Vec<CardSplit>,
    /// The features it reads, in order, with what each is for or its type.
    pub features: Vec<(String, String)>,
    /// Its metrics on the test part.
    pub metrics: BTreeMap<String, f64>,
    /// The champion's metrics on the same rows, if there was a champion.
    pub champion_metrics: BTreeMap<String, f64>,
    /// Why the champion that there was has no metrics on these rows.
    pub not_compared: Option<String>,
    /// Metrics by slice.
    pub slices: Vec<CardSlice>,
    /// The features by importance, largest first.
    pub importance: Vec<FeatureImportance>,
    /// The verdicts of its gates.
    pub gates: Vec<GateResult>,
    /// Where its columns come from, one line each: `dep_delay: flights.dep_delay`.
    pub lineage: Vec<String>,
}

/// One table version that a model learnt from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CardData {
    /// The asset.
    pub asset: String,
    /// Its version.
    pub version: String,
    /// How many rows it has.
    pub n_rows: u64,
}

/// One part of a training set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CardSplit {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub n_rows: u64,
    /// Its first time.
    pub from: String,
    /// Its last time.
    pub to: String,
}

/// The metrics of the rows that share a value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CardSlice {
    /// The column.
    pub column: String,
    /// The value.
    pub value: String,
    /// How many rows share it.
    pub n_rows: u64,
    /// Their metrics.
    pub metrics: BTreeMap<String, f64>,
}

/// How many features the importance table shows.
const SHOWN_FEATURES: usize = 20;

/// Renders the card.
pub fn render_markdown(card: &ModelCard) -> String {
    let mut text = String::new();
    heading(&mut text, card);
    summary(&mut text, card);
    metrics(&mut text, card);
    slices(&mut text, card);
    gates(&mut text, card);
    importance(&mut text, card);
    data(&mut text, card);
    features(&mut text, card);
    text
}

fn heading(text: &mut String, card: &ModelCard) {
    line(text, &format!("# Model card: {} version {}", card.model, card.version));
    if !card.description.is_empty() {
        line(text, "");
        line(text, &card.description);
    }
}

fn summary(text: &mut String, card: &ModelCard) {
    let owner = if card.owner.is_empty() { "nobody" } else { &card.owner };
    let rows = [
        ["owner", owner],
        ["task", &card.task],
        ["algorithm", &card.algorithm],
        ["parameters", &card.params.to_string()],
        ["trained at", &card.trained_at],
        ["digest", &card.digest],
        ["size", &bytes_text(card.size_bytes)],
    ];
    let rows = rows.map(|row| row.map(str::to_owned).to_vec());
    table(text, "Summary", &["", ""], rows.to_vec());
}

fn metrics(text: &mut String, card: &ModelCard) {
    let champion = |name: &String| card.champion_metrics.get(name).map_or("–".to_owned(), |value| number(*value));
    let row = |(name, value): (&String, &f64)| vec![name.clone(), number(*value), champion(name)];
    let rows = card.metrics.iter().map(row).collect();
    table(text, "Metrics on the test rows", &["metric", "this version", "champion"], rows);
    if let Some(reason) = &card.not_compared {
        line(text, "");
        line(text, &format!("Not compared with the champion: {reason}."));
    }
}

fn slices(text: &mut String, card: &ModelCard) {
    let mut names: Vec<&str> = card.slices.iter().flat_map(|slice| slice.metrics.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    let value =
        |slice: &CardSlice, name: &str| slice.metrics.get(name).map_or("–".to_owned(), |value| number(*value));
    let row = |slice: &CardSlice| {
        let mut cells = vec![format!("{} = {}", slice.column, slice.value), slice.n_rows.to_string()];
        cells.extend(names.iter().map(|name| value(slice, name)));
        cells
    };
    let header: Vec<_> = ["slice", "rows"].into_iter().chain(names.iter().copied()).collect();
    table(text, "Metrics by slice", &header, card.slices.iter().map(row).collect());
}

fn gates(text: &mut String, card: &ModelCard) {
    let verdict = |passed: bool| if passed { "passed" } else { "failed" }.to_owned();
    let row = |gate: &GateResult| vec![gate.gate.clone(), verdict(gate.passed), gate.message.clone()];
    table(text, "Gates", &["gate", "verdict", "why"], card.gates.iter().map(row).collect());
}

fn importance(text: &mut String, card: &ModelCard) {
    let row = |feature: &FeatureImportance| vec![feature.feature.clone(), number(feature.importance)];
    let rows: Vec<_> = card.importance.iter().take(SHOWN_FEATURES).map(row).collect();
    table(text, "What moves its predictions", &["feature", "mean absolute contribution (margin)"], rows);
}

fn data(text: &mut String, card: &ModelCard) {
    let row = |data: &CardData| vec![data.asset.clone(), data.version.clone(), data.n_rows.to_string()];
    table(text, "Data", &["asset", "version", "rows"], card.data.iter().map(row).collect());
    let row =
        |split: &CardSplit| vec![split.name.clone(), split.n_rows.to_string(), split.from.clone(), split.to.clone()];
    table(text, "Parts", &["part", "rows", "from", "to"], card.splits.iter().map(row).collect());
}

fn features(text: &mut String, card: &ModelCard) {
    let row = |(name, about): &(String, String)| vec![name.clone(), about.clone()];
    table(text, "Features", &["feature", "about"], card.features.iter().map(row).collect());
    if card.lineage.is_empty() {
        return;
    }
    line(text, "");
    line(text, "## Lineage");
    line(text, "");
    for entry in &card.lineage {
        line(text, &format!("- {}", cell(entry)));
    }
}

/// A section with a table, or nothing when there are no rows.
fn table(text: &mut String, title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    line(text, "");
    line(text, &format!("## {title}"));
    line(text, "");
    line(text, &format!("| {} |", header.join(" | ")));
    line(text, &format!("|{}", "---|".repeat(header.len())));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|value| cell(value)).collect();
        line(text, &format!("| {} |", cells.join(" | ")));
    }
}

fn line(text: &mut String, content: &str) {
    // Writing to memory cannot fail.
    let _ = writeln!(text, "{}", content.trim_end());
}

/// A value that cannot break out of its cell.
fn cell(value: &str) -> String {
    value.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn number(value: f64) -> String {
    format!("{value:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_card_reads_well_and_leaves_out_what_is_unknown() {
        let card = ModelCard {
            model: "arrival_delay".to_owned(),
            version: "3".to_owned(),
            task: "binary_classification".to_owned(),
            algorithm: "boosted_trees".to_owned(),
            params: Params::default().with("max_depth", 6.0).with("rounds", 120.0),
            digest: "ab12".to_owned(),
            size_bytes: 524_288,
            trained_at: "2013-07-01T00:00:00Z".to_owned(),
            metrics: [("roc_auc".to_owned(), 0.74321), ("log_loss".to_owned(), 0.5)].into(),
            champion_metrics: [("roc_auc".to_owned(), 0.73)].into(),
            slices: vec![CardSlice {
                column: "carrier".to_owned(),
                value: "A|A".to_owned(),
                n_rows: 12,
                metrics: [("roc_auc".to_owned(), 0.7)].into(),
            }],
            importance: vec![FeatureImportance { feature: "hour".to_owned(), importance: 0.25 }],
            lineage: vec!["hour: flights.sched_dep_time".to_owned()],
            ..ModelCard::default()
        };
        expect![[r#"
            # Model card: arrival_delay version 3

            ## Summary

            |  |  |
            |---|---|
            | owner | nobody |
            | task | binary_classification |
            | algorithm | boosted_trees |
            | parameters | max_depth=6, rounds=120 |
            | trained at | 2013-07-01T00:00:00Z |
            | digest | ab12 |
            | size | 524.3 KB |

            ## Metrics on the test rows

            | metric | this version | champion |
            |---|---|---|
            | log_loss | 0.5000 | – |
            | roc_auc | 0.7432 | 0.7300 |

            ## Metrics by slice

            | slice | rows | roc_auc |
            |---|---|---|
            | carrier = A\|A | 12 | 0.7000 |

            ## What moves its predictions

            | feature | mean absolute contribution (margin) |
            |---|---|
            | hour | 0.2500 |

            ## Lineage

            - hour: flights.sched_dep_time
        "#]]
        .assert_eq(&render_markdown(&card));
    }
}
