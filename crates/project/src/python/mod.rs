//! Reads a Python file under `tables/`: a table named after the file, computed by its function `table`. Nothing is run.

mod complete;
mod config;
mod imports;
mod normal;
mod signature;
mod syntax;

use std::collections::BTreeMap;

use baton_core::asset::{Materialize, Parameter, Python, Table};
use baton_core::unit_test::Spot;
use baton_core::{AssetName, Definition, Fingerprint, Kind};
use baton_diagnostics::{Diagnostic, codes, nearest};

pub(crate) use complete::complete;
pub(crate) use imports::imported_files;

use self::config::Config;
use self::imports::{files_of_module, imports};
use self::signature::{ATTRIBUTES, CONTEXT, Declared as Argument, FUNCTION, Signature, signature};
use self::syntax::Source;
use crate::reader::{join_words, parse_name};
use crate::report::{Findings, Report};
use crate::spec::{Common, Declared, PythonConfig, assemble, read_python_config};
use crate::yaml::{Node, Span, Value};

const DAY: i64 = 86_400;
const START: Span = Span { line: 1, column: 1, length: 0 };

/// What reading a file needs to know of the rest of the project.
struct Surroundings<'a> {
    /// The file itself.
    file: &'a str,
    /// All texts, among them those of modules.
    files: &'a BTreeMap<String, String>,
    /// Values for `ctx.var()`.
    vars: &'a BTreeMap<String, serde_json::Value>,
}

/// Whether a file, relative to the project folder, is a table. One whose name begins with `_` is none.
pub(crate) fn is_python_table(file: &str) -> bool {
    let stem = file.rsplit('/').next().unwrap_or(file);
    file.starts_with("tables/") && stem.ends_with(".py") && !stem.starts_with('_')
}

/// The tables of all Python files, and what is wrong with the modules that they import.
pub(crate) fn read_all(
    files: &BTreeMap<String, String>,
    vars: &BTreeMap<String, serde_json::Value>,
    findings: &mut Findings,
) -> Vec<Declared> {
    let mut declared = Vec::new();
    for (file, text) in files.iter().filter(|(file, _)| file.ends_with(".py")) {
        let report = Report::new(file);
        match is_python_table(file) {
            true => declared.extend(read_table(&report, text, &Surroundings { file, files, vars })),
            false => check_module(&report, file, text),
        }
        report.add_to(findings);
    }
    declared
}

/// The table of a file; `None` when the file's name is no name.
fn read_table(report: &Report, text: &str, surroundings: &Surroundings<'_>) -> Option<Declared> {
    let file = surroundings.file;
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".py");
    let name = parse_name(report, stem, START)?;
    let table = FileReader { report, name: &name, surroundings }.table(text);
    let place = report.place(START);
    let asset = table.map(|table| assemble(name.clone(), Common::default(), Definition::Table(table), &place));
    Some(Declared { name, kind: Kind::Table, place, asset })
}

/// Reports a module of the project that cannot be parsed.
fn check_module(report: &Report, file: &str, text: &str) {
    if let Err(invalid) = Source::parse(text) {
        let message = format!("module `{file}` is not valid Python");
        report.error(codes::INVALID_PYTHON, message, invalid.span, invalid.message);
    }
}

struct FileReader<'r> {
    report: &'r Report,
    name: &'r AssetName,
    surroundings: &'r Surroundings<'r>,
}

impl FileReader<'_> {
    fn table(&self, text: &str) -> Option<Table> {
        let surroundings = self.surroundings;
        let source = match Source::parse(text) {
            Ok(source) => source,
            Err(invalid) => {
                let message = format!("the file of table `{}` is not valid Python", self.name);
                self.report.error(codes::INVALID_PYTHON, message, invalid.span, invalid.message);
                return None;
            }
        };
        let imports = imports(&source);
        for span in &imports.relative {
            let help = "put shared code into a module beside `baton.yml` and import it by its name";
            self.fault("imports by a relative name", *span, "tables are no package", Some(help));
        }
        let config = self.config(config::config(&source));
        let Some(signature) = signature(&source, &imports) else {
            let help = "write `def table(ctx, flights):`; the other parameters are the inputs";
            self.fault(&format!("has no function `{FUNCTION}`"), START, "", Some(help));
            return None;
        };
        let parameters = self.parameters(&signature, &config);
        self.check_names(&config, &parameters);
        self.check_context(&signature);
        let modules = modules(text, surroundings.files);
        let python = Python {
            code: text.to_owned(),
            content: content(&source, &modules),
            modules,
            context: signature.parameters.iter().position(|parameter| parameter.name == CONTEXT),
            reads_clock: signature.asked.clock,
            vars: self.vars(&signature, surroundings.vars),
            parameters,
            available_at: config.available_at,
            lineage: config.lineage.into_iter().map(|(column, (from, _))| (column, from)).collect(),
            timeout: config.timeout,
            lock: None,
        };
        let kept = config.kept;
        Some(Table {
            sql: format!("select * from {}", Python::ROWS),
            file: surroundings.file.to_owned(),
            line_offset: 0,
            materialize: kept.materialize,
            time: kept.time,
            grain: kept.grain,
            lookback: kept.lookback.unwrap_or(0),
            batch: kept.batch.unwrap_or(DAY),
            columns: config.columns,
            keep: kept.keep,
            python: Some(Box::new(python)),
            command: None,
            for_each: kept.for_each,
        })
    }

    fn config(&self, config: Option<Config>) -> PythonConfig {
        let nothing =
            Config { at: START, tree: Node { value: Value::Map(Vec::new()), span: START }, unknown: Vec::new() };
        let config = config.unwrap_or(nothing);
        for span in &config.unknown {
            let help = "write texts, numbers, lists and dictionaries as they are: nothing is run to find them";
            self.fault("has a value in `config` that only running it would tell", *span, "", Some(help));
        }
        let found = read_python_config(self.report, self.name, config.at, &config.tree);
        match found.kept.materialize {
            Materialize::View => {
                let message = format!("Python table `{}` cannot be a view: its rows have to be stored", self.name);
                self.report.error(codes::INVALID_VALUE, message, config.at, "expected another `materialize`");
            }
            Materialize::Incremental if found.kept.time.is_none() => {
                let message = format!("incremental table `{}` has no time column", self.name);
                let help = "add the column that says when a row happened: time='scheduled_at'";
                let label = self.report.place(config.at).label("");
                self.report
                    .push(Diagnostic::error(codes::INCOMPLETE_INCREMENTAL, message).with_label(label).with_help(help));
            }
            _ => {}
        }
        found
    }

    fn parameters(&self, signature: &Signature, config: &PythonConfig) -> Vec<Parameter> {
        if signature.is_async {
            self.fault("has an `async` function", signature.at, "tables are computed one call at a time", None);
        }
        let inputs = signature.parameters.iter().filter(|parameter| parameter.name != CONTEXT);
        inputs.filter_map(|argument| self.parameter(argument, config)).collect()
    }

    fn parameter(&self, argument: &Argument, config: &PythonConfig) -> Option<Parameter> {
        let Argument { name, span, handed, fault } = argument;
        if let Some(fault) = fault {
            self.fault(&format!("has a parameter `{name}` that is no input"), *span, fault, None);
            return None;
        }
        if let Err(annotation) = handed {
            let types: Vec<&str> = baton_core::asset::Handed::TYPES.iter().map(|(name, _)| *name).collect();
            let what = format!("wants `{name}` as `{annotation}`, which Baton cannot hand over");
            let help = format!("annotate it with {}", join_words(&types));
            self.fault(&what, *span, "", Some(&help));
        }
        let input = parse_name(self.report, name, *span)?;
        let asked = handed.as_ref().ok().copied().flatten();
        Some(Parameter {
            input,
            handed: asked.or(config.handed).unwrap_or_default(),
            columns: config.reads.get(name).map(|(columns, _)| columns.clone()).unwrap_or_default(),
            whole: config.whole.contains_key(name),
            time: None,
            spot: Spot { line: span.line, column: span.column, length: span.length },
        })
    }

    /// Reports what `config` says about parameters that are not there.
    fn check_names(&self, config: &PythonConfig, parameters: &[Parameter]) {
        let names = || parameters.iter().map(|parameter| parameter.input.as_str());
        let is_known = |name: &str| names().any(|known| known == name);
        let reads = config.reads.iter().map(|(name, (_, span))| (name.as_str(), *span));
        let lineage = config
            .lineage
            .values()
            .flat_map(|(from, span)| from.iter().map(|column| (column.split('.').next().unwrap_or_default(), *span)));
        let whole = config.whole.iter().map(|(name, span)| (name.as_str(), *span));
        for (name, span) in reads.chain(whole).chain(lineage).filter(|(name, _)| !is_known(name)) {
            let message = format!("`config` of table `{}` names `{name}`, which is no parameter", self.name);
            let label = self.report.place(span).label("");
            let found = Diagnostic::error(codes::UNKNOWN_REFERENCE, message).with_label(label);
            self.report.push(found.with_nearest(nearest(name, names())));
        }
    }

    fn check_context(&self, signature: &Signature) {
        for (name, span) in &signature.asked.unknown {
            let message =
                format!("the function of table `{}` asks for `{CONTEXT}.{name}`, which is not there", self.name);
            let found = Diagnostic::error(codes::INVALID_PYTHON_TABLE, message)
                .with_label(self.report.place(*span).label(""))
                .with_detail(format!("`{CONTEXT}` has {}.", ATTRIBUTES.join(", ")))
                .with_nearest(nearest(name, ATTRIBUTES));
            self.report.push(found);
        }
    }

    /// The variables that the code asks for; those that are not there and have no default are reported.
    fn vars(
        &self,
        signature: &Signature,
        known: &BTreeMap<String, serde_json::Value>,
    ) -> BTreeMap<String, serde_json::Value> {
        let asked = &signature.asked;
        let names = || known.keys().map(String::as_str);
        for (name, _) in asked.vars.iter().filter(|(name, has_default)| !has_default && !known.contains_key(name)) {
            let span = asked.var_spans.iter().find(|(found, _)| found == name).map_or(START, |(_, span)| *span);
            let message = format!("table `{}` uses unknown variable `{name}`", self.name);
            let found = Diagnostic::error(codes::UNKNOWN_VARIABLE, message)
                .with_label(self.report.place(span).label(""))
                .with_nearest(nearest(name, names()))
                .with_help("set it in `baton.yml` under `vars:`, or give a default: `ctx.var(\"name\", 1)`");
            self.report.push(found);
        }
        let is_asked = |name: &String| asked.all_vars || asked.vars.iter().any(|(asked, _)| asked == name);
        known.iter().filter(|(name, _)| is_asked(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn fault(&self, what: &str, span: Span, label: &str, help: Option<&str>) {
        let message = format!("the file of Python table `{}` {what}", self.name);
        let found = Diagnostic::error(codes::INVALID_PYTHON_TABLE, message);
        let found = found.with_label(self.report.place(span).label(label));
        self.report.push(match help {
            Some(help) => found.with_help(help),
            None => found,
        });
    }
}

/// The project's own modules that a file imports, directly or not, by path.
fn modules(text: &str, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![text.to_owned()];
    while let Some(text) = waiting.pop() {
        let Ok(source) = Source::parse(&text) else { continue };
        for path in imports(&source).modules.iter().flat_map(|module| files_of_module(module)) {
            if let Some(module) = files.get(&path).filter(|_| !found.contains_key(&path)) {
                found.insert(path, module.clone());
                waiting.push(module.clone());
            }
        }
    }
    found
}

/// What the code and its modules say. A module that cannot be parsed counts as it is written.
fn content(source: &Source<'_>, modules: &BTreeMap<String, String>) -> Fingerprint {
    let said = |text: &String| Source::parse(text).map_or_else(|_| text.clone(), |source| normal::normal(&source));
    let modules = modules.iter().flat_map(|(path, text)| [path.clone(), said(text)]);
    Fingerprint::of([normal::normal(source)].into_iter().chain(modules))
}
