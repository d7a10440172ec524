//! The relay on real flights, in process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod delta;
mod faults;
mod flights;
mod leak;
mod online;
mod properties;
mod relay;
mod repairs;
