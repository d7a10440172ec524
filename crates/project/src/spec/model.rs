//! Reader of a model.

use baton_core::asset::{Column, FeatureReference, GateText, Labels, Model, Retrain, SearchMethod, Split, Task, Train};
use baton_core::{AssetName, Definition, Kind, RegisteredReference};
use baton_diagnostics::codes;

use crate::keys;
use crate::reader::{Reader, parse_name, wrong_type};
use crate::report::Mention;
use crate::spec::{READABLE, search};
use crate::yaml::{Node, Span, Value};

const DAY: i64 = 86_400;
/// The most trials of a search.
const MOST_TRIALS: u32 = 100_000;

pub(super) fn read(reader: &Reader<'_>, _columns: &[Column]) -> Option<Definition> {
    reader.need("task");
    let task = reader.word("task", keys::TASKS).map(|word| match word {
        "regression" => Task::Regression,
        _ => Task::BinaryClassification,
    });
    reader.need("labels");
    let labels = reader.object("labels", keys::LABELS);
    let labels = labels.and_then(|labels| read_labels(reader, &labels));
    let features = reader.need_items("features").iter().filter_map(|node| read_feature(reader, node)).collect();
    let split = read_split(reader);
    let train = read_train(reader, task);
    let gates = read_gates(reader);
    let retrain = read_retrain(reader);
    let slices = reader.texts("slices");
    Some(Definition::Model(Model { task: task?, labels: labels?, features, split, train, gates, slices, retrain }))
}

fn read_labels(model: &Reader<'_>, labels: &Reader<'_>) -> Option<Labels> {
    let from = labels.need("from").and_then(|node| {
        let text = labels.as_text("from", node)?;
        model.refer(&text, node.span, "takes its labels from", READABLE)
    });
    let (time, target) = (labels.need_text("time"), labels.need_text("target"));
    labels.need_items("keys");
    let keys = labels.texts("keys");
    let predict_before = labels.seconds("predict_before").unwrap_or(0);
    Some(Labels { from: from?, time: time?, target: target?, keys, predict_before })
}

/// `view.*` or `view.feature`.
fn read_feature(reader: &Reader<'_>, node: &Node) -> Option<FeatureReference> {
    let text = reader.as_text("features", node)?;
    let parts = text.split_once('.').filter(|(view, feature)| !view.is_empty() && !feature.is_empty());
    let Some((view, feature)) = parts else {
        let message = format!("{} uses `{text}`, which is not a feature", reader.what());
        reader.report.error(codes::INVALID_VALUE, message, node.span, "expected `view.*` or `view.feature`");
        return None;
    };
    let view = parse_name(reader.report, view, node.span)?;
    note_feature(reader, &view, feature, node.span);
    Some(FeatureReference { view, feature: feature.to_owned() })
}

fn note_feature(reader: &Reader<'_>, view: &AssetName, feature: &str, span: Span) {
    reader.report.mention(Mention {
        by: reader.what().to_owned(),
        verb: "uses",
        target: view.clone(),
        feature: (feature != "*").then(|| feature.to_owned()),
        kinds: &[Kind::FeatureView],
        place: reader.report.place(span),
    });
}

fn read_split(reader: &Reader<'_>) -> Split {
    let mut split = Split { test: 30 * DAY, validate: 30 * DAY };
    if let Some(written) = reader.object("split", keys::SPLIT) {
        written.word("by", &["time"]);
        split.test = written.positive_seconds("test").unwrap_or(split.test);
        split.validate = written.positive_seconds("validate").unwrap_or(split.validate);
    }
    split
}

fn read_train(reader: &Reader<'_>, task: Option<Task>) -> Train {
    let metric = if task == Some(Task::Regression) { "rmse" } else { "roc_auc" };
    let mut train = Train {
        algorithm: "auto".to_owned(),
        trials: 20,
        cross_validate: 3,
        metric: metric.to_owned(),
        seed: 7,
        search: None,
        registered: None,
    };
    if let Some(written) = reader.object("train", keys::TRAIN) {
        let count = |key, least| written.whole(key, least, 100_000).and_then(|count| u32::try_from(count).ok());
        train.algorithm = written.text("algorithm").unwrap_or(train.algorithm);
        train.trials = count("trials", 1).unwrap_or(train.trials);
        train.cross_validate = count("cross_validate", 0).unwrap_or(train.cross_validate);
        train.metric = written.text("metric").unwrap_or(train.metric);
        let seed = written.whole("seed", 0, i64::MAX).and_then(|seed| u64::try_from(seed).ok());
        train.seed = seed.unwrap_or(train.seed);
        train.search = search::read(&written);
        // Time or the grid decide how many trials there are, unless a number is written.
        let is_open =
            train.search.as_ref().is_some_and(|search| search.budget.is_some() || search.method == SearchMethod::Grid);
        train.trials = if is_open && !written.has("trials") { MOST_TRIALS } else { train.trials };
        train.registered = read_registered(&written);
    }
    train
}

/// The registered model whose versions come in.
fn read_registered(train: &Reader<'_>) -> Option<RegisteredReference> {
    let node = train.get("registered")?;
    let text = train.as_text("registered", node)?;
    match text.parse() {
        Ok(reference) => Some(reference),
        Err(reason) => {
            train.report.error(codes::INVALID_VALUE, reason, node.span, "expected a registered model");
            None
        }
    }
}

/// Gates stay as written; what they mean is for those who evaluate them.
fn read_gates(reader: &Reader<'_>) -> Vec<GateText> {
    let mut gates = Vec::new();
    for node in reader.items("gates") {
        match &node.value {
            Value::Text(_) | Value::Map(_) => gates.push(node.to_json()),
            _ => wrong_type(reader.report, &format!("a gate of {}", reader.what()), node, "a comparison or an object"),
        }
    }
    gates
}

fn read_retrain(reader: &Reader<'_>) -> Retrain {
    let written = reader.object("retrain", keys::RETRAIN);
    let written = written.as_ref();
    Retrain {
        cron: written.and_then(|retrain| retrain.cron("cron")),
        on: written.map_or_else(Vec::new, |retrain| {
            retrain.words("on", keys::TRIGGERS).into_iter().map(str::to_owned).collect()
        }),
        cooldown: written.and_then(|retrain| retrain.seconds("cooldown")).unwrap_or(7 * DAY),
    }
}
