//! Arguments of what is done with tracked runs: finding, comparing and drawing them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Where what is tracked is kept.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// File that keeps what is tracked, as a path or `sqlite:///PATH` [default: .baton/tracking.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<String>,
}

/// Which tracked runs.
#[derive(Debug, Args)]
pub(crate) struct FilterArguments {
    /// Only runs of this experiment, by name or number; repeat for several [default: all]
    #[arg(long = "experiment", value_name = "NAME")]
    pub(crate) experiments: Vec<String>,
    /// Only runs that meet this filter of MLflow, with `OR`, `NOT` and parentheses: `metrics.loss < 1 AND params.kind = 'a'`
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// Order, such as `metrics.loss` or `metrics.f1 DESC`; repeat for equals [default: the newest first]
    #[arg(long, visible_alias = "order-by", value_name = "KEY")]
    pub(crate) sort: Vec<String>,
    /// At most so many
    #[arg(long, value_name = "RUNS", default_value_t = 20)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// Arguments of `runs ls`.
#[derive(Debug, Args)]
pub(crate) struct TrackedListArguments {
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// Columns after the run, such as `metrics.loss,params.alpha,tags.team,status` [default: what differs most]
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Which runs by whether they were deleted
    #[arg(long, value_name = "VIEW", default_value = "active")]
    pub(crate) view: ViewName,
    /// Go on where a page ended, by what it said
    #[arg(long, value_name = "TOKEN")]
    pub(crate) page_token: Option<String>,
}

/// Which runs by whether they were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewName {
    /// Those that are there
    Active,
    /// Those that were deleted
    Deleted,
    /// Both
    All,
}

/// Arguments of `runs diff`.
#[derive(Debug, Args)]
pub(crate) struct TrackedDiffArguments {
    /// The first run, by the first digits of its id or by its name
    #[arg(value_name = "A")]
    pub(crate) from: String,
    /// The second run
    #[arg(value_name = "B")]
    pub(crate) to: String,
    /// Show what is the same, too
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// Arguments of `runs plot`.
#[derive(Debug, Args)]
pub(crate) struct PlotArguments {
    #[command(subcommand)]
    pub(crate) command: PlotCommand,
}

/// What is drawn.
#[derive(Debug, Subcommand)]
pub(crate) enum PlotCommand {
    /// Draw how metrics went, in the terminal or to a file
    Curves(CurveArguments),
    /// Draw parameters and metrics of many runs as parallel coordinates, to a file
    Parallel(ParallelArguments),
}

/// Arguments of `runs plot curves`.
#[derive(Debug, Args)]
pub(crate) struct CurveArguments {
    /// Runs, by the first digits of their ids or by name [default: those of the filter]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// Metric to draw; repeat for several [default: the one that most runs logged most often]
    #[arg(long = "metric", short, value_name = "KEY")]
    pub(crate) metrics: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    /// What goes to the right
    #[arg(long, value_name = "AXIS", default_value = "step")]
    pub(crate) x: AxisName,
    /// Values on a logarithmic scale
    #[arg(long)]
    pub(crate) log: bool,
    /// Smooth by an exponential moving average with this weight of the past, from 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    pub(crate) smoothing: f64,
    #[command(flatten)]
    pub(crate) figure: FigureArguments,
}

/// What goes to the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AxisName {
    /// The step
    Step,
    /// Seconds since the run's first point
    Relative,
    /// The time of day
    Time,
}

/// Arguments of `runs plot parallel`.
#[derive(Debug, Args)]
pub(crate) struct ParallelArguments {
    /// Runs, by the first digits of their ids or by name [default: those of the filter]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// Axes from left to right, such as `params.alpha,metrics.loss`; the last one gives the colour [default: parameters that
    /// differ, then metrics]
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    pub(crate) axes: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
    #[command(flatten)]
    pub(crate) figure: FigureArguments,
}

/// What file is drawn.
#[derive(Debug, Args)]
pub(crate) struct FigureArguments {
    /// File to draw to: `.svg` or `.png`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Width and height in pixels
    #[arg(long, value_name = "WxH", default_value = "1000x560")]
    pub(crate) size: String,
    /// Title [default: what is drawn]
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
}
