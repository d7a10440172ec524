//! What can go wrong with a command, in words for those who wrote it.

use baton_core::duration::format_seconds;

/// Why a table could not be made by its command.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("the command of `{table}` cannot be started: {reason}")]
    Start {
        /// The table.
        table: String,
        /// Why.
        reason: String,
    },
    /// An image is asked for, and nothing on this machine runs it.
    #[error(
        "the command of `{table}` runs in image `{image}`, and there is neither docker nor podman on this machine: install one, or leave `image` out"
    )]
    NoContainers {
        /// The table.
        table: String,
        /// The image.
        image: String,
    },
    /// It ended with a failure.
    #[error("the command of `{table}` {how}: `{command}`{}", shown(lines))]
    Failed {
        /// The table.
        table: String,
        /// `exited with code 3`, `was ended by signal 9`.
        how: String,
        /// The command.
        command: String,
        /// The last that it said.
        lines: Vec<String>,
        /// Whether it says itself that another try may help.
        may_pass: bool,
    },
    /// It took longer than it may.
    #[error("the command of `{table}` took longer than its timeout of {} and was ended: `{command}`{}", format_seconds(*seconds), shown(lines))]
    TooLong {
        /// The table.
        table: String,
        /// The timeout.
        seconds: i64,
        /// The command.
        command: String,
        /// The last that it said.
        lines: Vec<String>,
    },
    /// It ended well and left no rows.
    #[error(
        "the command of `{table}` ended and did not write `{output}`, neither below `$BATON_OUTPUTS` nor anew in the project folder{}",
        shown(lines)
    )]
    NoOutput {
        /// The table.
        table: String,
        /// The file.
        output: String,
        /// The last that it said.
        lines: Vec<String>,
    },
    /// It wrote a file without a column that is declared.
    #[error("`{output}`, which the command of `{table}` wrote, has no column `{column}`")]
    Lacks {
        /// The table.
        table: String,
        /// The file.
        output: String,
        /// The column.
        column: String,
    },
    /// It wrote rows that are not as declared.
    #[error("{count} rows of `{output}`, which the command of `{table}` wrote, are not as declared: {first}")]
    Rejected {
        /// The table.
        table: String,
        /// The file.
        output: String,
        /// How many.
        count: u64,
        /// The first of them.
        first: String,
    },
    /// A folder for its files could not be made.
    #[error("a folder for the files of `{table}` cannot be made: {reason}")]
    Folder {
        /// The table.
        table: String,
        /// Why.
        reason: String,
    },
}

/// The last lines below a message.
fn shown(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}
