//! Why a task stopped.

/// A task's end without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What is wrong and what to do, still to be printed.
    Message(String),
    /// The tool that failed has said so itself, and its closing line is to stay the last.
    AlreadyTold,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

/// How a task ends.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;
