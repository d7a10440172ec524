//! The engine: memory, spilling and threads shared by all sessions.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_core::Timestamp;
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::prelude::SessionConfig;

use crate::cheapest::CheapestFirst;
use crate::error::{EngineError, plain_message};
use crate::memory;
use crate::session::{Session, SessionInput};
use crate::sieve::Sieve;
use crate::yielding::Yielding;

/// The least part of a join key's range that its rows fill for the join to look rows up by the key itself instead of by
/// its hash: at most some 130 bytes a row. Of the TPC-H queries whose keys were filtered before, q05 takes half the
/// time and q21 two thirds; the 22 together 7 % less.
const LOOKED_UP_BY_KEY: f64 = 0.03;

/// Memory for what is remembered of the footers of files. A server meets thousands of small files a day, each once or twice.
const FOOTERS_BYTES: usize = 16 << 20;

/// How much of the machine the engine may use.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory for all running queries together, in bytes; what needs more spills.
    pub memory_limit_bytes: usize,
    /// Where to spill; created when missing.
    pub spill_dir: PathBuf,
    /// Threads for one query; at least 1.
    pub threads: usize,
}

/// Runs queries over table versions.
#[derive(Debug, Clone)]
pub struct Engine {
    options: EngineOptions,
    runtime: Arc<RuntimeEnv>,
    side_by_side: Arc<AtomicUsize>,
}

impl Engine {
    /// An engine with these limits.
    ///
    /// # Errors
    /// [`EngineError::Spill`] when the spill folder cannot be created, [`EngineError::Setup`] otherwise.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        std::fs::create_dir_all(&options.spill_dir).map_err(|error| EngineError::Spill {
            folder: options.spill_dir.display().to_string(),
            reason: error.to_string(),
        })?;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_limit_bytes)))
            .with_temp_file_path(&options.spill_dir)
            .with_metadata_cache_limit(FOOTERS_BYTES)
            .build_arc()
            .map_err(|error| EngineError::Setup(plain_message(&error)))?;
        Ok(Self { options, runtime, side_by_side: Arc::new(AtomicUsize::new(1)) })
    }

    /// The limits.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// From now on a session takes its part of the threads only, as one of so many that work side by side. Rows do not
    /// depend on it.
    pub fn share_threads(&self, sessions: usize) {
        self.side_by_side.store(sessions.clamp(1, self.options.threads.max(1)), Ordering::Relaxed);
    }

    /// A session over `input`'s tables.
    ///
    /// # Errors
    /// [`EngineError::Sql`] when a view's SQL is wrong, [`EngineError::ViewCycle`].
    pub fn session(&self, input: SessionInput) -> Result<Session, EngineError> {
        let threads = self.options.threads / self.side_by_side.load(Ordering::Relaxed).max(1);
        let state = new_state(threads, input.as_of, Some((&self.runtime, self.options.memory_limit_bytes)));
        Session::new(state, input, &self.options)
    }
}

/// A state without tables; one that is to run plans comes with a runtime and its memory limit. Under a logical clock,
/// `now()` and its relatives are the clock.
pub(crate) fn new_state(
    threads: usize,
    now: Option<Timestamp>,
    runtime: Option<(&Arc<RuntimeEnv>, usize)>,
) -> SessionState {
    let mut config = SessionConfig::new().with_target_partitions(threads.max(1)).with_information_schema(true);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.perfect_hash_join_min_key_density = LOOKED_UP_BY_KEY;
    let mut builder = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_physical_optimizer_rule(Arc::new(CheapestFirst))
        .with_physical_optimizer_rule(Arc::new(Sieve))
        .with_physical_optimizer_rule(Arc::new(Yielding));
    if let Some(now) = now {
        builder = builder.with_execution_props(ExecutionProps::new().with_query_execution_start_time(now));
    }
    if let Some((runtime, limit_bytes)) = runtime {
        let rules = memory::rules(limit_bytes);
        builder = builder.with_runtime_env(Arc::clone(runtime)).with_physical_optimizer_rules(rules);
    }
    builder.build()
}
