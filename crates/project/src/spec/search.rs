//! Reader of how a model's search goes. Ranges stay as written: what they mean is for those who search.

use baton_core::asset::{Search, SearchMethod, SearchPruning};
use baton_diagnostics::codes;
use serde_json::{Map, Value as Json};

use crate::keys;
use crate::reader::Reader;
use crate::yaml::{Entry, Value};

/// The object `search` of `train`.
pub(super) fn read(train: &Reader<'_>) -> Option<Search> {
    let written = train.object("search", keys::SEARCH)?;
    let count = |key, most| written.whole(key, 1, most).and_then(|count| u32::try_from(count).ok());
    let default = Search::default();
    let search = Search {
        method: method(&written),
        prune: pruning(&written),
        budget: written.positive_seconds("budget"),
        patience: count("patience", 100_000),
        parallel: count("parallel", 64).unwrap_or(default.parallel),
        parameters: parameters(&written),
    };
    report_contradiction(&written, &search);
    Some(search)
}

fn method(written: &Reader<'_>) -> SearchMethod {
    match written.word("method", keys::SEARCH_METHODS) {
        Some("grid") => SearchMethod::Grid,
        Some("tpe") => SearchMethod::Tpe,
        _ => SearchMethod::Random,
    }
}

fn pruning(written: &Reader<'_>) -> Option<SearchPruning> {
    Some(match written.word("prune", keys::SEARCH_PRUNINGS)? {
        "none" => SearchPruning::None,
        "median" => SearchPruning::Median,
        "halving" => SearchPruning::Halving,
        _ => SearchPruning::Half,
    })
}

/// `half` compares the first folds of all trials, so that none may depend on another's result.
fn report_contradiction(written: &Reader<'_>, search: &Search) {
    let goes_by_results = search.method == SearchMethod::Tpe || search.patience.is_some();
    let Some(node) = written.get("prune").filter(|_| search.prune == Some(SearchPruning::Half) && goes_by_results)
    else {
        return;
    };
    let by = if search.patience.is_some() { "patience" } else { "tpe" };
    let message = format!(
        "{} is `half`, which compares all trials at once; `{by}` needs their results one by one",
        written.of("prune")
    );
    written.report.error(codes::INVALID_VALUE, message, node.span, "expected median, halving or none");
}

fn parameters(written: &Reader<'_>) -> Option<Json> {
    let node = written.get("parameters")?;
    let Value::Map(entries) = &node.value else {
        crate::reader::wrong_type(written.report, &written.of("parameters"), node, "an object");
        return None;
    };
    if entries.is_empty() {
        let message = format!("{} is empty", written.of("parameters"));
        written.report.error(
            codes::INVALID_VALUE,
            message,
            node.span,
            "expected a parameter such as `max_depth: {min: 3, max: 9}`",
        );
        return None;
    }
    entries.iter().for_each(|entry| check_parameter(written, entry));
    Some(Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect::<Map<_, _>>()))
}

/// Finds what is missing and of the wrong type.
fn check_parameter(written: &Reader<'_>, entry: &Entry) {
    let what = format!("`{}` of {}", entry.key, written.of("parameters"));
    let Some(parameter) = Reader::open(written.report, &what, entry.key_span, &entry.node, keys::SEARCHED) else {
        return;
    };
    parameter.word("distribution", keys::DISTRIBUTIONS);
    let [least, most] = ["min", "max"].map(|key| parameter.number(key));
    for key in ["q", "mu", "sigma"] {
        parameter.number(key);
    }
    if ["value", "values", "mu", "sigma"].iter().any(|key| parameter.has(key)) || parameter.has_unknown_keys() {
        return;
    }
    parameter.need("min");
    parameter.need("max");
    if let (Some(least), Some(most), Some(node)) = (least, most, parameter.get("min"))
        && least >= most
    {
        let message = format!("{} is {least}, but its greatest number is {most}", parameter.of("min"));
        written.report.error(codes::OUT_OF_RANGE, message, node.span, "expected less than `max`");
    }
}
