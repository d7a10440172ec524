//! The real binary on small projects: whole answers, streams and exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod answers;
mod change;
mod channels;
mod command_line;
mod databases;
mod demo;
mod diagnostics;
mod diff;
mod drift;
mod environments;
mod explain;
mod flights;
mod inspect;
mod kept;
mod kills;
mod look;
mod lsp;
mod merged_rows;
mod plan;
mod promoting;
mod python_tables;
mod reproduce;
mod restated;
mod safety;
mod schedules;
mod select;
mod serve;
mod shop;
mod storage;
mod unit_tests;
mod volume;
