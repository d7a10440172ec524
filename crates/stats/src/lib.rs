//! Sketches, profiles, check evaluation, drift, fairness and calibration: pure functions over Arrow data.
//!
//! This crate knows neither files nor tables nor SQL: it is handed record batches or slices of numbers and returns
//! plain values. Everything in it is deterministic: the same rows in the same order give the same bits.

pub mod calibration;
pub mod checks;
pub mod drift;
pub mod error;
pub mod fairness;
pub mod metrics;
pub mod profile;

pub use error::StatsError;
