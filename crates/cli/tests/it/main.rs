//! The real binary on small projects: whole answers, streams and exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod change;
mod command_line;
mod diagnostics;
mod flights;
mod look;
mod safety;
mod serve;
mod shop;
