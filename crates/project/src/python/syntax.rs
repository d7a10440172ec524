//! Python text as a tree of nodes with places; nothing is run. The only file that names the parser.

use tree_sitter::{Node, Parser, Tree};

use crate::search::span_at;
use crate::yaml::Span;

/// A parsed file.
pub(super) struct Source<'t> {
    pub(super) text: &'t str,
    tree: Tree,
}

/// Where a text stops being Python.
pub(crate) struct InvalidPython {
    pub(crate) message: String,
    pub(crate) span: Span,
}

impl<'t> Source<'t> {
    /// Parses a file.
    pub(super) fn parse(text: &'t str) -> Result<Self, InvalidPython> {
        let start = Span { line: 1, column: 1, length: 0 };
        let unparsed = || InvalidPython { message: "the parser cannot be set up".to_owned(), span: start };
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_python::LANGUAGE.into()).map_err(|_version| unparsed())?;
        let tree = parser.parse(text, None).ok_or_else(unparsed)?;
        let source = Self { text, tree };
        match source.first_fault() {
            Some(fault) => Err(fault),
            None => Ok(source),
        }
    }

    /// The whole file.
    pub(super) fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    /// The text of a node.
    pub(super) fn text_of(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// The place of a node; of one over several lines, its first line.
    pub(super) fn span(&self, node: Node<'_>) -> Span {
        span_at(self.text, node.start_byte(), node.end_byte())
    }

    fn first_fault(&self) -> Option<InvalidPython> {
        let root = self.root();
        if !root.has_error() {
            return None;
        }
        let faults: Vec<Node<'_>> = all(root).into_iter().filter(|node| node.is_error() || node.is_missing()).collect();
        let opened = faults.iter().flat_map(|fault| children(*fault)).rfind(|child| "([{".contains(child.kind()));
        if let Some(opened) = opened {
            // All that follows is at fault then, and it began here.
            return Some(InvalidPython {
                message: format!("`{}` is never closed", opened.kind()),
                span: self.span(opened),
            });
        }
        let fault = faults.first().copied().unwrap_or(root);
        let message = match (fault.is_missing(), self.text_of(fault).lines().next().unwrap_or_default().trim()) {
            (true, _) => format!("`{}` is missing here", fault.kind()),
            (false, "") => "this is not Python".to_owned(),
            (false, text) => format!("`{text}` is not Python here"),
        };
        Some(InvalidPython { message, span: self.span(fault) })
    }
}

/// A node and all that is in it, in the order of the text.
pub(super) fn all(root: Node<'_>) -> Vec<Node<'_>> {
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        found.push(node);
        let mut inner = children(node);
        inner.reverse();
        waiting.extend(inner);
    }
    found
}

/// All children, punctuation too.
pub(super) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    node.children(&mut node.walk()).collect()
}

/// The children that are more than punctuation, comments left out.
pub(super) fn named(node: Node<'_>) -> Vec<Node<'_>> {
    node.named_children(&mut node.walk()).filter(|child| child.kind() != "comment").collect()
}
