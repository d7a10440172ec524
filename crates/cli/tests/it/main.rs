//! The real binary on small projects: whole answers, streams and exit codes.

mod change;
mod command_line;
mod diagnostics;
mod look;
mod safety;
mod shop;
