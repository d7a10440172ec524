//! Checks that names of assets mean something, once all files are read. Pure.

use std::collections::BTreeMap;

use baton_core::asset::Assets;
use baton_core::{AssetName, Definition, Kind};
use baton_diagnostics::{Diagnostic, codes, nearest};

use crate::reader::join_words;
use crate::report::{Findings, LabelClaim, Mention, Place};
use crate::unread::Unread;

/// Every declared name with its kind and place, whether or not the asset could be built.
pub(crate) type Known = BTreeMap<AssetName, (Kind, Place)>;

/// Adds a diagnostic for each mention that does not resolve.
pub(crate) fn resolve(assets: &Assets, known: &Known, unread: &Unread, findings: &mut Findings) {
    let doubtless = findings.mentions.iter().filter(|mention| !unread.may_declare(&mention.target));
    let mentions = doubtless.filter_map(|mention| resolve_one(assets, known, mention));
    let claims = findings.claims.iter().filter_map(|claim| resolve_claim(assets, claim));
    findings.diagnostics.extend(mentions.chain(claims).collect::<Vec<_>>());
}

fn resolve_one(assets: &Assets, known: &Known, mention: &Mention) -> Option<Diagnostic> {
    let target = &mention.target;
    match known.get(target) {
        None => Some(unknown(known, mention)),
        Some((kind, _)) if !mention.kinds.contains(kind) => Some(wrong_kind(mention, *kind)),
        Some(_) => mention.feature.as_ref().and_then(|feature| unknown_feature(assets, mention, feature)),
    }
}

fn unknown(known: &Known, mention: &Mention) -> Diagnostic {
    let fits = known.iter().filter(|(_, (kind, _))| mention.kinds.contains(kind));
    let names: Vec<&str> = fits.map(|(name, _)| name.as_str()).collect();
    let near = nearest(&mention.target, names.iter().copied());
    let message = format!("{} {} `{}`, which does not exist", mention.by, mention.verb, mention.target);
    let mut diagnostic = Diagnostic::error(codes::UNKNOWN_REFERENCE, message)
        .with_label(mention.place.label(format!("no {} of this name", kind_words(mention.kinds))));
    if near.is_none() && (1..=12).contains(&names.len()) {
        diagnostic = diagnostic.with_detail(format!("There are: {}.", names.join(", ")));
    }
    diagnostic.with_nearest(near)
}

fn wrong_kind(mention: &Mention, kind: Kind) -> Diagnostic {
    let is = with_article(kind.word());
    let message = format!("{} {} `{}`, which is {is}", mention.by, mention.verb, mention.target);
    let diagnostic = Diagnostic::error(codes::WRONG_KIND, message)
        .with_label(mention.place.label(format!("expected {}", with_article(&kind_words(mention.kinds)))));
    if mention.kinds == [Kind::FeatureView] {
        return diagnostic.with_help("declare a feature view over it under `features:`");
    }
    diagnostic
}

/// "a table", "an endpoint".
pub(crate) fn with_article(words: &str) -> String {
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {words}")
}

fn kind_words(kinds: &[Kind]) -> String {
    if kinds == Kind::ALL {
        return "asset".to_owned();
    }
    join_words(&kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>())
}

fn unknown_feature(assets: &Assets, mention: &Mention, feature: &str) -> Option<Diagnostic> {
    let Definition::FeatureView(view) = &assets.get(&mention.target)?.definition else { return None };
    if view.features.is_empty() || view.features.iter().any(|known| known == feature) {
        return None;
    }
    let message = format!("{} uses `{}.{feature}`, which does not exist", mention.by, mention.target);
    let diagnostic = Diagnostic::error(codes::UNKNOWN_FEATURE, message)
        .with_label(mention.place.label(""))
        .with_detail(format!("Features of `{}`: {}.", mention.target, view.features.join(", ")))
        .with_nearest(nearest(feature, view.features.iter().map(String::as_str)));
    Some(diagnostic)
}

/// A monitor judges by the label of its endpoint's model; naming another one must not pass in silence.
fn resolve_claim(assets: &Assets, claim: &LabelClaim) -> Option<Diagnostic> {
    let Definition::Endpoint(endpoint) = &assets.get(&claim.endpoint)?.definition else { return None };
    let Definition::Model(model) = &assets.get(&endpoint.model.model)?.definition else { return None };
    let label = format!("{}.{}", model.labels.from, model.labels.target);
    if label == claim.label {
        return None;
    }
    let message = format!("{} names label `{}`, and its model learns `{label}`", claim.by, claim.label);
    let diagnostic = Diagnostic::error(codes::INVALID_VALUE, message)
        .with_label(claim.place.label(format!("expected `{label}`")))
        .with_help("leave `label` out: it is always that of the endpoint's model");
    Some(diagnostic)
}
