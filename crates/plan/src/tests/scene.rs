//! A project and an environment from text.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Commit, CommitId, Fingerprint, Graph, Interval, IntervalSet, Pin, Timestamp, Version};

use crate::{About, AssetColumn, Desired, DesiredAsset, Plan, PlanInput, PlanOptions, TaggedColumn, build_plan};

/// What a plan is made from, owned.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub(super) desired: Desired,
    pub(super) recorded: Option<Commit>,
    pub(super) deliveries: BTreeMap<AssetName, usize>,
    pub(super) options: PlanOptions,
}

/// One line of text.
#[derive(Debug, Clone)]
struct Line {
    name: AssetName,
    desired: DesiredAsset,
    metadata: Option<Fingerprint>,
    intervals: IntervalSet,
    waiting: Option<usize>,
    /// Declared as the environment has it, whatever its fingerprints say.
    is_declared: bool,
}

impl Scene {
    pub(super) fn parse(project: &str, environment: &str) -> Self {
        let asked = lines(project);
        let deliveries = asked.iter().filter_map(|line| Some((line.name.clone(), line.waiting?))).collect();
        let declared = asked.iter().filter(|line| line.is_declared).map(|line| line.name.clone());
        let options = PlanOptions { as_declared: declared.collect(), ..PlanOptions::default() };
        let mut graph = Graph::new();
        for line in &asked {
            graph.insert(line.name.clone(), line.desired.inputs.iter().cloned());
        }
        let order = graph.topological_order().unwrap();
        let assets = asked.into_iter().map(|line| (line.name, line.desired)).collect();
        let mut there = lines(environment);
        let names: Vec<AssetName> = there.iter().map(|line| line.name.clone()).collect();
        let known = there.iter().map(|line| (line.name.clone(), line.desired.clone())).collect();
        let known = tagged(Desired { assets: known, order: names });
        for line in &mut there {
            line.desired = known.assets[&line.name].clone();
        }
        let pins: BTreeMap<AssetName, Pin> = there.into_iter().map(Line::into_pin).collect();
        let recorded = (!pins.is_empty()).then(|| commit(pins));
        let desired = tagged(Desired { assets, order });
        Self { desired, recorded, deliveries, options }
    }

    pub(super) fn plan(&self) -> Plan {
        build_plan(PlanInput {
            environment: "prod",
            as_of: day("2013-07-01"),
            desired: &self.desired,
            recorded: self.recorded.as_ref(),
            deliveries: &self.deliveries,
            options: &self.options,
        })
    }
}

impl Line {
    fn into_pin(self) -> (AssetName, Pin) {
        let pin = Pin { metadata: self.metadata, intervals: self.intervals, ..pin_of(&self.desired) };
        (self.name, pin)
    }
}

/// What an apply of this asset would record, without intervals.
pub(super) fn pin_of(desired: &DesiredAsset) -> Pin {
    Pin {
        kind: desired.kind,
        fingerprint: desired.rows.clone(),
        metadata: Some(desired.metadata.clone()),
        definition: None,
        columns: desired.columns.clone(),
        tagged: desired.tagged(),
        version: Version::Definition,
        intervals: IntervalSet::default(),
        rows: None,
        digest: None,
        known_through: None,
        declared: None,
        inputs: BTreeMap::new(),
    }
}

pub(super) fn commit(assets: BTreeMap<AssetName, Pin>) -> Commit {
    let commit = Commit {
        id: CommitId(String::new()),
        parent: None,
        merged: None,
        environment: "prod".to_owned(),
        created_at: day("2013-07-01"),
        as_of: day("2013-07-01"),
        author: "ada@example.com".to_owned(),
        reason: "apply".to_owned(),
        git_revision: None,
        assets,
    };
    commit.sealed()
}

pub(super) fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

/// The definition that a word stands for.
pub(super) fn print(word: &str) -> Fingerprint {
    Fingerprint::of([word])
}

fn lines(text: &str) -> Vec<Line> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(line).collect()
}

fn line(text: &str) -> Line {
    let mut parts = text.split('|').map(str::trim);
    let (head, inputs) = match parts.next().unwrap().split_once("<-") {
        Some((head, inputs)) => (head, inputs.split(',').map(|input| name(input.trim())).collect()),
        None => (text.split('|').next().unwrap(), BTreeSet::new()),
    };
    let (kind, subject) = head.trim().split_once(' ').unwrap();
    let desired = DesiredAsset {
        kind: serde_json::from_value(kind.into()).unwrap(),
        rows: print("0"),
        columns: BTreeMap::new(),
        metadata: print("1"),
        inputs,
        batch: None,
        about: About::default(),
    };
    let mut line = Line {
        name: name(subject.trim()),
        metadata: Some(print("1")),
        desired,
        intervals: IntervalSet::default(),
        waiting: None,
        is_declared: false,
    };
    parts.for_each(|part| take_in(&mut line, part));
    line
}

fn take_in(line: &mut Line, part: &str) {
    let words: Vec<&str> = part.split(' ').collect();
    let cover = |line: &mut Line, from: &str, until: &str| {
        let interval = Interval::between(day(from), day(until));
        line.intervals = line.intervals.union(&IntervalSet::of(interval));
    };
    match words.as_slice() {
        ["rows", word] => line.desired.rows = print(word),
        ["meta", "none"] => line.metadata = None,
        ["meta", word] => {
            line.desired.metadata = print(word);
            line.metadata = Some(print(word));
        }
        ["every", length] => line.desired.batch = Some(baton_core::duration::parse_seconds(length).unwrap()),
        ["until", until] => cover(line, "2013-01-01", until),
        ["between", from, until] => cover(line, from, until),
        ["owner", owner] => line.desired.about.owner = Some((*owner).to_owned()),
        ["stateful"] => line.desired.about.is_stateful = true,
        ["clock"] => line.desired.about.reads_clock = true,
        ["checks", names @ ..] => line.desired.about.checks = names.iter().map(ToString::to_string).collect(),
        ["tag", column, tag] => {
            let own = TaggedColumn { tag: (*tag).to_owned(), column: column_of(&format!("{}.{column}", line.name)) };
            line.desired.about.tagged.entry((*column).to_owned()).or_default().insert(own);
        }
        ["reads", columns @ ..] => line.desired.about.reads.extend(columns.iter().map(|text| column_of(text))),
        [column, "of", columns @ ..] => {
            let of = columns.iter().map(|text| column_of(text)).collect();
            line.desired.about.lineage.insert((*column).to_owned(), of);
        }
        ["declared"] => line.is_declared = true,
        ["waiting", count] => line.waiting = Some(count.parse().unwrap()),
        _ => line.desired.columns.extend(part.split(',').map(column)),
    }
}

/// Carries tags along lineage, inputs before readers.
fn tagged(mut desired: Desired) -> Desired {
    for name in desired.order.clone() {
        let Some(asset) = desired.assets.get(&name) else { continue };
        let reaching = desired.tagged_columns(&name, &asset.about.lineage, &BTreeMap::new());
        let about = &mut desired.assets.get_mut(&name).unwrap().about;
        for (column, found) in reaching {
            about.tagged.entry(column).or_default().extend(found);
        }
    }
    desired
}

fn column_of(text: &str) -> AssetColumn {
    let (asset, column) = text.split_once('.').unwrap();
    AssetColumn { asset: name(asset), column: column.to_owned() }
}

fn column(text: &str) -> (String, Fingerprint) {
    let (name, word) = text.trim().split_once(' ').unwrap();
    (name.to_owned(), print(word))
}

pub(super) fn name(text: &str) -> AssetName {
    AssetName::parse(text).unwrap()
}
