//! `cargo xtask test`: what must hold before a change goes in. The cheapest step comes first.
//!
//! Everything is built with the release profile, so that the large dependencies are built once for the binary, the
//! tests and the benchmarks.

use std::process::Command;

use crate::failure::Outcome;
use crate::libraries;
use crate::process;
use crate::python::Environment;
use crate::repository::Repository;
use crate::{generate, servers, tidy};

/// Runs every step. The last line is the test runner's own.
pub(crate) fn run(repository: &Repository, set_up: bool) -> Outcome {
    step("formatting");
    formatting(repository)?;
    step("tidiness");
    tidy::run(repository)?;
    step("generated references");
    generate::run(repository, true)?;
    step("servers");
    if set_up {
        servers::set_up()?;
        libraries::set_up()?;
    }
    step("Python clients");
    let environment = Environment::of_tests(repository)?;
    let mlflow = Environment::of_mlflow(repository)?;
    if set_up {
        environment.set_up()?;
        mlflow.set_up()?;
    }
    let onnxruntime = environment.onnxruntime()?;
    licences(repository)?;
    step("lints");
    let clippy = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    process::run(repository.in_root(process::cargo()).args(clippy))?;
    step("tests");
    let mut tests = repository.in_root(process::cargo());
    tests.args(runner_arguments());
    tests.env("BATON_TEST_PYTHON", environment.python()).env("BATON_TEST_DUCKDB", libraries::duckdb()?);
    tests.env("BATON_TEST_MLFLOW", mlflow.python());
    tests.env("BATON_TEST_ONNXRUNTIME", &onnxruntime).env("BATON_ONNXRUNTIME", &onnxruntime);
    process::run(&mut tests)
}

/// Lists the files that `cargo fmt` would change.
fn formatting(repository: &Repository) -> Outcome {
    let listed = process::run(repository.in_root(process::cargo()).args(["fmt", "--all", "--", "--check", "-l"]));
    listed.map_err(|_listed| "these files are not formatted: run `cargo fmt --all`".to_owned().into())
}

/// `cargo nextest` where it is installed: a test a process, each with a time limit. `cargo test` otherwise.
fn runner_arguments() -> &'static [&'static str] {
    if process::succeeds(process::cargo().args(["nextest", "--version"])) {
        &["nextest", "run", "--release", "--workspace", "--profile", "ci"]
    } else {
        &["test", "--release", "--workspace", "--no-fail-fast"]
    }
}

/// Licences and doubled dependencies, where the tool for it is installed.
fn licences(repository: &Repository) -> Outcome {
    if !process::succeeds(Command::new("cargo-deny").arg("--version")) {
        return Ok(());
    }
    step("licences and bans");
    process::run(repository.in_root(process::cargo()).args(["deny", "check", "licenses", "bans", "sources"]))
}

fn step(name: &str) {
    eprintln!("── {name}");
}
