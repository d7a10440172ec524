//! `baton demo`: the whole relay on a year of real flights.

use super::end_at_interrupt;
use crate::args::DemoArguments;
use crate::context::Context;
use crate::demo;
use crate::error::CliError;
use crate::exit::Outcome;

/// Writes the project and runs it.
pub(super) async fn demo(context: &Context, arguments: &DemoArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    demo::run(context, &arguments.dir, arguments.force).await?;
    Ok(Outcome::Fine)
}
