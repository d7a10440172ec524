//! `baton tracking`: what clients of MLflow track, served from one file, without a project, until Ctrl-C or SIGTERM.

use std::path::PathBuf;

use super::serve::{listen, stop_signal};
use crate::args::TrackingArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::{output, wire};

/// Serves the store.
pub(super) async fn tracking(context: &Context, arguments: &TrackingArguments) -> Result<Outcome, CliError> {
    let file = context.folder.join(file_of(&arguments.backend_store_uri)?);
    let artifacts = wire::artifact_place(context, &file, arguments.artifacts_destination.clone()).open()?;
    let tracking = wire::tracking(&file, artifacts).await?.with_allowed(arguments.guests.allowed());
    let tracking = tracking.with_prefix(&arguments.static_prefix);
    let listener = listen(&arguments.host, arguments.port).await?;
    let address = listener.local_addr().map_err(CliError::Output)?;
    output::print(&format!("listening on http://{address}\n"))?;
    if !context.quiet {
        output::say(&format!("  mlflow.set_tracking_uri(\"http://{address}\")"));
    }
    baton_server::serve_tracking(listener, tracking, stop_signal()).await.map_err(CliError::Output)?;
    if !context.quiet {
        output::say("stopped");
    }
    Ok(Outcome::Fine)
}

/// The file of `sqlite:///PATH` or `PATH`.
fn file_of(uri: &str) -> Result<PathBuf, CliError> {
    match uri.split_once("://") {
        None => Ok(PathBuf::from(uri)),
        Some(("sqlite", path)) => Ok(PathBuf::from(path.strip_prefix('/').unwrap_or(path))),
        Some((scheme, _)) => Err(CliError::argument(
            format!("what is tracked is kept in a file, and `--backend-store-uri` is at `{scheme}://…`"),
            "give a path, or `sqlite:///PATH`",
        )),
    }
}
