//! Renders the templates in a SQL file: dbt's `ref`, `source`, `var`, `config`, `this`, `is_incremental`.
//!
//! Invariant: a line of the rendered text, plus the offset, is the same line of the file (loops aside), so that
//! places in the query are places in the file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use baton_diagnostics::nearest;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};

use crate::search::span_at;
use crate::yaml::Span;

/// The function that says whether a query goes on from what is stored.
const IS_INCREMENTAL: &str = "is_incremental";

/// A rendered file.
#[derive(Debug, PartialEq)]
pub(crate) struct Rendered {
    pub(crate) sql: String,
    /// Lines that `-}}` took away before the query.
    pub(crate) line_offset: u32,
    /// Arguments of `config()` by name.
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
    /// The query with `is_incremental()` true, where it is another one.
    pub(crate) incremental_sql: Option<String>,
}

/// Why a file cannot be rendered.
#[derive(Debug, PartialEq)]
pub(crate) struct InvalidTemplate {
    pub(crate) message: String,
    pub(crate) span: Span,
    /// The name given to `var()`, when that is what is wrong, and the nearest known one.
    pub(crate) unknown_variable: Option<(String, Option<String>)>,
}

/// What renders the files of one project: made once, because making it costs more than rendering a file.
pub(crate) struct Templates<'v> {
    vars: &'v BTreeMap<String, serde_json::Value>,
    asked: Asked,
    environment: Environment<'static>,
}

impl<'v> Templates<'v> {
    /// With these values for `var()`.
    pub(crate) fn new(vars: &'v BTreeMap<String, serde_json::Value>) -> Self {
        let asked = Asked::default();
        Self { vars, environment: environment(vars, &asked), asked }
    }

    /// Renders the file of the table `table`.
    pub(crate) fn render(&self, table: &str, text: &str) -> Result<Rendered, InvalidTemplate> {
        if !["{{", "{%", "{#"].iter().any(|open| text.contains(open)) {
            let config = serde_json::Map::new();
            return Ok(Rendered { sql: text.to_owned(), line_offset: 0, config, incremental_sql: None });
        }
        self.asked.forget();
        let kept = keep_lines(text);
        let sql = self.with_lines_kept(table, text, &kept)?;
        let mut incremental_sql = None;
        if text.contains(IS_INCREMENTAL) {
            self.asked.is_incremental.store(true, Ordering::Relaxed);
            incremental_sql = Some(self.with_lines_kept(table, text, &kept)?).filter(|incremental| *incremental != sql);
        }
        let config = std::mem::take(&mut *lock(&self.asked.config));
        Ok(Rendered { line_offset: line_offset(text, &sql), sql, config, incremental_sql })
    }

    fn with_lines_kept(&self, table: &str, text: &str, kept: &str) -> Result<String, InvalidTemplate> {
        let render = |text: &str| {
            let rendered = self.environment.render_named_str(table, text, context! { this => table });
            rendered.map_err(|error| explain(&error, text, &self.asked, self.vars))
        };
        if kept != text {
            // The file as it is comes first: it is what errors must point into.
            render(text)?;
        }
        render(kept)
    }
}

/// How much lower the first line of the query stands in the file, as far as that line is found there.
fn line_offset(text: &str, sql: &str) -> u32 {
    let rendered = sql.lines().map(str::trim).enumerate().find(|(_, line)| !line.is_empty());
    let Some((position, first)) = rendered else { return 0 };
    let in_file = text.lines().position(|line| line.trim() == first).unwrap_or(position);
    in_file.saturating_sub(position) as u32
}

/// What a template asked for while it was rendered, and what it is told.
#[derive(Debug, Clone, Default)]
struct Asked {
    config: Arc<Mutex<serde_json::Map<String, serde_json::Value>>>,
    unknown_variable: Arc<Mutex<Option<String>>>,
    is_incremental: Arc<AtomicBool>,
}

impl Asked {
    /// Begins anew, for the next file.
    fn forget(&self) {
        lock(&self.config).clear();
        *lock(&self.unknown_variable) = None;
        self.is_incremental.store(false, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn environment(vars: &BTreeMap<String, serde_json::Value>, asked: &Asked) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default());
    environment.set_debug(true);
    environment.add_function("ref", last_name);
    environment.add_function("source", last_name);
    let is_incremental = Arc::clone(&asked.is_incremental);
    environment.add_function(IS_INCREMENTAL, move || is_incremental.load(Ordering::Relaxed));
    let config = Arc::clone(&asked.config);
    environment.add_function("config", move |arguments: Kwargs| add_config(&config, &arguments));
    let (vars, unknown) = (vars.clone(), Arc::clone(&asked.unknown_variable));
    environment.add_function("var", move |name: String, default: Option<Value>| {
        if let Some(value) = vars.get(&name) {
            return Ok(Value::from(Serde(value.clone())));
        }
        default.ok_or_else(|| {
            *lock(&unknown) = Some(name.clone());
            Error::new(ErrorKind::InvalidOperation, format!("unknown variable `{name}`"))
        })
    });
    environment
}

/// `ref('x')`, `ref('package', 'x')` and `source('group', 'x')` are all `x`: names are unique in a project.
fn last_name(names: Rest<String>) -> Result<String, Error> {
    let missing = || Error::new(ErrorKind::MissingArgument, "the name of a table is missing");
    names.last().cloned().ok_or_else(missing)
}

fn add_config(config: &Mutex<serde_json::Map<String, serde_json::Value>>, arguments: &Kwargs) -> Result<String, Error> {
    for key in arguments.args() {
        let value: Value = arguments.get(key)?;
        let value = serde_json::to_value(&value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, format!("`{key}`: {error}")))?;
        lock(config).insert(key.to_owned(), value);
    }
    Ok(String::new())
}

fn explain(error: &Error, text: &str, asked: &Asked, vars: &BTreeMap<String, serde_json::Value>) -> InvalidTemplate {
    let unknown = lock(&asked.unknown_variable).clone();
    let near = |name: &str| nearest(name, vars.keys().map(String::as_str)).map(str::to_owned);
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    InvalidTemplate {
        message: detail,
        span: place(error, text),
        unknown_variable: unknown.map(|name| (name.clone(), near(&name))),
    }
}

fn place(error: &Error, text: &str) -> Span {
    let line = error.line().map_or(1, |line| u32::try_from(line).unwrap_or(u32::MAX));
    match error.range() {
        Some(range) if text.is_char_boundary(range.start) && text.is_char_boundary(range.end) => {
            span_at(text, range.start, range.end)
        }
        _ => Span { line, column: 1, length: 0 },
    }
}

/// Moves the line ends inside each tag behind it: what a tag leaves out must not pull up the lines below.
fn keep_lines(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, close)) = next_tag(rest) {
        let length = rest[start..].find(close).map_or(rest.len() - start, |end| end + close.len());
        let (tag, after) = rest[start..].split_at(length);
        kept.push_str(&rest[..start]);
        kept.push_str(&tag.replace('\n', " "));
        kept.extend(tag.matches('\n'));
        rest = after;
    }
    kept.push_str(rest);
    kept
}

fn next_tag(text: &str) -> Option<(usize, &'static str)> {
    let tags = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
    tags.iter().filter_map(|(open, close)| Some((text.find(open)?, *close))).min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(table: &str, text: &str) -> Result<Rendered, InvalidTemplate> {
        let vars = BTreeMap::from([("year".to_owned(), json!(2013))]);
        let templates = Templates::new(&vars);
        let first = templates.render(table, text);
        let other = templates.render("other", "{{ config(time='t') }}select {{ var('wrong') }}{{ is_incremental() }}");
        assert!(other.is_err());
        assert_eq!(templates.render(table, text), first, "files leave nothing behind for those after them");
        first
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text =
            "{{ config(\n  materialize='incremental',\n  grain=['id']\n) }}\n{# a\n note #}select {{ this }}\nfrom t\n";
        let rendered = render("daily", text).unwrap();
        assert_eq!((rendered.sql.as_str(), rendered.line_offset), ("\n\n\n\n\nselect daily\nfrom t\n", 0));
        assert_eq!(rendered.config["grain"], json!(["id"]));
        assert_eq!(rendered.sql.lines().position(|line| line == "from t"), Some(6));
    }

    #[test]
    fn lines_that_a_tag_swallows_are_counted() {
        let rendered = render("x", "{{- config(time='t') -}}\n\nselect 1\nfrom t\n").unwrap();
        assert_eq!((rendered.sql.as_str(), rendered.line_offset), ("select 1\nfrom t\n", 2));
    }

    #[test]
    fn names_and_variables_are_filled_in() {
        let text = "select {{ var('year') }}, {{ var('month', 6) }} from {{ ref('a') }}, {{ source('raw', 'b') }}\
                    {% if is_incremental() %} where false{% endif %}";
        let rendered = render("x", text).unwrap();
        assert_eq!(rendered.sql, "select 2013, 6 from a, b");
        assert_eq!(rendered.incremental_sql.as_deref(), Some("select 2013, 6 from a, b where false"));
    }

    #[test]
    fn errors_point_into_the_file() {
        let error = render("x", "select 1,\n  {{ var('yeer') }}\n").unwrap_err();
        assert_eq!(error.unknown_variable, Some(("yeer".to_owned(), Some("year".to_owned()))));
        assert_eq!((error.span.line, error.span.column), (2, 6));
        let error = render("x", "{{\nthis }}\n{{ nope( }}").unwrap_err();
        assert_eq!(error.span.line, 3);
    }
}
