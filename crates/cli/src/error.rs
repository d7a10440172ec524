//! What can end a command, in words for people, with what to do and the exit code.

use std::io;
use std::path::PathBuf;

use baton_core::ports::LedgerError;
use baton_diagnostics::nearest;
use baton_engine::{EngineError, SqlProblem};
use baton_lake::LakeError;
use baton_orchestrator::RunError;
use baton_plan::SavedPlanError;
use baton_plan::SelectError;
use baton_serving::ServingError;

/// Why a command ended without doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The folder holds no `baton.yml`.
    #[error("`{}` is not a Baton project: it holds no baton.yml", folder.display())]
    NotAProject {
        /// The folder.
        folder: PathBuf,
    },
    /// The project has mistakes; they are drawn already.
    #[error("{rendered}")]
    Project {
        /// The diagnostics as text.
        rendered: String,
    },
    /// No asset has this name.
    #[error("there is no asset `{name}` in the project")]
    UnknownAsset {
        /// What was asked for.
        name: String,
        /// The nearest name.
        nearest: Option<String>,
    },
    /// Versions that were rebuilt came out otherwise, or could not be rebuilt.
    #[error("{failed} of {total} versions were not reproduced")]
    NotReproduced {
        /// How many.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// No message has this code.
    #[error("there is no code `{code}`")]
    UnknownCode {
        /// What was asked for.
        code: String,
        /// The nearest code.
        nearest: Option<String>,
    },
    /// No environment has this name.
    #[error("there is no environment `{name}`")]
    UnknownEnvironment {
        /// What was asked for.
        name: String,
        /// The nearest name.
        nearest: Option<String>,
        /// All names.
        known: Vec<String>,
    },
    /// The asset is of another kind.
    #[error("`{name}` is a {found}, and `{command}` needs a {wanted}")]
    WrongKind {
        /// The asset.
        name: String,
        /// What it is.
        found: &'static str,
        /// What is needed.
        wanted: &'static str,
        /// By which command.
        command: &'static str,
    },
    /// A text that is no instant.
    #[error("`{text}` is not a time")]
    Instant {
        /// The text.
        text: String,
    },
    /// A flag's value makes no sense.
    #[error("{message}")]
    BadArgument {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// The folder to write into holds something.
    #[error("folder `{}` is not empty", folder.display())]
    FolderNotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process listens there.
    #[error("port {port} on {bind} is in use by another process")]
    PortInUse {
        /// The address.
        bind: String,
        /// The port.
        port: u16,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {bind}:{port}: {reason}")]
    Listen {
        /// The address.
        bind: String,
        /// The port.
        port: u16,
        /// Why.
        reason: String,
    },
    /// A protected environment, and nobody to ask.
    #[error("environment `{environment}` is protected, and there is no terminal to ask on")]
    Unconfirmed {
        /// The environment.
        environment: String,
    },
    /// A file that is no plan, or not the one that was saved.
    #[error("`{}` {reason}", path.display())]
    SavedPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: SavedPlanError,
    },
    /// A saved plan that no longer fits.
    #[error("`{}` cannot be applied: {reason}", path.display())]
    StalePlan {
        /// The file.
        path: PathBuf,
        /// What has changed since.
        reason: String,
        /// The command that makes a new one.
        again: String,
    },
    /// Owners of what a plan breaks have not agreed to it.
    #[error("{what} breaks what others answer for, and they have not approved it: {missing}")]
    Unapproved {
        /// The plan or the promotion.
        what: String,
        /// Who is missing, with what of theirs breaks.
        missing: String,
        /// The saved plan, or the command that saves it.
        saved: Result<PathBuf, String>,
    },
    /// The user said no.
    #[error("nothing was changed")]
    Declined,
    /// Steps failed; the report was printed.
    #[error("{failed} of {total} steps failed; environment `{environment}` keeps their last good versions")]
    StepsFailed {
        /// How many failed.
        failed: usize,
        /// Of how many.
        total: usize,
        /// Where.
        environment: String,
    },
    /// A promotion that somebody has to decide; the report was printed.
    #[error("{count} conflict{plural} between `{from}` and `{target}`; nothing moved", plural = if *count == 1 { "" } else { "s" })]
    Conflicts {
        /// How many.
        count: usize,
        /// What was promoted.
        from: String,
        /// Where to.
        target: String,
    },
    /// Unit tests failed; they were printed.
    #[error("{failed} of {total} unit tests failed")]
    TestsFailed {
        /// How many failed.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// No unit test has this name.
    #[error("there is no unit test `{name}`, and no table or feature view of that name")]
    UnknownTest {
        /// What was asked for.
        name: String,
        /// The nearest name.
        nearest: Option<String>,
    },
    /// `doctor` found something wrong.
    #[error("{failed} of {total} things are not in order")]
    NotInOrder {
        /// How many are wrong.
        failed: usize,
        /// Of how many.
        total: usize,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`: {reason}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        reason: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
    /// The threads could not be started.
    #[error("cannot start: {0}")]
    Start(io::Error),
    /// Rows could not be turned into text.
    #[error("cannot show the rows: {0}")]
    Rows(#[from] arrow::error::ArrowError),
    /// Rows could not be written as Parquet.
    #[error("cannot write Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A step or a use case failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger was not copied.
    #[error(transparent)]
    Copy(#[from] baton_ledger::CopyError),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The store of what is tracked failed.
    #[error("cannot track: {0}")]
    Tracking(#[from] baton_tracking::TrackingError),
    /// Nothing could be brought in or handed on.
    #[error(transparent)]
    Exchange(#[from] baton_exchange::ExchangeError),
    /// Parts of what was to be brought in were set aside; the report was printed.
    #[error("{count} of what was to be brought in {verb} set aside; the rest is kept", verb = if *count == 1 { "was" } else { "were" })]
    SetAside {
        /// How many mistakes there were.
        count: usize,
    },
    /// A figure was not drawn.
    #[error(transparent)]
    Drawing(baton_charts::ChartError),
    /// Nothing is tracked where it was looked for.
    #[error("nothing is tracked in `{}`", path.display())]
    NothingTracked {
        /// The file.
        path: PathBuf,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The language server lost its editor.
    #[error(transparent)]
    Lsp(#[from] baton_lsp::LspError),
    /// A selection cannot be understood or resolved.
    #[error(transparent)]
    Selection(#[from] SelectError),
    /// Serving failed.
    #[error(transparent)]
    Serving(#[from] ServingError),
}

impl CliError {
    /// A failed operation on a file.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |reason| Self::File { action, path, reason }
    }

    /// A flag whose value makes no sense.
    pub(crate) fn argument(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::BadArgument { message: message.into(), help: help.into() }
    }

    /// What to do, one line each.
    pub(crate) fn help(&self) -> Vec<String> {
        match self {
            Self::NotAProject { .. } => {
                vec!["run `baton init` to write a new project here, or name its folder with `-C FOLDER`".to_owned()]
            }
            Self::UnknownAsset { nearest, .. } => {
                vec![did_you_mean(nearest.as_deref()), Some("`baton ls` lists all assets".to_owned())]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            Self::UnknownCode { nearest, .. } => {
                let list = "`baton explain` lists all codes".to_owned();
                did_you_mean(nearest.as_deref()).into_iter().chain([list]).collect()
            }
            Self::UnknownEnvironment { nearest, known, .. } => {
                let list = format!("known are {}; declare others in baton.yml under `environments:`", known.join(", "));
                vec![did_you_mean(nearest.as_deref()), Some(list)].into_iter().flatten().collect()
            }
            Self::UnknownTest { nearest, .. } => did_you_mean(nearest.as_deref()).into_iter().collect(),
            Self::Instant { .. } => {
                vec!["write a date such as 2013-07-01, or RFC 3339 such as 2013-07-01T12:00:00Z".to_owned()]
            }
            Self::BadArgument { help, .. } => vec![help.clone()],
            Self::Selection(error) => vec![error.help()],
            Self::FolderNotEmpty { .. } => vec!["choose another folder, or give --force to write into it".to_owned()],
            Self::PortInUse { port, .. } => vec![format!(
                "stop that process, or choose another port with --port {} (0 picks a free one)",
                port.saturating_add(1)
            )],
            Self::Unconfirmed { .. } => vec!["look at `baton plan`, then give --yes".to_owned()],
            Self::Run(RunError::Engine(EngineError::Sql(problems))) => {
                problems.iter().filter_map(valid_names).collect()
            }
            Self::Conflicts { .. } => vec![
                "agree on one version, apply it in both environments, and promote again".to_owned(),
                "or decide for one side with --prefer source or --prefer target".to_owned(),
            ],
            Self::SavedPlan { path, .. } => vec![format!("plan again with `baton plan --out {}`", path.display())],
            Self::StalePlan { path, again, .. } => vec![format!("plan again with `{again} --out {}`", path.display())],
            Self::Unapproved { saved: Ok(path), .. } => {
                vec![format!("each of them runs `baton approve {} --as OWNER`", path.display())]
            }
            Self::Unapproved { saved: Err(command), .. } => vec![format!(
                "save the plan with `{command} --out plan.json`, have each of them run `baton approve plan.json --as OWNER`, then `baton apply plan.json`"
            )],
            Self::SetAside { .. } => vec!["mend what is named above and run the same command again: it brings in what is missing".to_owned()],
            Self::NothingTracked { .. } => vec![
                "log runs with `baton serve` or `baton tracking` and a client of MLflow, or bring some in with `baton import mlflow PATH`".to_owned(),
                "name another file with --store FILE".to_owned(),
            ],
            Self::StepsFailed { .. } => vec!["mend what is named above and run the same command again".to_owned()],
            _ => Vec::new(),
        }
    }

    /// Whether the reader of standard output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the command line itself is at fault.
    pub(crate) fn is_bad_command_line(&self) -> bool {
        matches!(self, Self::Instant { .. } | Self::BadArgument { .. } | Self::Selection(_))
    }
}

/// The nearest valid name to an unknown one, or all that would have been valid.
fn valid_names(problem: &SqlProblem) -> Option<String> {
    let unknown = problem.unknown_name.as_deref()?;
    if let Some(name) = nearest(unknown, problem.candidates.iter().map(String::as_str)) {
        return did_you_mean(Some(name));
    }
    (!problem.candidates.is_empty()).then(|| format!("valid names here: {}", problem.candidates.join(", ")))
}

fn did_you_mean(nearest: Option<&str>) -> Option<String> {
    nearest.map(|name| format!("did you mean `{name}`?"))
}
