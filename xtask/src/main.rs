//! `cargo xtask`: everything that developers and the test machine run, in plain Rust.
//!
//! Start at [`Task`]. Each task is a file: [`test`], [`tidy`], [`generate`], [`bench`].
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the developers' tool speaks to the terminal")]

mod bench;
mod failure;
mod generate;
mod libraries;
mod process;
mod python;
mod repository;
mod servers;
mod test;
mod tidy;

use std::process::ExitCode;

use failure::{Failure, Outcome};
use repository::Repository;

const USAGE: &str = "\
usage: cargo xtask <task>

  test [--no-setup]   formatting, tidiness, lints and all tests, as on the test machine;
                      --no-setup: take the Python clients as they are
  tidy                the rules of the repository that no other tool checks
  gen [--check]       write the generated references; --check: fail when one is stale
  bench [NAME…] [--output json]
                      benchmarks beside their peers: pit, profile, plan, online, predict, scale, tpch,
                      schedule, ingest
  bench soak [--minutes N] [--output json]
                      schedules, servers that are killed, databases that restart: is anything lost?";

/// What can be asked of this tool.
enum Task {
    Test { set_up: bool },
    Tidy,
    Generate { check: bool },
    Bench { arguments: Vec<String> },
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::AlreadyTold) => ExitCode::FAILURE,
        Err(Failure::Message(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Option<Task> {
    let (task, rest) = arguments.split_first()?;
    let flag = |name: &str| match rest {
        [] => Some(false),
        [only] if only == name => Some(true),
        _ => None,
    };
    match task.as_str() {
        "test" => Some(Task::Test { set_up: !flag("--no-setup")? }),
        "tidy" if rest.is_empty() => Some(Task::Tidy),
        "gen" => Some(Task::Generate { check: flag("--check")? }),
        "bench" => Some(Task::Bench { arguments: rest.to_vec() }),
        _ => None,
    }
}

fn run(task: &Task) -> Outcome {
    let repository = Repository::here();
    match task {
        Task::Test { set_up } => test::run(&repository, *set_up),
        Task::Tidy => tidy::run(&repository),
        Task::Generate { check } => generate::run(&repository, *check),
        Task::Bench { arguments } => bench::run(&repository, arguments),
    }
}
