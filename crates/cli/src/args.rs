//! The command line: flags that every command takes, and the commands. Doc comments are the help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Carry data to models, and what models learn back to data
#[derive(Debug, Parser)]
#[command(
    name = "baton",
    version,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    /// Folder of the project [default: the current one]
    #[arg(short = 'C', long, global = true, value_name = "FOLDER")]
    pub(crate) directory: Option<PathBuf>,
    /// Environment to work on [default: prod, or the project's first]
    #[arg(short, long = "env", global = true, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Form of the answer on standard output
    #[arg(short, long, global = true, value_name = "FORM", default_value = "text")]
    pub(crate) output: OutputForm,
    /// Logical clock: what became known later does not exist [default: now]
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Say nothing but the answer and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; twice for the log of the parts below
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// Draw no progress bars
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

/// Form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands, in the order in which people meet them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new project
    Init(InitArguments),
    /// Read the project and report every mistake in it
    Check,
    /// Show what an apply would do, and why
    Plan(PlanArguments),
    /// Bring the environment to what the project asks for
    Apply(ApplyArguments),
    /// Take in new data, score, and watch, as a schedule does
    Run,
    /// Drive the schedule over a stretch of history, tick by tick
    Replay(ReplayArguments),
    /// Serve endpoints over HTTP
    Serve(ServeArguments),
    /// Ask the environment's tables in SQL
    Query(QueryArguments),
    /// List assets
    Ls(ListArguments),
    /// Show one asset: versions, schema, profile, checks, lineage
    Show(AssetArguments),
    /// Show what an asset is made from and what it feeds
    Lineage(LineageArguments),
    /// Ask an endpoint for a prediction, and log it
    Predict(PredictArguments),
    /// Follow one prediction back to the files behind it
    Trace(TraceArguments),
    /// Say why something went wrong, with evidence
    Why(WhyArguments),
    /// Show how the environment stands
    Status,
    /// Show the commits of the environment
    Log(LogArguments),
    /// Move the environment back: data, features, model and endpoint together
    Rollback(RollbackArguments),
    /// Run the whole relay on a year of real flights
    Demo(DemoArguments),
    /// Check settings, stores and libraries
    Doctor,
    /// Print shell completions
    Completions(CompletionsArguments),
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// What to start from
    #[arg(long, value_name = "NAME", default_value = "empty")]
    pub(crate) template: TemplateName,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub(crate) force: bool,
}

/// What a new project starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateName {
    /// One source, one table, a few checks
    Empty,
    /// The demo's project: from landing files to a watched prediction
    Flights,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Exit with 3 when there is something to do
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// First tick of the logical clock
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// Last tick of the logical clock
    #[arg(long, value_name = "TIME")]
    pub(crate) to: String,
    /// Time between ticks
    #[arg(long, value_name = "DURATION", default_value = "1d")]
    pub(crate) every: String,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address to listen on [default: from the project, else 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<String>,
    /// Port to listen on; 0 picks a free one [default: from the project, else 8400]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// The query; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// Form of the rows [default: as --output]
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<RowForm>,
    /// Print at most so many rows as text; 0 prints all
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    pub(crate) limit: usize,
}

/// Form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowForm {
    /// A table for people
    Text,
    /// A JSON array of objects
    Json,
    /// CSV with a header
    Csv,
}

/// Arguments of `ls`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only assets of this kind
    #[arg(value_name = "KIND")]
    pub(crate) kind: Option<KindName>,
}

/// Kinds of asset, as words on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindName {
    /// Data from outside
    #[value(alias = "sources")]
    Source,
    /// What a transform produces
    #[value(alias = "tables")]
    Table,
    /// Columns of a table by entity and time
    #[value(alias = "features", alias = "feature", alias = "feature-views")]
    FeatureView,
    /// Trained models
    #[value(alias = "models")]
    Model,
    /// Served routes
    #[value(alias = "endpoints")]
    Endpoint,
    /// Watches
    #[value(alias = "monitors")]
    Monitor,
    /// Uses outside of Baton
    #[value(alias = "exposures")]
    Exposure,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub(crate) struct AssetArguments {
    /// The asset
    #[arg(value_name = "ASSET")]
    pub(crate) asset: String,
}

/// Arguments of `lineage`.
#[derive(Debug, Args)]
pub(crate) struct LineageArguments {
    /// The asset
    #[arg(value_name = "ASSET")]
    pub(crate) asset: String,
    /// Follow columns as well
    #[arg(long)]
    pub(crate) columns: bool,
    /// What it is made from (this is the default)
    #[arg(long, conflicts_with = "down")]
    pub(crate) up: bool,
    /// What it feeds
    #[arg(long)]
    pub(crate) down: bool,
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// The endpoint
    #[arg(value_name = "ENDPOINT")]
    pub(crate) endpoint: String,
    /// One row as a JSON object, or several as an array; `-` reads standard input
    #[arg(long, value_name = "ROWS")]
    pub(crate) json: String,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// The prediction's id, as `predict` printed it
    #[arg(value_name = "PREDICTION_ID")]
    pub(crate) prediction: String,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// An incident such as inc-3, or an asset [default: the newest open incident]
    #[arg(value_name = "INCIDENT|ASSET")]
    pub(crate) target: Option<String>,
}

/// Arguments of `log`.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Show at most so many commits
    #[arg(long, value_name = "COMMITS", default_value_t = 20)]
    pub(crate) limit: u32,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The commit to go back to, by its first digits [default: the one before the newest]
    #[arg(value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Folder to write the project into
    #[arg(long, value_name = "FOLDER", default_value = "baton-demo")]
    pub(crate) dir: PathBuf,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}
