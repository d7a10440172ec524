//! Values of tagged columns replaced by others, the same value by the same everywhere, so that joins still meet.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use baton_core::AssetName;
use serde_json::{Map, Value};

use crate::prepare::Prepared;

/// Tags of columns whose values do not belong into a file.
const PERSONAL: [&str; 5] = ["identifier", "personal", "pii", "sensitive", "confidential"];

/// What was masked so far.
pub(super) struct Masks<'a> {
    prepared: &'a Prepared,
    is_off: bool,
    stand_ins: BTreeMap<String, usize>,
    masked: BTreeSet<(AssetName, String)>,
    left: BTreeSet<(AssetName, String)>,
}

impl<'a> Masks<'a> {
    pub(super) fn new(prepared: &'a Prepared, is_off: bool) -> Self {
        Self { prepared, is_off, stand_ins: BTreeMap::new(), masked: BTreeSet::new(), left: BTreeSet::new() }
    }

    /// The columns of an asset that tagged columns reach.
    pub(super) fn masked_of(&self, asset: &AssetName) -> BTreeSet<String> {
        let tagged = self.prepared.desired.assets.get(asset).map(baton_plan::DesiredAsset::tagged).unwrap_or_default();
        let is_personal = |tags: &BTreeSet<String>| {
            tags.iter().any(|tag| PERSONAL.contains(&tag.split(':').next().unwrap_or_default().to_lowercase().as_str()))
        };
        tagged.into_iter().filter(|(_, tags)| is_personal(tags)).map(|(column, _)| column).collect()
    }

    /// Rows of an asset with stand-ins for the values of tagged columns.
    pub(super) fn rows(
        &mut self,
        asset: &AssetName,
        schema: &SchemaRef,
        mut rows: Vec<Map<String, Value>>,
    ) -> Vec<Map<String, Value>> {
        let tagged = self.masked_of(asset);
        for column in schema.fields().iter().map(|field| field.name()).filter(|name| tagged.contains(*name)) {
            for row in &mut rows {
                let Some(value) = row.get_mut(column).filter(|value| !value.is_null()) else { continue };
                let stand_in = if self.is_off { None } else { self.stand_in(value) };
                match stand_in {
                    Some(other) => {
                        *value = other;
                        self.masked.insert((asset.clone(), column.clone()));
                    }
                    None => {
                        self.left.insert((asset.clone(), column.clone()));
                    }
                }
            }
        }
        rows
    }

    /// Texts and whole numbers have stand-ins; other values do not.
    fn stand_in(&mut self, value: &Value) -> Option<Value> {
        let next = self.stand_ins.len() + 1;
        let mut number = |key: String| *self.stand_ins.entry(key).or_insert(next);
        match value {
            Value::String(text) => Some(Value::String(format!("masked_{}", number(text.clone())))),
            Value::Number(found) if found.is_i64() || found.is_u64() => Some(Value::from(number(found.to_string()))),
            _ => None,
        }
    }

    /// What was masked and what was not.
    pub(super) fn notes(&self) -> Vec<String> {
        let list = |columns: &BTreeSet<(AssetName, String)>| -> String {
            columns.iter().map(|(asset, column)| format!("{asset}.{column}")).collect::<Vec<_>>().join(", ")
        };
        let masked =
            (!self.masked.is_empty()).then(|| format!("masked, because of their tags: {}", list(&self.masked)));
        let left = (!self.left.is_empty()).then(|| {
            format!("written as they are, though their tags say that they are personal: {}", list(&self.left))
        });
        masked.into_iter().chain(left).collect()
    }
}
