//! Arguments of `search`.

use std::path::PathBuf;

use baton_core::asset::{SearchMethod, SearchPruning};
use clap::{Args, ValueEnum};

/// Arguments of `search`. What is not given is as `train` of the model says.
#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// The model
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
    /// Sweep of Weights & Biases: method, metric, parameters, early_terminate, run_cap
    #[arg(long, value_name = "FILE")]
    pub(crate) sweep: Option<PathBuf>,
    /// How points are chosen
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<MethodName>,
    /// Which trials stop early
    #[arg(long, value_name = "RULE")]
    pub(crate) prune: Option<PruningName>,
    /// At most so many trials
    #[arg(long, value_name = "TRIALS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) trials: Option<u32>,
    /// No trial begins after so long, such as 10m
    #[arg(long, value_name = "DURATION")]
    pub(crate) budget: Option<String>,
    /// End when so many trials in a row brought nothing better
    #[arg(long, value_name = "TRIALS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) patience: Option<u32>,
    /// How many trials may go on at a time; another number is another search
    #[arg(long, value_name = "TRIALS", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallel: Option<u32>,
    /// Algorithm to search, or `auto` for several
    #[arg(long, value_name = "NAME")]
    pub(crate) algorithm: Option<String>,
    /// Metric that decides
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// Seed of everything random
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Train every trial, even if it is known what it comes to
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Show so many of the best trials
    #[arg(long, value_name = "TRIALS", default_value_t = 10)]
    pub(crate) limit: usize,
}

/// How points are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodName {
    /// At random
    Random,
    /// Every combination
    Grid,
    /// Where earlier trials did well
    Tpe,
}

/// Which trials stop early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PruningName {
    /// The worse half after the first fold of all
    Half,
    /// Those worse than the median of others
    Median,
    /// All but the best third at each of a few steps
    Halving,
    /// None
    None,
}

impl From<MethodName> for SearchMethod {
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Random => Self::Random,
            MethodName::Grid => Self::Grid,
            MethodName::Tpe => Self::Tpe,
        }
    }
}

impl From<PruningName> for SearchPruning {
    fn from(name: PruningName) -> Self {
        match name {
            PruningName::Half => Self::Half,
            PruningName::Median => Self::Median,
            PruningName::Halving => Self::Halving,
            PruningName::None => Self::None,
        }
    }
}
