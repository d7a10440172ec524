//! Arguments of the commands that look and never write.

use clap::{Args, ValueEnum};

use super::SelectionArguments;

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// The query; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// Ask a commit: another environment, a tag, or the first digits of a commit's id [default: the head of --env]
    #[arg(long, value_name = "WHERE")]
    pub(crate) at: Option<String>,
    /// A tracked run that reads this: the table versions become its inputs
    #[arg(long, value_name = "RUN_ID")]
    pub(crate) run_id: Option<String>,
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
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
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
    /// The asset; or `run`, and a tracked run
    #[arg(value_name = "ASSET")]
    pub(crate) asset: String,
    /// The tracked run, by the first digits of its id or its name
    #[arg(value_name = "RUN_ID")]
    pub(crate) run: Option<String>,
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

/// Arguments of `log`.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Show at most so many commits
    #[arg(long, value_name = "COMMITS", default_value_t = 20)]
    pub(crate) limit: u32,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// An incident such as inc-3, or an asset [default: the newest open incident]
    #[arg(value_name = "INCIDENT|ASSET")]
    pub(crate) target: Option<String>,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// The prediction's id, as `predict` printed it
    #[arg(value_name = "PREDICTION_ID")]
    pub(crate) prediction: String,
}
