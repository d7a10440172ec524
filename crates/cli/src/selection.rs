//! From `--select` and `--exclude` to the assets they stand for.

use std::collections::BTreeSet;

use baton_core::{AssetName, Timestamp};
use baton_orchestrator::{Prepared, RunError};

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
        let asked = (arguments.select.as_slice(), arguments.exclude.as_slice());
        let found = baton_orchestrator::select(self.services(), prepared, &self.environment, as_of, asked).await;
        let found = found.map_err(|error| match error {
            RunError::Selection(error) => CliError::Selection(error),
            error => CliError::Run(error),
        })?;
        let Some(found) = found else { return Ok(None) };
        for unmatched in found.unmatched.iter().filter(|_| !self.context.quiet) {
            output::say(&format!("{} {}", style::warning("warning:"), unmatched.message()));
        }
        Ok(Some(found.assets))
    }
}
