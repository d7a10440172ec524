//! What a request in the queue asks for, as its name says: names of schedules hold no `/`.

use std::fmt;

/// What is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work<'r> {
    /// A schedule.
    Schedule(&'r str),
    /// A runbook.
    Runbook(&'r str),
    /// A run goes on.
    Resume(&'r str),
}

impl<'r> Work<'r> {
    /// What a request of this name asks for.
    pub(super) fn of(name: &'r str) -> Self {
        match name.split_once('/') {
            Some(("runbook", name)) => Self::Runbook(name),
            Some(("resume", run)) => Self::Resume(run),
            _ => Self::Schedule(name),
        }
    }
}

impl fmt::Display for Work<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule(name) => write!(formatter, "schedule `{name}`"),
            Self::Runbook(name) => write!(formatter, "runbook `{name}`"),
            Self::Resume(run) => write!(formatter, "run {run}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_asked_for() {
        let shown = ["nightly", "runbook/mend", "resume/3f2a"].map(|name| Work::of(name).to_string());
        assert_eq!(shown, ["schedule `nightly`", "runbook `mend`", "run 3f2a"]);
    }
}
