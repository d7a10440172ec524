//! Feature views: which columns they offer, how they are joined at a point in time and brought online.

mod join;
mod online;

use arrow::datatypes::{DataType, SchemaRef};
use baton_core::asset::{Assets, FeatureView, Model};
use baton_core::{AssetName, Definition};

pub(crate) use join::{FeatureTable, PREDICTED_AT, join_features};
pub(crate) use online::rebuild_online;

/// The feature columns of a view over a table of `schema`, in its order: those named, or all that can be a feature.
pub(crate) fn feature_columns(view: &FeatureView, schema: &SchemaRef) -> Vec<String> {
    if !view.features.is_empty() {
        return view.features.clone();
    }
    let is_feature = |name: &String, data_type: &DataType| {
        let is_key = view.entity.contains(name) || *name == view.time;
        let is_instant = matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
        !is_key && !is_instant && !baton_engine::is_system_column(name)
    };
    let fields = schema.fields().iter().filter(|field| is_feature(field.name(), field.data_type()));
    fields.map(|field| field.name().clone()).collect()
}

/// The views that a model reads, in the order of first mention, each with the features that it reads.
pub(crate) fn referenced_views<'a>(
    model: &Model,
    assets: &'a Assets,
    schema_of: impl Fn(&str) -> Option<SchemaRef>,
) -> Vec<(AssetName, &'a FeatureView, Vec<String>)> {
    let mut found: Vec<(AssetName, &FeatureView, Vec<String>)> = Vec::new();
    for reference in &model.features {
        let Some(Definition::FeatureView(view)) = assets.get(&reference.view).map(|asset| &asset.definition) else {
            continue;
        };
        let wanted = match (reference.feature.as_str(), schema_of(&view.from)) {
            ("*", Some(schema)) => feature_columns(view, &schema),
            ("*", None) => view.features.clone(),
            (feature, _) => vec![feature.to_owned()],
        };
        match found.iter_mut().find(|(name, ..)| *name == reference.view) {
            Some((_, _, features)) => {
                let new: Vec<String> = wanted.into_iter().filter(|name| !features.contains(name)).collect();
                features.extend(new);
            }
            None => found.push((reference.view.clone(), view, wanted)),
        }
    }
    found
}

/// The name of a feature in training sets, models and prediction logs: `view__feature`.
pub(crate) fn full_name(view: &AssetName, feature: &str) -> String {
    format!("{view}__{feature}")
}
