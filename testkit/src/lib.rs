//! Test project harness and contract suites.

pub mod ledger_suite;
pub mod online_suite;
pub mod operations_suite;
pub mod postgres;
pub mod project;
