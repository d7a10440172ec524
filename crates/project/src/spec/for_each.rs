//! Reader of `for_each`: the values that a table is made for, once each.

use std::collections::BTreeSet;

use baton_core::AssetName;
use baton_core::asset::{ColumnType, EachOf, ForEach};
use baton_diagnostics::codes;

use super::column::column_type;
use crate::keys;
use crate::reader::Reader;

/// What a command's own variables are called, behind `BATON_`.
const TAKEN: [&str; 4] = ["inputs", "outputs", "table", "as_of"];

/// Reads `for_each` of a table, if it has one.
pub(super) fn read(table: &Reader<'_>) -> Option<Box<ForEach>> {
    let each = table.object("for_each", keys::FOR_EACH)?;
    let name = each.text("as").unwrap_or_else(|| "each".to_owned());
    if AssetName::parse(&name).is_err() || TAKEN.contains(&name.as_str()) {
        let span = each.get("as").map_or(each.at(), |node| node.span);
        let message = format!("{} is `{name}`, which cannot be part of a variable", each.of("as"));
        each.report.error(codes::INVALID_NAME, message, span, "expected letters, digits and underscores");
    }
    let parallel = each.whole("parallel", 1, 64).and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
    if each.has("from") == each.has("in") {
        let message = format!("{} needs one of `from` and `in`", each.what());
        each.report.error(codes::MISSING_KEY, message, each.at(), "");
        return None;
    }
    let data_type = each.word("type", keys::COLUMN_TYPES).map_or(ColumnType::String, column_type);
    let values = match each.text("from") {
        Some(query) => EachOf::Query(query),
        None => EachOf::List(each.texts("in")),
    };
    Some(Box::new(ForEach { name, values, data_type, parallel }))
}

/// The texts of which values are made.
pub(super) fn texts_of(each: &mut ForEach) -> Vec<&mut String> {
    match &mut each.values {
        EachOf::Query(query) => vec![query],
        EachOf::List(values) => values.iter_mut().collect(),
    }
}

/// Parts a list: a text with commas stands for several values, the same counts once.
pub(super) fn part_list(each: &mut ForEach) {
    let EachOf::List(texts) = &mut each.values else { return };
    let mut seen = BTreeSet::new();
    let values = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|value| !value.is_empty());
    *texts = values.filter(|value| seen.insert((*value).to_owned())).map(str::to_owned).collect();
}
