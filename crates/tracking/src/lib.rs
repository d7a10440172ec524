//! Experiments, runs, metrics, parameters and tags: what clients of MLflow track.
//!
//! Start at [`TrackingStore`]: a SQLite file of its own beside the ledger, so that a million points of a metric never wait
//! for the ledger's writer. Writes that arrive together share one transaction and one sync to disk (`writer`); readers never
//! wait for them. [`run::search`] finds runs by the search language of MLflow ([`filter`]).
//!
//! It does not know HTTP, the lake, or what a project declares. Its words and the texts of its errors are MLflow's, because
//! clients read them.
//! Invariant: a write is on disk when it returns, and one that fails leaves nothing behind.

pub mod artifact;
pub mod base64;
mod error;
pub mod experiment;
pub mod filter;
pub mod input;
pub mod logged_model;
pub mod metric;
mod migrations;
mod names;
mod page;
pub mod registry;
pub mod run;
mod search;
mod store;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod trace;
mod transfer;
pub mod validate;
pub mod webhook;
mod writer;

pub use error::{Result, TrackingError};
pub use store::{StoreOptions, TrackingStore};
pub use transfer::Kept;

/// A key and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The text.
    pub value: String,
}

/// A parameter of a run: written once.
pub type Param = Tag;

/// Whether something was deleted. What was can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// It is there.
    Active,
    /// It was deleted.
    Deleted,
}

impl Lifecycle {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        if text == "deleted" { Self::Deleted } else { Self::Active }
    }
}

/// What a search looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// What is there.
    #[default]
    Active,
    /// What was deleted.
    Deleted,
    /// Both.
    All,
}

impl View {
    /// The only stage that is looked at, if there is one.
    pub(crate) fn stage(self) -> Option<Lifecycle> {
        match self {
            Self::Active => Some(Lifecycle::Active),
            Self::Deleted => Some(Lifecycle::Deleted),
            Self::All => None,
        }
    }
}

/// A page of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What was found.
    pub rows: Vec<T>,
    /// What to ask with for those that follow, if there are any.
    pub next: Option<String>,
}
