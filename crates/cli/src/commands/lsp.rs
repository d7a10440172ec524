//! `baton lsp`: the language server, on standard input and output until the editor ends it.

use std::collections::BTreeMap;

use baton_lsp::{Analyst, Understanding};
use baton_orchestrator::InspectOptions;
use tokio::runtime::Handle;

use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;

/// Serves one editor.
pub(super) async fn lsp(context: &Context) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let resolver = Resolver { workspace: &workspace, runtime: Handle::current() };
    // The protocol's loop waits for the editor without giving its thread back.
    tokio::task::block_in_place(|| baton_lsp::serve(&context.folder, &resolver))?;
    Ok(Outcome::Fine)
}

/// Reads the project's folder and resolves it against the environment.
struct Resolver<'a> {
    workspace: &'a Workspace,
    runtime: Handle,
}

impl Analyst for Resolver<'_> {
    fn understand(&self, unsaved: &BTreeMap<String, String>) -> Result<Understanding, String> {
        let loaded = baton_project::load(&self.workspace.context.folder);
        let (project, mut diagnostics) = if unsaved.is_empty() {
            (loaded.project, loaded.diagnostics)
        } else {
            let mut texts = loaded.project.texts;
            texts.extend(unsaved.clone());
            baton_project::load_texts(texts)
        };
        let (services, environment) = (self.workspace.services(), self.workspace.environment.as_str());
        let resolved = baton_orchestrator::prepare(services, project.clone(), environment, self.workspace.as_of());
        let (prepared, found) = self.runtime.block_on(resolved).map_err(|error| error.to_string())?;
        diagnostics.extend(found);
        let prepared = prepared.filter(|_| !baton_diagnostics::has_errors(&diagnostics));
        if let Some(prepared) = &prepared {
            diagnostics.extend(baton_orchestrator::inspect_project(prepared, InspectOptions::default()));
        }
        Ok(Understanding { project, diagnostics, prepared })
    }
}
