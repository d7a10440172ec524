//! The real binary on small projects: whole answers, streams and exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod change;
mod command_line;
mod demo;
mod diagnostics;
mod explain;
mod flights;
mod inspect;
mod look;
mod lsp;
mod plan;
mod safety;
mod select;
mod serve;
mod shop;
mod unit_tests;
