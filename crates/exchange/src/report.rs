//! What became of everything that was to be brought in.

use baton_tracking::Kept;
use serde::Serialize;

/// What became of records of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// They were not there.
    pub new: usize,
    /// They were there, and differed.
    pub changed: usize,
    /// They were there, the same.
    pub unchanged: usize,
}

impl Counts {
    /// Counts one.
    pub(crate) fn add(&mut self, kept: Kept) {
        match kept {
            Kept::New => self.new += 1,
            Kept::Changed => self.changed += 1,
            Kept::Same => self.unchanged += 1,
        }
    }
}

/// What became of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FileCounts {
    /// Copied.
    pub copied: usize,
    /// There already, with the same bytes.
    pub unchanged: usize,
    /// Bytes that were copied.
    pub bytes: u64,
    /// Runs and models whose files stay where they are, in a store that clients reach by themselves.
    pub elsewhere: usize,
}

/// Something that could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// The file and line, or the row.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// What was brought in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ImportReport {
    /// What was read.
    pub source: String,
    /// Experiments.
    pub experiments: Counts,
    /// Runs.
    pub runs: Counts,
    /// Models that runs logged.
    pub logged_models: Counts,
    /// Registered models.
    pub registered_models: Counts,
    /// Versions of registered models.
    pub model_versions: Counts,
    /// Traces.
    pub traces: Counts,
    /// Files.
    pub files: FileCounts,
    /// What else to know, in words.
    pub notes: Vec<String>,
    /// What could not be read or kept.
    pub set_aside: Vec<SetAside>,
}
