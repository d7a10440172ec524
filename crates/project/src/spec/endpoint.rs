//! Reader of an endpoint.

use baton_core::asset::{Canary, Column, Endpoint, ModelReference, Scoring};
use baton_core::{Definition, Kind, RegisteredReference};
use baton_diagnostics::{Diagnostic, codes};

use crate::keys;
use crate::reader::{Reader, parse_name};
use crate::spec::READABLE;
use crate::yaml::{Node, Span};

pub(super) fn read(reader: &Reader<'_>, _columns: &[Column]) -> Option<Definition> {
    let model = reader.need("model").and_then(|node| read_model(reader, "model", node));
    let canary = reader.object("canary", keys::CANARY).and_then(|canary| read_canary(reader, &canary));
    let shadow = reader.items("shadow").iter().filter_map(|node| read_model(reader, "shadow", node)).collect();
    let score = reader.object("score", keys::SCORE).and_then(|score| {
        let node = score.need("from")?;
        let text = score.as_text("from", node)?;
        Some(Scoring { from: reader.refer(&text, node.span, "scores", READABLE)? })
    });
    read_rollback(reader);
    Some(Definition::Endpoint(Endpoint { model: model?, canary, shadow, score }))
}

fn read_canary(endpoint: &Reader<'_>, canary: &Reader<'_>) -> Option<Canary> {
    let model = canary.need("model").and_then(|node| read_model(endpoint, "canary", node));
    canary.need("traffic");
    let traffic = canary.share("traffic");
    Some(Canary { model: model?, traffic: traffic? })
}

/// `model@alias`, with `champion` when the alias is left out.
fn read_model(endpoint: &Reader<'_>, key: &str, node: &Node) -> Option<ModelReference> {
    let text = endpoint.as_text(key, node)?;
    if text.parse::<RegisteredReference>().is_ok() {
        refuse_registered(endpoint, &text, node);
        return None;
    }
    let (model, alias) = text.split_once('@').unwrap_or((&text, "champion"));
    let alias = parse_name(endpoint.report, alias, node.span)?;
    let span = Span { length: model.chars().count() as u32, ..node.span };
    let model = endpoint.refer(model, span, "serves", &[Kind::Model])?;
    Some(ModelReference { model, alias: alias.to_string() })
}

/// What is served is judged first, so a registered model comes in as a model of the project.
fn refuse_registered(endpoint: &Reader<'_>, text: &str, node: &Node) {
    let message = format!("{} serves `{text}`, which nothing in the project judges", endpoint.what());
    let diagnostic = Diagnostic::error(codes::INVALID_VALUE, message)
        .with_label(endpoint.report.place(node.span).label("expected a model of the project"))
        .with_help(format!(
            "declare a model with `train: {{registered: \"{text}\"}}`, its labels, features and gates, and serve that one"
        ));
    endpoint.report.push(diagnostic);
}

/// The rule is part of the language and nothing acts on it yet, which must not go unsaid.
fn read_rollback(endpoint: &Reader<'_>) {
    let Some(rollback) = endpoint.object("rollback", keys::ROLLBACK) else { return };
    rollback.need_text("when");
    rollback.positive_seconds("window");
    let message = format!("{} has no effect yet", endpoint.of("rollback"));
    let diagnostic = Diagnostic::warning(codes::NOT_IN_EFFECT, message)
        .with_label(endpoint.report.place(rollback.at()).label(""))
        .with_help("watch the canary with a monitor, and go back with `baton rollback`");
    endpoint.report.push(diagnostic);
}
