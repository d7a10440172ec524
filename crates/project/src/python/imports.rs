//! Which modules code imports, and which of them are the project's own.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::syntax::{Source, all, named};
use crate::yaml::Span;

/// What the imports of a file say.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// Dotted names of modules that may be loaded, those of packages on the way included.
    pub(super) modules: BTreeSet<String>,
    /// What a name of the file stands for, in full: `pl` for `polars`, `Table` for `pyarrow.Table`.
    pub(super) aliases: BTreeMap<String, String>,
    /// Relative imports, which a table's file cannot have.
    pub(super) relative: Vec<Span>,
}

/// The imports of a file, at any depth of it.
pub(super) fn imports(source: &Source<'_>) -> Imports {
    let mut found = Imports::default();
    for node in all(source.root()) {
        match node.kind() {
            "import_statement" => named(node).into_iter().for_each(|name| found.take_module(source, name)),
            "import_from_statement" => found.take_from(source, node),
            _ => {}
        }
    }
    found
}

impl Imports {
    /// `import a.b` or `import a.b as c`.
    fn take_module(&mut self, source: &Source<'_>, name: Node<'_>) {
        let (path, alias) = parts(source, name);
        self.take_packages(&path);
        match alias {
            Some(alias) => self.aliases.insert(alias, path),
            None => {
                let first = path.split('.').next().unwrap_or_default().to_owned();
                self.aliases.insert(first.clone(), first)
            }
        };
    }

    /// `from a.b import c, d as e`.
    fn take_from(&mut self, source: &Source<'_>, node: Node<'_>) {
        let Some(module) = node.child_by_field_name("module_name") else { return };
        if module.kind() == "relative_import" {
            self.relative.push(source.span(module));
            return;
        }
        let path = dotted(source, module);
        self.take_packages(&path);
        for name in node.children_by_field_name("name", &mut node.walk()) {
            let (imported, alias) = parts(source, name);
            let whole = format!("{path}.{imported}");
            // What is imported may be a module of a package, or a name of a module.
            self.modules.insert(whole.clone());
            self.aliases.insert(alias.unwrap_or(imported), whole);
        }
    }

    fn take_packages(&mut self, path: &str) {
        let ends = path.match_indices('.').map(|(end, _)| end).chain([path.len()]);
        self.modules.extend(ends.map(|end| path[..end].to_owned()));
    }
}

fn parts(source: &Source<'_>, name: Node<'_>) -> (String, Option<String>) {
    let of_alias = |field: &str| name.child_by_field_name(field).map(|node| dotted(source, node));
    match name.kind() {
        "aliased_import" => (of_alias("name").unwrap_or_default(), of_alias("alias")),
        _ => (dotted(source, name), None),
    }
}

fn dotted(source: &Source<'_>, node: Node<'_>) -> String {
    source.text_of(node).chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// The files that a module of the project can be in.
pub(crate) fn files_of_module(module: &str) -> [String; 2] {
    let path = module.replace('.', "/");
    [format!("{path}.py"), format!("{path}/__init__.py")]
}

/// The files that the imports of a file can mean, were they the project's own.
pub(crate) fn imported_files(text: &str) -> Vec<String> {
    let Ok(source) = Source::parse(text) else { return Vec::new() };
    imports(&source).modules.iter().flat_map(|module| files_of_module(module)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_name_modules_and_what_names_stand_for() {
        let text = "import polars as pl, shared.names\nfrom pyarrow import Table\nfrom lib.times import day as d\n\
                    def f():\n    from . import x\n";
        let Ok(source) = Source::parse(text) else { panic!() };
        let found = imports(&source);
        let modules: Vec<&str> = found.modules.iter().map(String::as_str).collect();
        let expected = "lib lib.times lib.times.day polars pyarrow pyarrow.Table shared shared.names";
        assert_eq!(modules.join(" "), expected);
        assert_eq!(found.aliases["pl"], "polars");
        assert_eq!(found.aliases["Table"], "pyarrow.Table");
        assert_eq!(found.aliases["d"], "lib.times.day");
        assert_eq!(found.relative, [Span { line: 5, column: 10, length: 1 }]);
    }
}
