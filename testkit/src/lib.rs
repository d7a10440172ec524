//! Test project harness and contract suites.

pub mod certificate;
mod daemon;
pub mod duckdb;
pub mod kafka;
pub mod ledger_suite;
pub mod mariadb;
pub mod mosquitto;
pub mod moto;
pub mod mysql_login;
pub mod nats;
pub mod online_suite;
pub mod operations_suite;
pub mod own_postgres;
pub mod postgres;
pub mod project;
pub mod python;
pub mod soak;
pub mod usage;
pub mod web;
