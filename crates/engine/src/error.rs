//! What can go wrong here, in words for people: never a raw message of the query engine's debug output.

use datafusion::error::DataFusionError;

/// What sort of thing is wrong with a SQL text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProblemKind {
    /// The text cannot be parsed, or breaks a rule of its own.
    #[default]
    Invalid,
    /// A table or alias is not there.
    UnknownTable,
    /// A column is not there.
    UnknownColumn,
    /// A function is not there.
    UnknownFunction,
    /// A column name means several columns.
    AmbiguousColumn,
    /// A value has a type that its operator or function does not take.
    WrongType,
    /// A function gives another value each time.
    Unrepeatable,
}

/// One thing wrong with a SQL text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlProblem {
    /// What sort of thing it is.
    pub kind: ProblemKind,
    /// What is wrong and what to do: lower-case, no full stop.
    pub message: String,
    /// The line in the SQL text, from 1; 1 when the place is not known.
    pub line: usize,
    /// The column in the line, in characters from 1; 1 when the place is not known.
    pub column: usize,
    /// How many characters it covers on that line; 0 when the place is not known.
    pub length: usize,
    /// The name that was not found, when that is the problem.
    pub unknown_name: Option<String>,
    /// The names that would have been valid there, sorted.
    pub candidates: Vec<String>,
}

impl SqlProblem {
    /// A problem whose place in the text is not known.
    pub fn somewhere(message: impl Into<String>) -> Self {
        let kind = ProblemKind::default();
        Self {
            kind,
            message: message.into(),
            line: 1,
            column: 1,
            length: 0,
            unknown_name: None,
            candidates: Vec::new(),
        }
    }
}

impl std::fmt::Display for SqlProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.length == 0 {
            return formatter.write_str(&self.message);
        }
        write!(formatter, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The SQL text is wrong.
    #[error("the SQL is wrong: {}", join_lines(.0))]
    Sql(Vec<SqlProblem>),
    /// The statement would change something.
    #[error(
        "`{statement}` is not allowed here: only SELECT, WITH, EXPLAIN, SHOW and DESCRIBE read without changing anything"
    )]
    NotReadOnly {
        /// The statement's first word.
        statement: String,
    },
    /// Rows do not meet those of the table as it says.
    #[error("the rows cannot be kept as the table says: {reason}")]
    Kept {
        /// Which rows, and what to do.
        reason: String,
    },
    /// The construct cannot say when its rows became known.
    #[error("{construct} cannot be used in a table: Baton could not tell when its rows became known; {advice}")]
    AvailabilityUnknown {
        /// The construct in words.
        construct: String,
        /// What to write instead.
        advice: String,
    },
    /// The time column of an incremental table is not among its output columns, or is not a time.
    #[error("the time column `{column}` {reason}")]
    TimeColumn {
        /// As configured.
        column: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// Views refer to each other in a circle.
    #[error("the views {} refer to each other in a circle", .0.join(", "))]
    ViewCycle(Vec<String>),
    /// The query needs more memory than it may have, and could not spill.
    #[error(
        "out of memory: the query needs more than the limit of {} MiB; raise `memory_limit` in baton.yml or make the query smaller",
        limit_bytes / (1 << 20)
    )]
    OutOfMemory {
        /// The limit.
        limit_bytes: usize,
    },
    /// A data file could not be read.
    #[error("could not read table data: {0}")]
    Read(String),
    /// A value made the query fail while it ran.
    #[error("the query failed while running: {0}")]
    Execution(String),
    /// The engine could not be set up.
    #[error("could not set up the engine: {0}")]
    Setup(String),
    /// The inputs of a point-in-time join do not fit.
    #[error("point-in-time join: {0}")]
    PointInTime(String),
    /// Temporary files could not be written or read.
    #[error("could not use the spill folder `{folder}`: {reason}")]
    Spill {
        /// The folder.
        folder: String,
        /// The operating system's words.
        reason: String,
    },
}

fn join_lines(problems: &[SqlProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Turns a failure while running into words; `limit_bytes` is the session's memory limit.
pub(crate) fn execution_error(error: &DataFusionError, limit_bytes: usize) -> EngineError {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => EngineError::OutOfMemory { limit_bytes },
        DataFusionError::ParquetError(inner) => EngineError::Read(inner.to_string()),
        DataFusionError::ObjectStore(inner) => EngineError::Read(inner.to_string()),
        DataFusionError::IoError(inner) => EngineError::Read(inner.to_string()),
        root => EngineError::Execution(plain_message(root)),
    }
}

/// The message of `error` without the engine's prefixes and backtraces.
pub(crate) fn plain_message(error: &DataFusionError) -> String {
    let text = match error.find_root() {
        DataFusionError::ArrowError(inner, _) => inner.to_string(),
        root => root.strip_backtrace(),
    };
    let mut message = text.as_str();
    for prefix in [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "Arrow error: ",
        "Optimizer rule 'simplify_expressions' failed caused by ",
        "This feature is not implemented: ",
        "SQL error: ",
        "Internal error: ",
    ] {
        message = message.strip_prefix(prefix).unwrap_or(message);
    }
    let message = message.split("\n\nbacktrace").next().unwrap_or(message).trim();
    message.strip_suffix('.').unwrap_or(message).to_owned()
}
