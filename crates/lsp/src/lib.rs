//! Language server for project files: diagnostics as one types, hover with type and lineage, go to definition,
//! completion of names.
//!
//! Start at [`serve`]: the loop over messages on standard input and output. What the project means is asked of an
//! [`Analyst`], which the caller brings; nothing here reads a ledger or a lake, or knows how a project is resolved.
//! Invariant: an answer is about the newest text that the editor sent.

mod completion;
mod definition;
mod diagnostics;
mod documents;
mod hover;
mod server;
mod subject;
mod text;

use std::collections::BTreeMap;

use baton_diagnostics::Diagnostic;
use baton_orchestrator::Prepared;
use baton_project::Project;

pub use server::{LspError, serve};

/// What is understood of a project at one moment.
pub struct Understanding {
    /// What its files declare.
    pub project: Project,
    /// Everything that is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Types and lineage; `None` while there are errors.
    pub prepared: Option<Prepared>,
}

/// Who reads and resolves the project.
pub trait Analyst {
    /// Understands the project with these unsaved texts in place of the files, by path relative to its folder.
    ///
    /// # Errors
    /// What stands in the way besides mistakes in the project, in words.
    fn understand(&self, unsaved: &BTreeMap<String, String>) -> Result<Understanding, String>;
}
