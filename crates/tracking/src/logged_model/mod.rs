//! Models that clients log: what they were made with, how they did, and where their files are.
//!
//! A logged model belongs to an experiment and has files of its own; the registry's versions point at them. It does not know
//! the files, nor versions.

mod metrics;
mod name;
mod read;
mod search;
mod transfer;
mod write;

pub(crate) use metrics::log_metrics;
pub(crate) use read::find;
pub use search::{DatasetScope, LoggedModelOrder, LoggedModelSearch};
pub use write::NewLoggedModel;
pub(crate) use write::tag;

use crate::{Param, Tag};

/// How far a model has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedModelStatus {
    /// Nothing is known.
    Unspecified,
    /// Its files are on their way.
    Pending,
    /// It can be loaded.
    Ready,
    /// Its files did not arrive.
    Failed,
}

impl LoggedModelStatus {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Unspecified, "LOGGED_MODEL_STATUS_UNSPECIFIED", "UNSPECIFIED"),
        (Self::Pending, "LOGGED_MODEL_PENDING", "PENDING"),
        (Self::Ready, "LOGGED_MODEL_READY", "READY"),
        (Self::Failed, "LOGGED_MODEL_UPLOAD_FAILED", "FAILED"),
    ];

    /// The names on the wire, in the order of their numbers.
    pub const NAMES: [&'static str; 4] =
        ["LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Reads the name on the wire.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(status, ..)| *status)
    }

    /// Reads the name that filters use.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(.., known)| *known == word).map(|(status, ..)| *status)
    }

    /// The number in the database.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn of_number(number: i64) -> Self {
        Self::ALL
            .iter()
            .find(|(status, ..)| status.number() == number)
            .map_or(Self::Unspecified, |(status, ..)| *status)
    }
}

/// A model as it was logged.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedModel {
    /// `m-` and 32 hex digits.
    pub model_id: String,
    /// The experiment.
    pub experiment_id: i64,
    /// The name; several models may share it.
    pub name: String,
    /// Where its files are.
    pub artifact_uri: String,
    /// Milliseconds since 1970.
    pub creation_time: i64,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
    /// How far it has come.
    pub status: LoggedModelStatus,
    /// What to know about the status.
    pub status_message: Option<String>,
    /// What kind of model it is, in its maker's words; empty when not said.
    pub model_type: String,
    /// The run that made it; empty when not said.
    pub source_run_id: String,
    /// By key.
    pub tags: Vec<Tag>,
    /// By key.
    pub params: Vec<Param>,
    /// By key, step and time.
    pub metrics: Vec<LoggedModelMetric>,
}

/// How a model did, on a dataset, as a run found out.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedModelMetric {
    /// What was measured.
    pub key: String,
    /// The figure; may be NaN.
    pub value: f64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The step of the run.
    pub step: i64,
    /// The run that measured.
    pub run_id: String,
    /// What it was measured on.
    pub dataset_name: Option<String>,
    /// Which content of it.
    pub dataset_digest: Option<String>,
}
