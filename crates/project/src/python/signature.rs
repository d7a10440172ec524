//! `def table(ctx, flights): …`: which inputs it names, in what form it wants them, and what it asks of `ctx`.

use std::collections::BTreeSet;

use baton_core::asset::Handed;
use tree_sitter::Node;

use super::config::literal_text;
use super::imports::Imports;
use super::syntax::{Source, all, named};
use crate::yaml::Span;

/// The name of the function that computes a table.
pub(super) const FUNCTION: &str = "table";
/// The name of the parameter that is no input.
pub(super) const CONTEXT: &str = "ctx";
/// What `ctx` has.
pub(super) const ATTRIBUTES: [&str; 10] =
    ["as_of", "start", "end", "interval", "is_incremental", "each", "name", "vars", "var", "log"];

/// A parameter.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) span: Span,
    /// The form that its annotation asks for; an error holds the annotation when that is none.
    pub(super) handed: Result<Option<Handed>, String>,
    /// Why it cannot be an input.
    pub(super) fault: Option<&'static str>,
}

/// What the function says about itself.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) at: Span,
    pub(super) is_async: bool,
    pub(super) parameters: Vec<Declared>,
    pub(super) asked: Asked,
}

/// What the code asks of `ctx`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Whether it asks for the logical clock, or may.
    pub(super) clock: bool,
    /// Names of `vars`, with whether a default stands beside; and where.
    pub(super) vars: BTreeSet<(String, bool)>,
    /// Places of the names in [`Asked::vars`].
    pub(super) var_spans: Vec<(String, Span)>,
    /// Whether it may ask for any of `vars`.
    pub(super) all_vars: bool,
    /// Attributes that `ctx` does not have.
    pub(super) unknown: Vec<(String, Span)>,
}

/// The function `table` of a file; `None` when there is none at its top level.
pub(super) fn signature(source: &Source<'_>, imports: &Imports) -> Option<Signature> {
    let function = function(source)?;
    let name = function.child_by_field_name("name")?;
    let declared = named(function.child_by_field_name("parameters")?);
    let parameters = declared.into_iter().map(|node| parameter(source, imports, node)).collect::<Vec<_>>();
    let has_context = parameters.iter().any(|parameter| parameter.name == CONTEXT);
    let asked = if has_context { asked(source, function) } else { Asked::default() };
    let is_async = source.text_of(function).starts_with("async");
    Some(Signature { at: source.span(name), is_async, parameters, asked })
}

fn function<'s>(source: &'s Source<'_>) -> Option<Node<'s>> {
    let mut defined = named(source.root()).into_iter().filter_map(|node| match node.kind() {
        "function_definition" => Some(node),
        "decorated_definition" => {
            node.child_by_field_name("definition").filter(|inner| inner.kind() == "function_definition")
        }
        _ => None,
    });
    let is_table =
        |node: &Node<'_>| node.child_by_field_name("name").is_some_and(|name| source.text_of(name) == FUNCTION);
    defined.rfind(is_table)
}

fn parameter(source: &Source<'_>, imports: &Imports, node: Node<'_>) -> Declared {
    let name = match node.kind() {
        "identifier" => node,
        "typed_parameter" => named(node).first().copied().unwrap_or(node),
        _ => node.child_by_field_name("name").unwrap_or(node),
    };
    let annotation = node.child_by_field_name("type");
    let fault = match (node.kind(), name.kind()) {
        ("identifier", _) | ("typed_parameter", "identifier") => None,
        ("default_parameter" | "typed_default_parameter", _) => Some("an input has no default"),
        ("keyword_separator" | "positional_separator", _) => Some("inputs are plain parameters"),
        _ => Some("inputs are named one by one"),
    };
    Declared {
        name: source.text_of(name).to_owned(),
        span: source.span(name),
        handed: handed(source, imports, annotation),
        fault,
    }
}

/// What an annotation asks for, its names resolved by the file's imports.
fn handed(source: &Source<'_>, imports: &Imports, annotation: Option<Node<'_>>) -> Result<Option<Handed>, String> {
    let Some(annotation) = annotation else { return Ok(None) };
    let written = source.text_of(annotation).trim_matches(['"', '\'']).to_owned();
    let (first, rest) = written.split_once('.').map_or((written.as_str(), None), |(first, rest)| (first, Some(rest)));
    let first = imports.aliases.get(first).map_or(first, String::as_str);
    let whole = rest.map_or_else(|| first.to_owned(), |rest| format!("{first}.{rest}"));
    match Handed::TYPES.iter().find(|(name, _)| *name == whole) {
        Some((_, handed)) => Ok(Some(*handed)),
        None => Err(written),
    }
}

/// Every use of `ctx` in the function; one that is more than `ctx.name` may ask for anything.
fn asked(source: &Source<'_>, function: Node<'_>) -> Asked {
    let mut asked = Asked::default();
    let Some(body) = function.child_by_field_name("body") else { return asked };
    let uses = all(body).into_iter().filter(|node| node.kind() == "identifier" && source.text_of(*node) == CONTEXT);
    for used in uses {
        match used.parent().filter(|parent| is_object_of(*parent, used)) {
            Some(attribute) => take_attribute(source, attribute, &mut asked),
            // `ctx` as the name of somebody else's attribute or argument is no use of it.
            None if is_other_name(used) => {}
            None => (asked.clock, asked.all_vars) = (true, true),
        }
    }
    asked
}

fn is_object_of(parent: Node<'_>, node: Node<'_>) -> bool {
    parent.kind() == "attribute" && parent.child_by_field_name("object") == Some(node)
}

fn is_other_name(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| match parent.kind() {
        "attribute" => parent.child_by_field_name("attribute") == Some(node),
        "keyword_argument" => parent.child_by_field_name("name") == Some(node),
        _ => false,
    })
}

fn take_attribute(source: &Source<'_>, attribute: Node<'_>, asked: &mut Asked) {
    let Some(name) = attribute.child_by_field_name("attribute") else { return };
    match source.text_of(name) {
        "as_of" => asked.clock = true,
        "vars" => match attribute.parent().and_then(|parent| index_of(source, parent, attribute)) {
            Some(var) => take_var(var, asked),
            None => asked.all_vars = true,
        },
        "var" => match attribute.parent().and_then(|call| argument_of(source, call, attribute)) {
            Some(var) => take_var(var, asked),
            None => asked.all_vars = true,
        },
        known if ATTRIBUTES.contains(&known) => {}
        unknown => asked.unknown.push((unknown.to_owned(), source.span(name))),
    }
}

type Var = (String, bool, Span);

fn take_var((name, has_default, span): Var, asked: &mut Asked) {
    asked.var_spans.push((name.clone(), span));
    asked.vars.insert((name, has_default));
}

/// The name in `ctx.vars["name"]` or `ctx.vars.get("name")`.
fn index_of(source: &Source<'_>, parent: Node<'_>, object: Node<'_>) -> Option<Var> {
    if parent.kind() == "subscript" && parent.child_by_field_name("value") == Some(object) {
        let index = parent.child_by_field_name("subscript")?;
        return Some((literal_text(source, index)?, false, source.span(index)));
    }
    let is_get = is_object_of(parent, object)
        && parent.child_by_field_name("attribute").is_some_and(|name| source.text_of(name) == "get");
    if is_get { argument_of(source, parent.parent()?, parent).map(|(name, _, span)| (name, true, span)) } else { None }
}

/// The name in `ctx.var("name")` or `ctx.var("name", default)`.
fn argument_of(source: &Source<'_>, call: Node<'_>, function: Node<'_>) -> Option<Var> {
    if call.kind() != "call" || call.child_by_field_name("function") != Some(function) {
        return None;
    }
    let arguments = named(call.child_by_field_name("arguments")?);
    let first = *arguments.first()?;
    Some((literal_text(source, first)?, arguments.len() > 1, source.span(first)))
}
