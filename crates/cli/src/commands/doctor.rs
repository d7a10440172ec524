//! `baton doctor`: settings, stores and libraries, each tried out.

use std::path::Path;

use baton_core::Definition;
use baton_core::ports::OnlineStore as _;
use baton_diagnostics::{Severity, count};
use baton_ledger::{Location, SqlLedger};
use serde::Serialize;

use super::end_at_interrupt;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::render::style;
use crate::wire::{self, Access};
use crate::{output, render};

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    detail: String,
}

impl Finding {
    fn of(what: &'static str, outcome: Result<String, String>) -> Self {
        let ok = outcome.is_ok();
        Self { what, ok, detail: outcome.unwrap_or_else(|reason| reason) }
    }
}

/// Tries everything that the other commands need.
pub(super) async fn doctor(context: &Context) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let mut findings = vec![Finding::of("version", Ok(env!("CARGO_PKG_VERSION").to_owned()))];
    match Workspace::open(context, Access::Read).await {
        Ok(workspace) => examine(&workspace, &mut findings).await,
        Err(error @ CliError::Ledger(_)) => findings.push(Finding::of("ledger", Err(error.to_string()))),
        Err(error) => findings.push(Finding::of("project", Err(error.to_string()))),
    }
    findings.push(Finding::of("onnx runtime", onnxruntime(context)));
    if context.is_json() {
        output::print_json(&findings)?;
    } else {
        output::print(&as_text(&findings))?;
    }
    let failed = findings.iter().filter(|finding| !finding.ok).count();
    if failed == 0 { Ok(Outcome::Fine) } else { Err(CliError::NotInOrder { failed, total: findings.len() }) }
}

async fn examine(workspace: &Workspace, findings: &mut Vec<Finding>) {
    findings.push(Finding::of("project", project(workspace).await));
    let folder = &workspace.services().folder;
    let settings = &workspace.project.settings;
    findings.push(Finding::of("warehouse", writable(&folder.join(&settings.warehouse))));
    findings.push(Finding::of("ledger", ledger(folder, &settings.ledger).await));
    findings.push(Finding::of("online store", online(&folder.join(&settings.online))));
    for (name, answer) in baton_orchestrator::connections(workspace.services(), &workspace.project).await {
        let named = |text: String| format!("{name}: {text}");
        findings.push(Finding::of("source", answer.map(named).map_err(named)));
    }
    let (services, environment) = (workspace.services(), workspace.environment.as_str());
    for (name, answer) in baton_orchestrator::destinations(services, &workspace.project, environment).await {
        let named = |text: String| format!("{name}: {text}");
        findings.push(Finding::of("export", answer.map(named).map_err(named)));
    }
    findings.push(Finding::of("port", port(&settings.bind, settings.port)));
    if has_python(workspace) {
        findings.push(Finding::of("python", python(workspace).await));
    }
}

fn has_python(workspace: &Workspace) -> bool {
    let mut assets = workspace.project.assets.values();
    assets.any(|asset| matches!(&asset.definition, Definition::Table(table) if table.python.is_some()))
}

/// A worker that starts, with the package that hands over rows.
async fn python(workspace: &Workspace) -> Result<String, String> {
    let workers = &workspace.services().python;
    let interpreter = workers.interpreter().map_err(|error| error.to_string())?;
    let (python, pyarrow) = workers.versions().await.map_err(|error| error.to_string())?;
    Ok(format!("{} {python}, pyarrow {pyarrow}", interpreter.display()))
}

async fn project(workspace: &Workspace) -> Result<String, String> {
    let (_, diagnostics) = workspace.examine(workspace.as_of()).await.map_err(|error| error.to_string())?;
    let (errors, assets) = (count(&diagnostics, Severity::Error), workspace.project.assets.len());
    match errors {
        0 => Ok(format!("{}: {assets} assets, environment {}", workspace.project.name, workspace.environment)),
        errors => Err(format!("{errors} errors; `baton check` shows them")),
    }
}

/// A folder in which a file can be made, or that can be made itself.
fn writable(folder: &Path) -> Result<String, String> {
    let there = folder.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("."));
    let made = tempfile::NamedTempFile::new_in(there);
    made.map(|_| folder.display().to_string()).map_err(|error| format!("{}: {error}", folder.display()))
}

async fn ledger(folder: &Path, said: &str) -> Result<String, String> {
    let location = wire::ledger_location(folder, said).map_err(|error| error.to_string())?;
    let opened = SqlLedger::open_existing(&location).await.map_err(|error| error.to_string())?;
    let place = if matches!(location, Location::Server(_)) { format!("{location}: ") } else { String::new() };
    let Some(opened) = opened else { return Ok(format!("{place}not there yet; the first apply makes it")) };
    let root = opened.verify().await.map_err(|error| error.to_string())?;
    Ok(format!("{place}{} events, the seal holds", render::count(root.size)))
}

fn online(path: &Path) -> Result<String, String> {
    if !path.exists() {
        return Ok("not there yet; the first feature view makes it".to_owned());
    }
    let opened = baton_serving::RedbOnlineStore::at(path).snapshot();
    opened.map(|_| path.display().to_string()).map_err(|error| error.to_string())
}

fn port(bind: &str, port: u16) -> Result<String, String> {
    let tried = std::net::TcpListener::bind((bind, port));
    tried.map(|_| format!("{bind}:{port} is free")).map_err(|error| format!("{bind}:{port}: {error}"))
}

/// Needed for models that are no trees, and for those only.
fn onnxruntime(context: &Context) -> Result<String, String> {
    match &context.settings.onnxruntime {
        None => Ok("not set (BATON_ONNXRUNTIME); needed only for ONNX models from elsewhere".to_owned()),
        Some(path) if path.is_file() => Ok(path.display().to_string()),
        Some(path) => Err(format!("{} is not there; set BATON_ONNXRUNTIME to the library's file", path.display())),
    }
}

fn as_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let sign = if finding.ok { style::good("✓") } else { style::error("✗") };
        text.push_str(&format!("{sign} {:<13} {}\n", finding.what, finding.detail));
    }
    text
}
