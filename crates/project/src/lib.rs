//! A folder of YAML, SQL and Python to a [`Project`], with every mistake in it as a diagnostic.
//!
//! Start at [`load`]. Reading is pure text in, text out ([`load_texts`]); only [`load`] touches files. SQL is not
//! parsed here: the engine says which tables a query reads, and [`graph`] puts that together with the rest.
//!
//! Invariant: reading never stops at a mistake. What could not be built is left out of the assets, its name still
//! counts as declared, and a diagnostic says why.

mod edit;
mod files;
mod graph;
mod keys;
mod load;
mod project;
mod python;
mod reader;
mod report;
mod resolve;
mod schema;
mod search;
mod seed;
mod shape;
mod spec;
mod sql_file;
mod stamp;
mod streams;
mod template;
mod unread;
mod yaml;

pub use edit::with_setting;
pub use files::load;
pub use graph::graph;
pub use load::load_texts;
pub use project::{Loaded, Project};
pub use schema::json_schema;
pub use spec::{EnvironmentSpec, Policies, PythonSettings, Settings, TrackingSettings};
pub use stamp::{stamp, stamp_of_all, stamp_of_project};
pub use yaml::yaml_to_json;

#[cfg(test)]
mod tests;
