//! What Baton tells a user about a mistake: one shape, one table of codes, renderers for terminal, JSON and HTTP.
//!
//! Start at [`Diagnostic`], then [`codes`]. Nothing here knows what a project or an asset is, and nothing prints.

pub mod codes;
mod diagnostic;
mod examples;
mod json;
mod nearest;
mod terminal;

pub use codes::{Code, CodeInfo};
pub use diagnostic::{Diagnostic, Label, Severity, count, has_errors};
pub use examples::Example;
pub use json::{to_json, to_problem};
pub use nearest::nearest;
pub use terminal::{render_terminal, summary};

#[cfg(test)]
mod tests;
