//! The project of the soak: sources, tables, schedules, and the files that come while it goes on.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::origin::Origin;
use super::{Outcome, Wish};

/// Tables that the ticks look after.
const LIGHT: usize = 8;
/// Rows of a file, and how often one comes.
const ROWS: u64 = 20;
const EVERY: Duration = Duration::from_secs(2);

/// The project's folder, and what was put into it so far.
pub(super) struct SoakProject {
    pub(super) folder: PathBuf,
    /// The instant after which nothing is due.
    pub(super) ends_at: DateTime<Utc>,
    files: Cell<u64>,
}

impl SoakProject {
    pub(super) fn write(wish: &Wish, ledger: &str, origin: &Origin) -> Outcome<Self> {
        let folder = wish.folder.join("project");
        fs::create_dir_all(folder.join("tables"))?;
        fs::create_dir_all(folder.join("landing"))?;
        // The last tick has most of its minute to be seen: servers may be taking over just then.
        let end = now()? + TimeDelta::from_std(wish.length)? + TimeDelta::seconds(15);
        let ends_at = end - TimeDelta::seconds(end.timestamp().rem_euclid(60)) + TimeDelta::seconds(50);
        let project = Self { folder, ends_at, files: Cell::new(0) };
        project.put("baton.yml", &settings(wish, ledger))?;
        project.put("sources.yml", &sources(&origin.api_url()))?;
        project.put("schedules.yml", &schedules(wish, &project.ends_at, &origin.receiver_url()))?;
        for number in 0..LIGHT {
            let sql = format!("select {number} as number, count(*) as n, max(id) as newest from deliveries\n");
            project.put(&format!("tables/light_{number}.sql"), &sql)?;
        }
        project.put("tables/scored.py", SCORED)?;
        project.add_file()?;
        Ok(project)
    }

    fn put(&self, path: &str, text: &str) -> Outcome<()> {
        Ok(fs::write(self.folder.join(path), text)?)
    }

    /// Brings the project into all environments.
    pub(super) fn apply(&self, wish: &Wish) -> Outcome<()> {
        for number in 0..wish.environments {
            self.baton(wish, &["apply", "--yes", "-e", &environment(number)])?;
        }
        Ok(())
    }

    /// Takes in what waited for the API while it was down, by servers: they also tell that all is well again.
    pub(super) fn catch_up(&self, wish: &Wish) -> Outcome<()> {
        for number in 0..wish.environments {
            let (schedule, environment) = (format!("pull_{number}"), environment(number));
            self.baton(wish, &["schedule", "trigger", &schedule, "--wait", "-e", &environment])?;
        }
        Ok(())
    }

    /// What a command prints.
    pub(super) fn baton(&self, wish: &Wish, arguments: &[&str]) -> Outcome<String> {
        let output = self.command(wish, arguments).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Err(format!("`baton {}` failed: {told}", arguments.join(" ")).into())
    }

    pub(super) fn command(&self, wish: &Wish, arguments: &[&str]) -> Command {
        let mut command = Command::new(&wish.baton);
        command.args(arguments).arg("-C").arg(&self.folder).env("BATON_PYTHON", &wish.python).env("BATON_THREADS", "1");
        command
    }

    /// Puts down the files that are due.
    pub(super) fn deliver(&self, elapsed: Duration) -> Outcome<()> {
        while EVERY * u32::try_from(self.files.get())? <= elapsed {
            self.add_file()?;
        }
        Ok(())
    }

    fn add_file(&self) -> Outcome<()> {
        let number = self.files.get();
        let mut text = "id,made_at\n".to_owned();
        let made_at = now()?.to_rfc3339_opts(SecondsFormat::Millis, true);
        for id in number * ROWS..(number + 1) * ROWS {
            writeln!(text, "{id},{made_at}")?;
        }
        let aside = self.folder.join("landing/part");
        fs::write(&aside, text)?;
        fs::rename(aside, self.folder.join(format!("landing/d-{number:06}.csv")))?;
        self.files.set(number + 1);
        Ok(())
    }

    /// How many rows were delivered.
    pub(super) fn rows(&self) -> u64 {
        self.files.get() * ROWS
    }
}

#[expect(clippy::disallowed_methods, reason = "the schedules of the soak follow the machine's clock")]
fn now() -> Outcome<DateTime<Utc>> {
    Ok(DateTime::from(std::time::SystemTime::now()))
}

/// The name of an environment by its number.
pub(super) fn environment(number: usize) -> String {
    format!("e{number}")
}

fn settings(wish: &Wish, ledger: &str) -> String {
    let mut text = format!("project: soak\nledger: {ledger}\nenvironments:\n");
    for number in 0..wish.environments {
        text.push_str(&format!("  {}: {{}}\n", environment(number)));
    }
    text + "execution:\n  retries: {attempts: 3, backoff: 1s, max: 5s}\n"
}

fn sources(api: &str) -> String {
    format!(
        "sources:
  - name: deliveries
    connector: file
    path: landing/d-*.csv
    load: append
    columns:
      - {{name: id, type: int, checks: [not_null, unique]}}
      - {{name: made_at, type: timestamp}}
  - name: events
    connector: http
    url: {api}
    mode: incremental
    cursor: id
    key: [id]
    options:
      incremental: {{param: since}}
      pagination: {{by: page}}
      retries: 2
      pause_seconds: 0.2
      timeout_seconds: 5
    columns:
      - {{name: id, type: int, checks: [not_null, unique]}}
      - {{name: kind, type: string}}
      - {{name: value, type: int}}
"
    )
}

/// Slow enough to be met by a kill now and then.
const SCORED: &str = r#"import time

import pyarrow as pa
import pyarrow.compute as pc

config = {"columns": {"id": "int", "score": "int"}}


def table(ctx, events: pa.Table):
    time.sleep(0.3)
    return pa.table({"id": events["id"], "score": pc.multiply(events["value"], 2)})
"#;

fn schedules(wish: &Wish, ends_at: &DateTime<Utc>, receiver: &str) -> String {
    let ends_at = ends_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let blackout = format!("blackouts: [{{from: \"{ends_at}\", until: \"2099-01-01T00:00:00Z\"}}]");
    let mut text = "schedules:\n".to_owned();
    let mut add = |name: String, environment: &str, rest: &str| {
        text.push_str(&format!("  - {{name: {name}, environments: [{environment}], {rest}}}\n"));
    };
    for number in 0..wish.environments {
        let environment = environment(number);
        for tick in 0..wish.rate * 60 / wish.environments {
            let rest = format!("cron: '* * * * *', catch_up: all, select: [light_{}], {blackout}", tick % LIGHT);
            add(format!("tick_{number}_{tick}"), &environment, &rest);
        }
        let files = "files: 'landing/d-*.csv', select: [deliveries], priority: 5";
        add(format!("land_{number}"), &environment, files);
        let pull = format!(
            "cron: '* * * * *', catch_up: latest, select: [events, scored], priority: 10, notify: [ops], {blackout}"
        );
        add(format!("pull_{number}"), &environment, &pull);
    }
    text + &format!("channels:\n  - {{name: ops, kind: webhook, url: '{receiver}', hears: [failure, recovery]}}\n")
}
