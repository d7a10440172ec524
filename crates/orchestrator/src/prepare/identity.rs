//! What defines each kind of asset's content, as fingerprints.
//!
//! A reader takes in only the columns that it reads, so that a change passes on exactly where it matters.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use baton_core::asset::{Assets, Column, ColumnType, FeatureView, Model, Source, Table};
use baton_core::{Asset, Definition, Fingerprint};
use baton_engine::TableFingerprints;
use baton_engine::fingerprint::Upstream;
use baton_plan::Desired;
use serde::Serialize;

use crate::features::{feature_columns, referenced_views};
use crate::services::Services;

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// A definition that is content as a whole.
pub(super) fn bare(definition: &impl Serialize) -> TableFingerprints {
    TableFingerprints { rows: Fingerprint::of([json(definition)]), columns: BTreeMap::new() }
}

/// What does not decide content.
pub(super) fn metadata(asset: &Asset) -> Fingerprint {
    let (columns, policy) = match &asset.definition {
        Definition::Source(source) => (json(&source.columns), json(&source.freshness)),
        Definition::Table(table) => (json(&table.columns), json(&(table.lookback, table.batch, &table.grain))),
        Definition::Model(model) => (json(&model.gates), json(&(&model.retrain, &model.slices))),
        _ => (Vec::new(), Vec::new()),
    };
    let about = json(&(&asset.owner, &asset.description, &asset.tags, &asset.checks));
    Fingerprint::of([about, columns, policy])
}

/// A source: where it reads, how rows are landed, and when they are known.
pub(crate) fn source(source: &Source) -> Fingerprint {
    let types: Vec<_> = source.columns.iter().map(|column| (&column.name, &column.data_type)).collect();
    let parts = [
        json(&(&source.connector, &source.path, &source.load, &source.time)),
        json(&(&source.available_at, &types, &source.select)),
        json(&(&source.on_schema_change, &source.null_values)),
    ];
    Fingerprint::of(parts.into_iter().chain(asked(source)))
}

/// What decides which rows a source is asked for; references to secrets count by their text. Tokens, limits and the like
/// do not decide it.
fn asked(source: &Source) -> Option<Vec<u8>> {
    let Some(pull) = &source.pull else { return found(source) };
    let mut options = pull.options.clone();
    let incidental = baton_connectors::puller(&source.connector).map_or(&[] as &[&str], |puller| puller.incidental());
    options.retain(|name, _| !incidental.contains(&name.as_str()));
    Some(json(&((&options, pull.mode, &pull.cursor), (&pull.key, pull.deletes))))
}

/// What decides which deliveries of a source are found, besides where it looks.
fn found(source: &Source) -> Option<Vec<u8>> {
    let mut options = source.options.clone();
    let incidental = baton_connectors::connector(&source.connector).map_or(&[] as &[&str], |found| found.incidental());
    options.retain(|name, _| !incidental.contains(&name.as_str()));
    (!options.is_empty()).then(|| json(&options))
}

/// What decides which rows of a source there are, to those who read it: not which of its columns are landed beside the
/// ones that they read. A declared type counts, because rows that do not fit it are set aside; any value fits text.
pub(super) fn source_rows(source: &Source) -> Fingerprint {
    let can_reject = |column: &&Column| column.data_type.is_some_and(|kind| kind != ColumnType::String);
    let types: Vec<_> =
        source.columns.iter().filter(can_reject).map(|column| (&column.name, &column.data_type)).collect();
    let parts = [
        json(&(&source.connector, &source.path, &source.load, &source.time)),
        json(&(&source.available_at, &types)),
        json(&(&source.on_schema_change, &source.null_values)),
    ];
    Fingerprint::of(parts.into_iter().chain(asked(source)))
}

/// The columns that two declarations of a source declare with other types, or only one of them with any.
pub(crate) fn retyped(one: &Source, other: &Source) -> Vec<String> {
    let types = |source: &Source| -> BTreeMap<String, Option<ColumnType>> {
        source.columns.iter().map(|column| (column.name.clone(), column.data_type)).collect()
    };
    let (before, now) = (types(one), types(other));
    let kind = |types: &BTreeMap<String, Option<ColumnType>>, name: &String| types.get(name).copied().flatten();
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| kind(&before, name) != kind(&now, name)).cloned().collect()
}

/// Every landed column of a source: its name within the source.
pub(super) fn source_columns(rows: &Fingerprint, source: &Source, schema: &SchemaRef) -> BTreeMap<String, Fingerprint> {
    let fields = schema.fields().iter().map(|field| {
        let declared = source.columns.iter().find(|column| column.name == *field.name());
        let data_type = json(&declared.and_then(|column| column.data_type));
        (field.name().clone(), Fingerprint::of([rows.as_str().as_bytes(), field.name().as_bytes(), &data_type]))
    });
    fields.collect()
}

/// Of those, the declared ones: columns that a delivery brings along do not change the definition.
pub(super) fn declared_columns(all: &TableFingerprints, source: &Source) -> BTreeMap<String, Fingerprint> {
    let declared = |name: &String| source.columns.iter().any(|column| column.name == *name);
    all.columns.iter().filter(|(name, _)| declared(name)).map(|(name, found)| (name.clone(), found.clone())).collect()
}

/// A table: what its query computes, and how it is kept.
pub(super) fn table(table: &Table, computed: TableFingerprints) -> TableFingerprints {
    let keep = &table.keep;
    let kept = match table.materialize.is_stateful() {
        true => json(&(
            (&table.materialize, &table.time, &table.grain),
            (&keep.updated_at, &keep.check, &keep.deletes, &keep.delete_when),
        )),
        false => json(&(&table.materialize, &table.time)),
    };
    TableFingerprints { rows: Fingerprint::of([computed.rows.as_str().as_bytes(), &kept]), columns: computed.columns }
}

/// A feature view: how its rows are read, and the columns that it offers.
pub(super) fn feature_view(view: &FeatureView, upstream: &BTreeMap<String, Upstream>) -> TableFingerprints {
    let Some(table) = upstream.get(view.from.as_str()) else { return bare(view) };
    let column = |name: &String| table.fingerprints.columns.get(name).map_or("", Fingerprint::as_str).to_owned();
    let keys: Vec<String> = view.entity.iter().chain([&view.time]).map(column).collect();
    let rows = Fingerprint::of([
        json(&(&view.entity, &view.from, &view.time, view.ttl, view.online)),
        table.fingerprints.rows.as_str().as_bytes().to_vec(),
        keys.join(",").into_bytes(),
    ]);
    let offered = feature_columns(view, &table.schema).into_iter();
    let columns = offered.map(|name| {
        let fingerprint = Fingerprint::of([column(&name)]);
        (name, fingerprint)
    });
    TableFingerprints { rows, columns: columns.collect() }
}

/// A model: its labels, the features that it reads, and how it is trained. Gates and slices only judge it.
pub(super) fn model(
    model: &Model,
    assets: &Assets,
    desired: &Desired,
    upstream: &BTreeMap<String, Upstream>,
) -> TableFingerprints {
    let mut parts = vec![json(&(&model.task, &model.labels, &model.split, &model.train))];
    if let Some(labels) = upstream.get(model.labels.from.as_str()) {
        parts.push(labels.fingerprints.rows.as_str().as_bytes().to_vec());
        let read = model.labels.keys.iter().chain([&model.labels.time, &model.labels.target]);
        parts.extend(read.map(|column| json(&labels.fingerprints.columns.get(column))));
    }
    for (name, view, features) in
        referenced_views(model, assets, |from| upstream.get(from).map(|table| table.schema.clone()))
    {
        let Some(view_desired) = desired.assets.get(&name) else { continue };
        parts.push(json(&(&name, &view.entity)));
        parts.push(view_desired.rows.as_str().as_bytes().to_vec());
        parts.extend(features.iter().map(|feature| json(&(feature, view_desired.columns.get(feature)))));
    }
    TableFingerprints { rows: Fingerprint::of(parts), columns: BTreeMap::new() }
}

/// A model whose versions come from the registry is another one when the reference points at another version. One that points
/// nowhere is found out by the step.
pub(super) async fn of_registered(own: TableFingerprints, model: &Model, services: &Services) -> TableFingerprints {
    let Some(reference) = &model.train.registered else { return own };
    let Ok(version) = services.registered.find(reference).await else { return own };
    let rows = Fingerprint::of([own.rows.as_str().to_owned(), version.to_string(), version.location]);
    TableFingerprints { rows, ..own }
}
