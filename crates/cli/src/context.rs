//! What a command knows of how it was called: flags before environment variables.

use std::path::PathBuf;
use std::time::Duration;

use baton_core::Timestamp;

use crate::args::{ColorWhen, GlobalArguments, OutputForm};
use crate::error::CliError;
use crate::instant;
use crate::project::Remembered;
use crate::settings::Settings;
use crate::traces::Traces;

/// For how long a command tries again to reach the server of its ledger.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(20);
/// The same of `baton serve`.
const LEDGER_TIMEOUT_OF_SERVERS: Duration = Duration::from_secs(300);

/// How a command was called.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Folder of the project.
    pub(crate) folder: PathBuf,
    /// The environment that was asked for.
    pub(crate) environment: Option<String>,
    /// Form of the answer.
    pub(crate) form: OutputForm,
    /// The logical clock that was asked for.
    pub(crate) as_of: Option<Timestamp>,
    /// Whether to say nothing but the answer and errors.
    pub(crate) quiet: bool,
    /// How much more to say.
    pub(crate) verbose: u8,
    /// Whether to say of each step what the cache said.
    pub(crate) explain: bool,
    /// Whether progress may be drawn.
    pub(crate) progress: bool,
    /// What is kept for the next run, where runs follow each other.
    pub(crate) remembered: Option<Remembered>,
    /// For how long a ledger's server that cannot be reached is tried again.
    pub(crate) ledger_timeout: Duration,
    /// Where spans go.
    pub(crate) traces: Traces,
    /// What the process environment says.
    pub(crate) settings: Settings,
}

impl Context {
    /// Puts flags and settings together, and sets colour for the process.
    ///
    /// # Errors
    /// [`CliError::Instant`] when `--as-of` is no time.
    pub(crate) fn new(global: GlobalArguments, settings: Settings) -> Result<Self, CliError> {
        match global.color {
            ColorWhen::Auto => {}
            ColorWhen::Always => anstream::ColorChoice::Always.write_global(),
            ColorWhen::Never => anstream::ColorChoice::Never.write_global(),
        }
        let folder = global.directory.or_else(|| settings.directory.clone());
        Ok(Self {
            folder: folder.unwrap_or_else(|| PathBuf::from(".")),
            environment: global.environment.or_else(|| settings.environment.clone()),
            form: global.output,
            as_of: global.as_of.as_deref().map(instant::parse).transpose()?,
            quiet: global.quiet,
            verbose: global.verbose,
            explain: false,
            progress: !global.no_progress && !global.quiet,
            remembered: None,
            ledger_timeout: settings.ledger_timeout.unwrap_or(LEDGER_TIMEOUT),
            traces: Traces::begin(),
            settings,
        })
    }

    /// Whether the answer is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.form == OutputForm::Json
    }

    /// The same call by a server: it outlasts a ledger that is away for longer, by default and as asked for.
    pub(crate) fn serving(&self, ledger_timeout: Option<u64>) -> Self {
        let asked = ledger_timeout.map(Duration::from_secs).or(self.settings.ledger_timeout);
        Self { ledger_timeout: asked.unwrap_or(LEDGER_TIMEOUT_OF_SERVERS), ..self.clone() }
    }

    /// The same call, saying of each step what the cache said if `explain`.
    pub(crate) fn explaining(&self, explain: bool) -> Self {
        Self { explain, ..self.clone() }
    }

    /// The same call for another project folder and environment.
    pub(crate) fn at(&self, folder: PathBuf, environment: &str) -> Self {
        Self { folder, environment: Some(environment.to_owned()), ..self.clone() }
    }
}
