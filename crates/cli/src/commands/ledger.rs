//! `baton ledger`: moving the ledger to another database, and its seal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use baton_core::Clock as _;
use baton_core::failpoint;
use baton_core::ports::LedgerError;
use baton_ledger::{Copied, Location, SqlLedger};
use serde::Serialize;

use super::end_at_interrupt;
use crate::args::{LedgerArguments, LedgerCommand};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::project_folder;
use crate::wire::{SystemClock, ledger_location};
use crate::{output, render};

const HOLDER: &str = "baton ledger move";

/// Does what is asked for.
pub(super) async fn ledger(context: &Context, arguments: &LedgerArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let folder = project_folder(&context.folder)?;
    let said = baton_project::load(&folder).project.settings.ledger;
    match &arguments.command {
        LedgerCommand::Move(arguments) => move_ledger(context, &folder, &said, &arguments.to).await,
        LedgerCommand::Verify => verify(context, &folder, &said).await,
    }
}

/// What a move did.
#[derive(Debug, Serialize)]
struct Moved {
    from: String,
    to: String,
    events: u64,
    root: String,
    rows: BTreeMap<&'static str, u64>,
}

async fn move_ledger(context: &Context, folder: &Path, said: &str, to: &str) -> Result<Outcome, CliError> {
    let (from, to_there) = (ledger_location(folder, said)?, ledger_location(folder, to)?);
    if from.to_string() == to_there.to_string() {
        return Err(CliError::argument(
            format!("the ledger is at `{from}` already"),
            "name another place with --to, or leave it where it is",
        ));
    }
    let source = open(&from).await?;
    let target = SqlLedger::open(&to_there).await?;
    let _guards = (source.own_storage(HOLDER).await?, target.own_storage(HOLDER).await?);
    let copied = source.copy_to(&target, SystemClock.now()).await?;
    failpoint::reach("ledger.copied");
    write_setting(folder, to)?;
    answer(context, &from, &to_there, &copied)?;
    Ok(Outcome::Fine)
}

async fn open(location: &Location) -> Result<SqlLedger, CliError> {
    let none = || LedgerError::Storage {
        action: format!("open `{location}`"),
        reason: "there is none yet; the first apply makes one where `ledger:` in baton.yml says".to_owned(),
    };
    Ok(SqlLedger::open_existing(location).await?.ok_or_else(none)?)
}

/// Writes `ledger:` into `baton.yml`, all of it or nothing.
fn write_setting(folder: &Path, to: &str) -> Result<(), CliError> {
    let path = folder.join("baton.yml");
    let text = fs::read_to_string(&path).map_err(CliError::file("read", &path))?;
    let changed = baton_project::with_setting(&text, "ledger", to).ok_or_else(|| LedgerError::Storage {
        action: "be named in baton.yml".to_owned(),
        reason: format!(
            "everything is copied, but `ledger:` cannot be written there without disturbing the rest; write `ledger: \"{to}\"` \
             yourself, and it counts from then on"
        ),
    })?;
    let new = folder.join(".baton.yml.new");
    fs::write(&new, changed).map_err(CliError::file("write", &new))?;
    fs::File::open(&new).and_then(|file| file.sync_all()).map_err(CliError::file("write", &new))?;
    fs::rename(&new, &path).map_err(CliError::file("write", &path))
}

fn answer(context: &Context, from: &Location, to: &Location, copied: &Copied) -> Result<(), CliError> {
    let moved = Moved {
        from: from.to_string(),
        to: to.to_string(),
        events: copied.root.size,
        root: copied.root.hash.clone(),
        rows: copied.rows.iter().copied().collect(),
    };
    if context.is_json() {
        return output::print_json(&moved);
    }
    let count = |table: &str| render::count(moved.rows.get(table).copied().unwrap_or_default());
    output::print(&format!(
        "The ledger is at {} now: {} events, {} commits, {} environments, {} tags, {} runs; seal {} on both sides.\n\
         baton.yml says so. What was at {} is still there and no longer used.\n",
        moved.to,
        count("event"),
        count("commit_record"),
        count("environment"),
        count("tag"),
        count("run"),
        moved.root.get(..10).unwrap_or(&moved.root),
        moved.from,
    ))
}

/// What the seal says.
#[derive(Debug, Serialize)]
struct Verified {
    ledger: String,
    events: u64,
    root: String,
}

async fn verify(context: &Context, folder: &Path, said: &str) -> Result<Outcome, CliError> {
    let location = ledger_location(folder, said)?;
    let root = open(&location).await?.verify().await?;
    let verified = Verified { ledger: location.to_string(), events: root.size, root: root.hash };
    if context.is_json() {
        output::print_json(&verified)?;
    } else {
        let count = render::count(verified.events);
        output::print(&format!("{}: {count} events, the seal holds: {}\n", verified.ledger, verified.root))?;
    }
    Ok(Outcome::Fine)
}
