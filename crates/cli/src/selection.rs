//! From `--select` and `--exclude` to the assets they stand for.

use std::collections::BTreeSet;

use baton_core::{AssetName, Timestamp};
use baton_orchestrator::Prepared;
use baton_plan::{Plan, Selection, SelectionContext};

use crate::args::SelectionArguments;
use crate::error::CliError;
use crate::output;
use crate::project::Workspace;
use crate::render::style;

impl Workspace {
    /// The selected assets; `None` when nothing was asked for, which means all. What matches nothing is warned about.
    ///
    /// # Errors
    /// [`CliError::Selection`], and those of planning when the selection asks for a state.
    pub(crate) async fn select(
        &self,
        prepared: &Prepared,
        as_of: Timestamp,
        arguments: &SelectionArguments,
    ) -> Result<Option<BTreeSet<AssetName>>, CliError> {
        let selection = Selection::parse(&arguments.select)?.excluding(&arguments.exclude)?;
        if selection.is_everything() {
            return Ok(None);
        }
        let plan = match selection.needs_plan() {
            true => Some(baton_orchestrator::plan(self.services(), prepared, &self.environment, as_of).await?),
            false => None,
        };
        self.resolve_selection(&selection, prepared, plan.as_ref()).map(Some)
    }

    /// The assets of a selection, against a plan that is there already.
    ///
    /// # Errors
    /// [`CliError::Selection`].
    pub(crate) fn resolve_selection(
        &self,
        selection: &Selection,
        prepared: &Prepared,
        plan: Option<&Plan>,
    ) -> Result<BTreeSet<AssetName>, CliError> {
        let context = SelectionContext { graph: &prepared.graph, assets: &prepared.project.assets, plan };
        let found = selection.resolve(&context)?;
        for unmatched in found.unmatched.iter().filter(|_| !self.context.quiet) {
            output::say(&format!("{} {}", style::warning("warning:"), unmatched.message()));
        }
        Ok(found.assets)
    }
}
