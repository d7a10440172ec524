//! `config = {...}` of a Python file as a tree of values, without running it.

use tree_sitter::Node;

use super::syntax::{Source, named};
use crate::yaml::{Entry, Node as Tree, Span, Value};

/// What a file says about its table.
pub(super) struct Config {
    /// Where the name `config` stands.
    pub(super) at: Span,
    /// The values, each with its place.
    pub(super) tree: Tree,
    /// Values that only running the code would tell.
    pub(super) unknown: Vec<Span>,
}

/// The last `config` that a file assigns at its top level, as a dictionary display or `dict(key=value)`.
pub(super) fn config(source: &Source<'_>) -> Option<Config> {
    let is_config = |statement: &Node<'_>| {
        let left = statement.child_by_field_name("left");
        statement.kind() == "assignment" && left.is_some_and(|left| source.text_of(left) == "config")
    };
    let statements = named(source.root()).into_iter().filter(|statement| statement.kind() == "expression_statement");
    let assigned = statements.flat_map(named).rfind(is_config)?;
    let (left, right) = (assigned.child_by_field_name("left")?, assigned.child_by_field_name("right")?);
    let mut reading = Reading { source, unknown: Vec::new() };
    let tree = reading.value(right);
    Some(Config { at: source.span(left), tree, unknown: reading.unknown })
}

/// The text that a literal stands for; `None` for anything else.
pub(super) fn literal_text(source: &Source<'_>, node: Node<'_>) -> Option<String> {
    match (Reading { source, unknown: Vec::new() }).value(node).value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

struct Reading<'s> {
    source: &'s Source<'s>,
    unknown: Vec<Span>,
}

impl Reading<'_> {
    fn value(&mut self, node: Node<'_>) -> Tree {
        let span = self.source.span(node);
        let value = match node.kind() {
            "dictionary" => self.dictionary(node),
            "call" => self.call(node),
            "list" | "tuple" | "set" => {
                Some(Value::List(named(node).into_iter().map(|item| self.value(item)).collect()))
            }
            "parenthesized_expression" => named(node).first().map(|inner| self.value(*inner).value),
            "string" | "concatenated_string" => self.text(node),
            "integer" | "float" | "unary_operator" => self.number(node),
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "none" => Some(Value::Null),
            _ => None,
        };
        if value.is_none() {
            self.unknown.push(span);
        }
        Tree { value: value.unwrap_or(Value::Null), span }
    }

    fn dictionary(&mut self, node: Node<'_>) -> Option<Value> {
        let mut entries = Vec::new();
        for pair in named(node) {
            let (key, value) = (pair.child_by_field_name("key")?, pair.child_by_field_name("value")?);
            let key_span = self.inside(key);
            let key = literal_text(self.source, key)?;
            entries.push(Entry { key, key_span, node: self.value(value) });
        }
        Some(Value::Map(entries))
    }

    /// `dict(key=value)`.
    fn call(&mut self, node: Node<'_>) -> Option<Value> {
        let function = node.child_by_field_name("function")?;
        if self.source.text_of(function) != "dict" {
            return None;
        }
        let mut entries = Vec::new();
        for argument in named(node.child_by_field_name("arguments")?) {
            let (name, value) = (argument.child_by_field_name("name")?, argument.child_by_field_name("value")?);
            let key = self.source.text_of(name).to_owned();
            entries.push(Entry { key, key_span: self.source.span(name), node: self.value(value) });
        }
        Some(Value::Map(entries))
    }

    /// A string without anything computed in it.
    fn text(&self, node: Node<'_>) -> Option<Value> {
        let strings = if node.kind() == "string" { vec![node] } else { named(node) };
        let mut text = String::new();
        for string in strings {
            for part in named(string) {
                match part.kind() {
                    "string_start" | "string_end" => {}
                    "string_content" if named(part).is_empty() => text.push_str(self.source.text_of(part)),
                    _ => return None,
                }
            }
        }
        Some(Value::Text(text))
    }

    fn number(&self, node: Node<'_>) -> Option<Value> {
        let written = self.source.text_of(node).replace('_', "");
        match written.parse::<i64>() {
            Ok(whole) => Some(Value::Int(whole)),
            Err(_) => written.parse().ok().map(Value::Float),
        }
    }

    /// The place of a string without its quotes.
    fn inside(&self, node: Node<'_>) -> Span {
        let content = named(node).into_iter().find(|part| part.kind() == "string_content");
        self.source.span(content.unwrap_or(node))
    }
}
