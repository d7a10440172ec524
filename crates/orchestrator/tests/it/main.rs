//! The relay on real flights, in process.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should say where, and what it measured"
)]

mod blast;
mod delta;
mod faults;
mod flights;
mod leak;
mod lineage_oracle;
mod online;
mod properties;
mod relay;
mod remembered;
mod repairs;
mod retyped;
