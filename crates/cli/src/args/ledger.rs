//! Arguments of the commands around the ledger itself.

use clap::{Args, Subcommand};

/// Arguments of `ledger`.
#[derive(Debug, Args)]
pub(crate) struct LedgerArguments {
    #[command(subcommand)]
    pub(crate) command: LedgerCommand,
}

/// What is to be done with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Copy everything to an empty ledger elsewhere, compare both, and use that one from then on
    Move(LedgerMoveArguments),
    /// Compute the seal of every event again, and say where the ledger is and what it holds
    Verify,
}

/// Arguments of `ledger move`.
#[derive(Debug, Args)]
pub(crate) struct LedgerMoveArguments {
    /// Where to: `postgres://user:${env:PGPASSWORD}@host/database?schema=name`, or a file relative to the project
    #[arg(long, value_name = "LEDGER")]
    pub(crate) to: String,
}
