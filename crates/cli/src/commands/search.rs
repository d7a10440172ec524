//! `baton search`: try algorithms and parameters of a model on the environment's data, aside.

use std::path::Path;

use baton_core::duration::parse_seconds;
use baton_orchestrator::SearchRequest;

use super::end_at_interrupt;
use crate::args::SearchArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Searches; the environment is not touched. Trials are kept as they end, so that the same command goes on from there.
pub(super) async fn search(context: &Context, arguments: &SearchArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Write).await?;
    workspace.need_asset(&arguments.model)?;
    let as_of = workspace.viewed_at().await?;
    let prepared = workspace.prepare(as_of).await?;
    let request = request(arguments)?;
    let outcome =
        baton_orchestrator::search(workspace.services(), &prepared, &workspace.environment, as_of, &request).await?;
    if context.is_json() {
        output::print_json(&outcome)?;
    } else {
        output::print(&render::search(&outcome, arguments.limit))?;
    }
    Ok(Outcome::Fine)
}

fn request(arguments: &SearchArguments) -> Result<SearchRequest, CliError> {
    let budget = arguments.budget.as_deref().map(|text| match parse_seconds(text) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(CliError::argument(
            format!("`--budget {text}` is no duration"),
            "write a whole number and a unit, such as 90s, 15m or 2h",
        )),
    });
    Ok(SearchRequest {
        model: arguments.model.clone(),
        algorithm: arguments.algorithm.clone(),
        trials: arguments.trials,
        metric: arguments.metric.clone(),
        seed: arguments.seed,
        method: arguments.method.map(Into::into),
        prune: arguments.prune.map(Into::into),
        budget: budget.transpose()?,
        patience: arguments.patience,
        parallel: arguments.parallel,
        sweep: arguments.sweep.as_deref().map(sweep).transpose()?,
        again: arguments.no_cache,
    })
}

fn sweep(path: &Path) -> Result<serde_json::Value, CliError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(CliError::file("read", &shown))?;
    baton_project::yaml_to_json(&text).map_err(|reason| {
        CliError::argument(
            format!("`{shown}` is no sweep: {reason}"),
            "write `method`, `parameters` and what else sweeps have, as YAML",
        )
    })
}
