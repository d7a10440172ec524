//! The project behind a server: its assets, as its files and its environment are when somebody asks.

use std::sync::Arc;

use async_trait::async_trait;
use baton_diagnostics::has_errors;
use baton_orchestrator::{AssetLine, ExternalLine, ExternalLineage, RunError};
use baton_server::{AssetSelection, Catalog, CatalogAsset, CatalogError, Catalogued};

use crate::project::Workspace;

/// Answers from the folder that the server was started in.
pub(crate) struct ProjectCatalog {
    workspace: Arc<Workspace>,
}

impl ProjectCatalog {
    /// Of an open project.
    pub(crate) fn of(workspace: Arc<Workspace>) -> Self {
        Self { workspace }
    }

    async fn listed(&self, selection: &AssetSelection) -> Result<Catalogued, CatalogError> {
        let (services, environment) = (self.workspace.services(), self.workspace.environment.as_str());
        let as_of = self.workspace.viewed_at().await.map_err(|error| stores(&error))?;
        let loaded = baton_project::load(&services.folder);
        let (prepared, found) =
            baton_orchestrator::prepare(services, loaded.project, environment, as_of).await.map_err(of_run)?;
        let diagnostics = [loaded.diagnostics, found].concat();
        let prepared = prepared.filter(|_| !has_errors(&diagnostics)).ok_or_else(mistakes)?;
        let asked = (selection.select.as_slice(), selection.exclude.as_slice());
        let selected =
            baton_orchestrator::select(services, &prepared, environment, as_of, asked).await.map_err(of_run)?;
        let mut lines = baton_orchestrator::list(services, &prepared, environment, None).await.map_err(of_run)?;
        // What others make is no asset that can be selected; the whole list has it.
        let mut external = Vec::new();
        if selection.is_everything() {
            let told = ExternalLineage::read(services, environment).await.map_err(of_run)?;
            external = told.lines(&prepared, environment, &services.folder);
        }
        let mut unmatched = Vec::new();
        if let Some(selected) = selected {
            lines.retain(|line| selected.assets.contains(&line.name));
            unmatched.extend(selected.unmatched.iter().map(|expression| expression.message()));
        }
        let assets = lines.into_iter().map(shown).chain(external.into_iter().map(shown_external)).collect();
        Ok(Catalogued { assets, unmatched })
    }
}

#[async_trait]
impl Catalog for ProjectCatalog {
    async fn assets(&self, selection: &AssetSelection) -> Result<Catalogued, CatalogError> {
        self.listed(selection).await
    }
}

fn shown(line: AssetLine) -> CatalogAsset {
    let AssetLine { name, kind, version, rows, owner, description } = line;
    CatalogAsset { name: name.to_string(), kind: kind.to_string(), version, rows, owner, description }
}

/// A job or a dataset that another tool told of.
fn shown_external(line: ExternalLine) -> CatalogAsset {
    let ExternalLine { name, kind, description } = line;
    CatalogAsset { name, kind: kind.to_owned(), version: None, rows: None, owner: None, description }
}

fn mistakes() -> CatalogError {
    CatalogError::Project {
        message: "the project's files have mistakes, so what it asks for is not known".to_owned(),
        help: "`baton check` names them; predictions are served meanwhile".to_owned(),
    }
}

fn of_run(error: RunError) -> CatalogError {
    match error {
        RunError::Selection(error) => CatalogError::Selection { message: error.to_string(), help: error.help() },
        error => stores(&error),
    }
}

fn stores(error: &dyn std::error::Error) -> CatalogError {
    CatalogError::Stores { message: error.to_string() }
}
