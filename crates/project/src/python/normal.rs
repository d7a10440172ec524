//! What Python code says, without what does not matter: comments, formatting, the way a literal is written, docstrings.

use tree_sitter::Node;

use super::syntax::{Source, children, named};

/// Marks between nodes, which no code holds.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';

/// The code as text in which equal code is equal.
pub(super) fn normal(source: &Source<'_>) -> String {
    let writer = Writer { source, has_docs: source.text.contains("__doc__") };
    let mut text = String::new();
    writer.write(source.root(), &mut text);
    text
}

struct Writer<'s> {
    source: &'s Source<'s>,
    /// Whether the code reads docstrings, so that they matter.
    has_docs: bool,
}

impl Writer<'_> {
    fn write(&self, node: Node<'_>, text: &mut String) {
        match node.kind() {
            "comment" | "line_continuation" => return,
            "expression_statement" if !self.has_docs && is_text_alone(node) => return,
            "parenthesized_expression" => {
                // Parentheses group, and the tree says how.
                named(node).into_iter().for_each(|inner| self.write(inner, text));
                return;
            }
            _ => {}
        }
        text.push(OPEN);
        text.push_str(kind(node));
        match node.kind() {
            "string" => self.write_string(node, text),
            _ if node.child_count() == 0 => text.push_str(&self.leaf(node)),
            _ => self.write_inner(node, text),
        }
        text.push(CLOSE);
    }

    fn write_inner(&self, node: Node<'_>, text: &mut String) {
        let inner = children(node);
        let n_named = named(node).len();
        for child in inner {
            match child.kind() {
                // A colon says which bound of a slice is there, a comma makes an index a tuple.
                ":" if node.kind() == "slice" => text.push(':'),
                "," if node.kind() == "subscript" && n_named == 2 => text.push(','),
                "(" | ")" | "[" | "]" | "{" | "}" | "," | ":" | ";" => {}
                _ => self.write(child, text),
            }
        }
    }

    fn leaf(&self, node: Node<'_>) -> String {
        let written = self.source.text_of(node);
        match node.kind() {
            "integer" | "float" => written.to_lowercase().replace('_', ""),
            _ => written.to_owned(),
        }
    }

    /// A string by its prefix and what it holds, not by its quotes.
    fn write_string(&self, node: Node<'_>, text: &mut String) {
        let mut is_raw = false;
        let mut quotes = String::new();
        for child in children(node) {
            let written = self.source.text_of(child);
            match child.kind() {
                "string_start" => {
                    let prefix = written.trim_end_matches(['"', '\'']);
                    written.trim_start_matches(prefix).clone_into(&mut quotes);
                    let prefix = prefix.to_lowercase().replace('u', "");
                    is_raw = prefix.contains('r');
                    text.push_str(&prefix);
                    text.push('"');
                }
                "string_content" if is_raw => text.push_str(written),
                "string_content" => text.push_str(&written.replace("\\\"", "\"").replace("\\'", "'")),
                "string_end" => {}
                _ => self.write(child, text),
            }
        }
    }
}

/// Whether a statement is a text that nothing is done with, as docstrings are.
fn is_text_alone(statement: Node<'_>) -> bool {
    let inner = named(statement);
    matches!(inner.as_slice(), [only] if matches!(only.kind(), "string" | "concatenated_string"))
}

/// The kind of a node; a tuple is one with and without parentheses.
fn kind<'t>(node: Node<'t>) -> &'t str {
    match node.kind() {
        "expression_list" | "tuple" => "tuple",
        "pattern_list" | "tuple_pattern" => "tuple_pattern",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match Source::parse(text) {
            Ok(source) => normal(&source),
            Err(invalid) => panic!("{}", invalid.message),
        }
    }

    #[test]
    fn formatting_comments_and_docstrings_do_not_matter() {
        let plain = "def table(ctx, flights):\n    x = flights.filter(1000, a[1:2])\n    return x, 'it\\'s'\n";
        let other = "\"\"\"About.\"\"\"\n# why\ndef table(\n    ctx,\n    flights,\n):\n  \"\"\"Docs.\"\"\"\n  \
                     x = (flights  # here\n       .filter(1_000, a[1 : 2],))\n\n  return (x, \"it's\")\n";
        assert_eq!(said(plain), said(other));
    }

    #[test]
    fn what_code_does_matters() {
        let pairs = [
            ("a[1:]", "a[:1]"),
            ("a[1]", "a[1,]"),
            ("f(a, b)", "f(b, a)"),
            ("x = a - b", "x = a + b"),
            ("x = (a - b) - c", "x = a - (b - c)"),
            ("x = 'a'", "x = b'a'"),
            ("x = f'{a}'", "x = '{a}'"),
            ("x = 1", "x = 1,"),
            ("x = {1}", "x = [1]"),
            ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
            ("def f(*, a): ...", "def f(a): ..."),
            ("x = a if b else c", "x = b if a else c"),
            ("x = not a", "x = a"),
            ("for x in y: pass", "async def f():\n    async for x in y: pass"),
        ];
        for (one, other) in pairs {
            assert_ne!(said(one), said(other), "{one} / {other}");
        }
    }

    #[test]
    fn docstrings_matter_to_code_that_reads_them() {
        let with = |docs: &str| format!("def f():\n    '{docs}'\nprint(f.__doc__)");
        assert_ne!(said(&with("a")), said(&with("b")));
    }
}
