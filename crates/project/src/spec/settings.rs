//! The head of `baton.yml`: name, environments, settings, variables.

use std::collections::BTreeMap;

use baton_core::Parameter;
use baton_core::schedule::Execution;
use baton_diagnostics::codes;

use super::python::{PythonSettings, read_python_settings};
use crate::keys;
use crate::reader::{Reader, wrong_type};
use crate::spec::{execution, parameter};
use crate::yaml::Value;

/// A declared environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnvironmentSpec {
    /// Whether it moves only by applying or promoting a checked plan.
    pub protected: bool,
}

/// What must hold before a protected environment moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// Whether breaking changes need the approval of the owners of what they break.
    pub owners_approve_breaking: bool,
    /// Tags of columns whose new flows a plan names.
    pub tags: Vec<String>,
}

impl Default for Policies {
    fn default() -> Self {
        Self { owners_approve_breaking: false, tags: vec!["identifier".to_owned(), "personal".to_owned()] }
    }
}

/// Where things are kept and served. Paths are relative to the project folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Folder of tables and artifacts.
    pub warehouse: String,
    /// File of commits and events, or the address of a PostgreSQL database; secrets by reference.
    pub ledger: String,
    /// File of the latest feature values.
    pub online: String,
    /// Bytes that queries may use before they spill; `None` leaves the choice to the engine.
    pub memory_limit: Option<u64>,
    /// Address to listen on.
    pub bind: String,
    /// Port to listen on.
    pub port: u16,
    /// The Python environment.
    pub python: PythonSettings,
    /// What clients of MLflow track.
    pub tracking: TrackingSettings,
}

/// Where the files of what clients of MLflow track are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrackingSettings {
    /// A folder, or `s3://bucket/folder`; `None` for the usual folder.
    pub artifacts: Option<String>,
    /// How the store is reached, as connector `s3` knows it: secrets by reference.
    pub options: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            warehouse: ".baton/warehouse".to_owned(),
            ledger: ".baton/ledger.db".to_owned(),
            online: ".baton/online.redb".to_owned(),
            memory_limit: None,
            bind: "127.0.0.1".to_owned(),
            port: 8400,
            python: PythonSettings::default(),
            tracking: TrackingSettings::default(),
        }
    }
}

/// What `baton.yml` says before its assets.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) name: Option<String>,
    pub(crate) environments: BTreeMap<String, EnvironmentSpec>,
    pub(crate) settings: Settings,
    pub(crate) policies: Policies,
    pub(crate) vars: BTreeMap<String, serde_json::Value>,
    pub(crate) params: BTreeMap<String, Parameter>,
    pub(crate) execution: Execution,
    pub(crate) pools: BTreeMap<String, usize>,
}

/// Reads the head.
pub(crate) fn read_head(root: &Reader<'_>) -> Head {
    Head {
        name: root.need_text("project"),
        environments: read_environments(root),
        settings: read_settings(root),
        policies: read_policies(root),
        vars: read_vars(root),
        params: parameter::read_all(root),
        pools: execution::read_pools(root),
        execution: root.object("execution", keys::EXECUTION).map(|object| execution::read(&object)).unwrap_or_default(),
    }
}

fn read_settings(root: &Reader<'_>) -> Settings {
    let default = Settings::default();
    let server = root.object("server", keys::SERVER);
    let server = server.as_ref();
    Settings {
        warehouse: root.text("warehouse").unwrap_or(default.warehouse),
        ledger: read_ledger(root).unwrap_or(default.ledger),
        online: root.text("online").unwrap_or(default.online),
        memory_limit: read_size(root, "memory_limit"),
        bind: server.and_then(|server| server.text("bind")).unwrap_or(default.bind),
        port: server
            .and_then(|server| server.whole("port", 0, 65_535))
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(default.port),
        python: read_python_settings(root),
        tracking: read_tracking(root).unwrap_or_default(),
    }
}

fn read_tracking(root: &Reader<'_>) -> Option<TrackingSettings> {
    const TEXTS: [&str; 5] = ["endpoint", "region", "access_key_id", "secret_access_key", "session_token"];
    let tracking = root.object("tracking", keys::TRACKING)?;
    let texts = TEXTS.into_iter().filter_map(|name| Some((name.to_owned(), tracking.text(name)?)));
    let path_style = tracking.flag("path_style").map(|is_set| ("path_style".to_owned(), is_set.to_string()));
    let (artifacts, options) = (tracking.text("artifacts"), texts.chain(path_style).collect());
    let settings = TrackingSettings { artifacts, options };
    let is_bucket = settings.artifacts.as_deref().is_some_and(|place| place.starts_with("s3://"));
    let wrong = |key: &str, message: &str, help: &str| {
        if let Some(entry) = tracking.entry(key) {
            root.report.error(codes::INVALID_VALUE, message.to_owned(), entry.node.span, help);
        }
    };
    if settings.artifacts.as_deref().is_some_and(|place| place.contains("://")) && !is_bucket {
        wrong(
            "artifacts",
            "`artifacts` of `tracking` is neither a folder nor in a bucket",
            "write `s3://bucket/folder`",
        );
    }
    for name in settings.options.keys().filter(|_| !is_bucket) {
        wrong(name, &format!("`{name}` of `tracking` goes with `artifacts: s3://…`"), "remove it, or say which bucket");
    }
    let has = |name: &str| settings.options.contains_key(name);
    if has("access_key_id") != has("secret_access_key") {
        let given = if has("access_key_id") { "access_key_id" } else { "secret_access_key" };
        wrong(given, "`tracking` has half a key", "give both `access_key_id` and `secret_access_key`, or neither");
    }
    Some(settings)
}

/// A file, or an address that a ledger can be at; which of them a secret holds is seen when it is opened.
fn read_ledger(root: &Reader<'_>) -> Option<String> {
    let text = root.text("ledger")?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if let (Some(scheme), Some(node)) = (scheme.filter(|scheme| !is_ledger_scheme(scheme)), root.get("ledger")) {
        let message = format!("{} is an address of `{scheme}`", root.of("ledger"));
        root.report.error(codes::INVALID_VALUE, message, node.span, "a ledger is a file, or at `postgres://…`");
    }
    Some(text)
}

fn is_ledger_scheme(scheme: &str) -> bool {
    ["postgres", "postgresql"].contains(&scheme) || scheme.contains("${")
}

fn read_policies(root: &Reader<'_>) -> Policies {
    let default = Policies::default();
    let Some(policies) = root.object("policies", keys::POLICIES) else { return default };
    let breaking = policies.object("breaking", keys::BREAKING);
    let approval = breaking.and_then(|breaking| breaking.word("approval", keys::APPROVALS));
    Policies {
        owners_approve_breaking: approval == Some("owner"),
        tags: if policies.has("tags") { policies.texts("tags") } else { default.tags },
    }
}

fn read_environments(root: &Reader<'_>) -> BTreeMap<String, EnvironmentSpec> {
    let Some(node) = root.get("environments") else {
        return BTreeMap::from([("dev".to_owned(), EnvironmentSpec::default())]);
    };
    let Value::Map(entries) = &node.value else {
        wrong_type(root.report, &root.of("environments"), node, "an object");
        return BTreeMap::new();
    };
    let mut environments = BTreeMap::new();
    for entry in entries {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if entry.key.is_empty() || !entry.key.chars().all(is_name) {
            let message = format!("`{}` is not a name of an environment", entry.key);
            root.report.error(codes::INVALID_NAME, message, entry.key_span, "letters, digits, `-`, `_` and `.`");
        }
        let what = format!("environment `{}`", entry.key);
        let reader = Reader::open(root.report, &what, entry.key_span, &entry.node, keys::ENVIRONMENT);
        let protected = reader.and_then(|reader| reader.flag("protected")).unwrap_or(false);
        environments.insert(entry.key.clone(), EnvironmentSpec { protected });
    }
    environments
}

/// Reads `vars`: values by name.
pub(super) fn read_vars(root: &Reader<'_>) -> BTreeMap<String, serde_json::Value> {
    let Some(node) = root.get("vars") else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        wrong_type(root.report, &root.of("vars"), node, "an object");
        return BTreeMap::new();
    };
    entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
}

/// Reads an amount of memory in bytes.
pub(super) fn read_size(root: &Reader<'_>, key: &str) -> Option<u64> {
    let node = root.get(key)?;
    let text = root.as_text(key, node)?;
    let size = parse_size(&text);
    if size.is_none() {
        let message = format!("{} is `{text}`, which is not an amount of memory", root.of(key));
        root.report.error(codes::INVALID_VALUE, message, node.span, "expected for example 512MiB or 2GiB");
    }
    size
}

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = UNITS.iter().find_map(|(unit, size)| Some((text.trim().strip_suffix(unit)?, size)))?;
    number.trim().parse::<u64>().ok().filter(|number| *number > 0)?.checked_mul(*unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("512MiB"), Some(536_870_912));
        assert_eq!(parse_size("2 GB"), Some(2_000_000_000));
        for bad in ["", "2", "GiB", "-1GiB", "1.5GiB", "0B", "99999999999GiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
