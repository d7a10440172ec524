//! The benchmarks there are: what each works on, and who takes part.

/// How often each contender has its turn, where a turn is short.
const TURNS: usize = 5;
/// The same where a turn takes minutes.
const FEW_TURNS: usize = 3;
/// The same where one turn of a peer takes minutes by itself.
const ONE_TURN: usize = 1;

/// A benchmark: its name, what it works on, and who takes part; ours comes first.
pub(super) struct Benchmark {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) ground: Ground,
    pub(super) turns: usize,
    pub(super) contenders: &'static [Contender],
}

/// What a benchmark works on.
pub(super) enum Ground {
    /// Data that a script of `benches/peers` makes.
    Data(&'static str),
    /// The example project, applied.
    Project,
    /// Data and projects that a subcommand of `baton-bench` makes.
    Made(&'static str),
    /// What it makes itself.
    Own,
}

/// Who takes part, by name: a subcommand of `baton-bench`, or a script of `benches/peers` with its arguments.
pub(super) enum Contender {
    Ours(&'static str, &'static str),
    Peer(&'static str, &'static str),
    /// A peer whose packages do not go together with those of the others.
    Apart(&'static str, &'static str),
    /// An orchestrator or ingester, for the same reason in an environment of their own.
    Flow(&'static str, &'static str),
    /// A script in the environment of MLflow, which is told where the binary is.
    Tracker(&'static str, &'static str),
}

impl Contender {
    /// What it is called in the table.
    pub(super) fn name(&self) -> &'static str {
        let (Ours(name, _) | Peer(name, _) | Apart(name, _) | Flow(name, _) | Tracker(name, _)) = self;
        name
    }
}

use Contender::{Apart, Flow, Ours, Peer, Tracker};

/// All of them.
pub(super) const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "pit",
        about: "point-in-time join of 10 M labels with 10 M feature rows, from memory",
        ground: Ground::Data("pit_data.py"),
        turns: TURNS,
        contenders: &[Ours("baton", "pit"), Peer("DuckDB ASOF join", "pit_duckdb.py")],
    },
    Benchmark {
        name: "profile",
        about: "all column profiles of 6 M rows x 16 columns of Parquet",
        ground: Ground::Data("profile_data.py"),
        turns: TURNS,
        contenders: &[
            Ours("baton", "profile"),
            Peer("DuckDB SUMMARIZE", "profile_duckdb.py"),
            Peer("DuckDB plain scan", "scan_duckdb.py"),
        ],
    },
    Benchmark {
        name: "plan",
        about: "`baton plan` of the example with no change, from start to exit",
        ground: Ground::Project,
        turns: TURNS,
        contenders: &[Ours("baton", "plan"), Ours("process start alone", "start")],
    },
    Benchmark {
        name: "commit",
        about: "one commit to a table of 300 days that writes its last three days anew",
        ground: Ground::Own,
        turns: TURNS,
        contenders: &[Ours("baton", "commit")],
    },
    Benchmark {
        name: "online",
        about: "one row of 200,000 read from the online store, one at a time",
        ground: Ground::Own,
        turns: TURNS,
        contenders: &[Ours("baton, over HTTP", "online-http"), Ours("baton, in the process", "online")],
    },
    Benchmark {
        name: "predict",
        about: "one prediction, one request at a time; ours is on disk before it is answered",
        ground: Ground::Project,
        turns: TURNS,
        contenders: &[
            Ours("baton, by features", "predict-features"),
            Ours("baton, by keys", "predict-keys"),
            Peer("mlflow models serve", "predict_mlflow.py"),
            Ours("bare call in baton", "predict-bare"),
            Peer("bare call of xgboost", "predict_xgboost.py"),
        ],
    },
    Benchmark {
        name: "tracking-metric",
        about: "one point of a metric, one request at a time; both are on disk before they are answered",
        ground: Ground::Own,
        turns: FEW_TURNS,
        contenders: &[
            Tracker("baton", "tracking.py baton log-metric"),
            Tracker("mlflow server", "tracking.py mlflow log-metric"),
        ],
    },
    Benchmark {
        name: "tracking-batch",
        about: "a batch of 1,000 points of 20 metrics, one request at a time",
        ground: Ground::Own,
        turns: FEW_TURNS,
        contenders: &[
            Tracker("baton", "tracking.py baton log-batch"),
            Tracker("mlflow server", "tracking.py mlflow log-batch"),
        ],
    },
    Benchmark {
        name: "tracking-run",
        about: "a new run, one request at a time",
        ground: Ground::Own,
        turns: FEW_TURNS,
        contenders: &[
            Tracker("baton", "tracking.py baton create-run"),
            Tracker("mlflow server", "tracking.py mlflow create-run"),
        ],
    },
    Benchmark {
        name: "tracking-search",
        about: "100 of 100,000 runs with 20 metrics and 20 parameters each, by two metrics and a parameter, ordered by a third metric",
        ground: Ground::Own,
        turns: ONE_TURN,
        contenders: &[
            Tracker("baton", "tracking.py baton search"),
            Tracker("mlflow server", "tracking.py mlflow search"),
        ],
    },
    Benchmark {
        name: "search-random",
        about: "40 random trials of boosted trees on 30,000 rows in 3 folds, the same trainer for both; mean of 10 seeds, score: best ROC AUC",
        ground: Ground::Project,
        turns: ONE_TURN,
        contenders: &[Ours("baton", "search-random"), Tracker("optuna", "search_optuna.py random")],
    },
    Benchmark {
        name: "search-tpe",
        about: "the same with 40 trials by tpe",
        ground: Ground::Project,
        turns: ONE_TURN,
        contenders: &[Ours("baton", "search-tpe"), Tracker("optuna", "search_optuna.py tpe")],
    },
    Benchmark {
        name: "search-halving",
        about: "the same with 40 random trials under asynchronous successive halving",
        ground: Ground::Project,
        turns: ONE_TURN,
        contenders: &[Ours("baton", "search-halving"), Tracker("optuna", "search_optuna.py halving")],
    },
    Benchmark {
        name: "tracking-page",
        about: "a page of 1,000 of the same runs, ordered by a metric: the mean of the first ten",
        ground: Ground::Own,
        turns: ONE_TURN,
        contenders: &[Tracker("baton", "tracking.py baton page"), Tracker("mlflow server", "tracking.py mlflow page")],
    },
    Benchmark {
        name: "tracking-history",
        about: "all points of a metric with 1,000,000 of them, 25,000 a request",
        ground: Ground::Own,
        turns: ONE_TURN,
        contenders: &[
            Tracker("baton", "tracking.py baton history"),
            Tracker("mlflow server", "tracking.py mlflow history"),
        ],
    },
    Benchmark {
        name: "tracking-writers",
        about: "batches of ten points by eight processes at once, a thousand each; ours are all answered well, and all there",
        ground: Ground::Own,
        turns: ONE_TURN,
        contenders: &[
            Tracker("baton", "tracking.py baton writers"),
            Tracker("mlflow server", "tracking.py mlflow writers"),
        ],
    },
    Benchmark {
        name: "tracking-upload",
        about: "a file of 1 GiB put through the proxy for artifacts; ours is on disk before it is answered",
        ground: Ground::Own,
        turns: ONE_TURN,
        contenders: &[
            Tracker("baton", "tracking.py baton upload"),
            Tracker("mlflow server", "tracking.py mlflow upload"),
        ],
    },
    Benchmark {
        name: "tracking-download",
        about: "the same file fetched through the proxy, all of it looked at",
        ground: Ground::Own,
        turns: ONE_TURN,
        contenders: &[
            Tracker("baton", "tracking.py baton download"),
            Tracker("mlflow server", "tracking.py mlflow download"),
        ],
    },
    Benchmark {
        name: "tracking-idle",
        about: "a server that was asked nothing: its memory",
        ground: Ground::Own,
        turns: ONE_TURN,
        contenders: &[Tracker("baton", "tracking.py baton idle"), Tracker("mlflow server", "tracking.py mlflow idle")],
    },
    Benchmark {
        name: "scale-check",
        about: "reading a project of 10,000 assets with nothing remembered; ours resolves types and lineage of all columns",
        ground: Ground::Made("scale-10000-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton check", "scale-10000-check"), Peer("dbt parse", "scale_dbt.py 10000 cold")],
    },
    Benchmark {
        name: "scale-plan",
        about: "a plan of the same project with one table changed, the rest remembered; dbt plans nothing and only reads it",
        ground: Ground::Made("scale-10000-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton plan", "scale-10000-plan"), Peer("dbt parse", "scale_dbt.py 10000 warm")],
    },
    Benchmark {
        name: "scale-plan-1000",
        about: "a plan with one table changed of a project of 1,000 assets, all of it applied before",
        ground: Ground::Made("scale-1000-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton plan", "scale-1000-plan"), Apart("sqlmesh plan", "scale_sqlmesh.py 1000")],
    },
    Benchmark {
        name: "tpch-1",
        about: "the 22 queries of TPC-H as tables, scale factor 1, from start to exit",
        ground: Ground::Made("tpch-1-data"),
        turns: TURNS,
        contenders: &[Ours("baton apply", "tpch-1"), Peer("dbt run, on DuckDB", "tpch_dbt.py 1")],
    },
    Benchmark {
        name: "tpch-10",
        about: "the same at scale factor 10",
        ground: Ground::Made("tpch-10-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton apply", "tpch-10"), Peer("dbt run, on DuckDB", "tpch_dbt.py 10")],
    },
    Benchmark {
        name: "schedule-1000",
        about: "1,000 steps with nothing to do, in ten layers that each read the one before; ours and Dagster's are recorded durably",
        ground: Ground::Made("steps-layers-1000-data"),
        turns: FEW_TURNS,
        contenders: &[
            Ours("baton run", "steps-layers-1000-run"),
            Ours("baton, every table anew", "steps-layers-1000-anew"),
            Ours("baton run, PostgreSQL", "steps-layers-1000-postgres"),
            Ours("make, nothing to do", "steps-layers-1000-make-idle"),
            Ours("make, one shell a step", "steps-layers-1000-make"),
            Flow("Dagster, in process", "steps_dagster.py layers 1000"),
        ],
    },
    Benchmark {
        name: "schedule-chain-1000",
        about: "the same in a chain",
        ground: Ground::Made("steps-chain-1000-data"),
        turns: FEW_TURNS,
        contenders: &[
            Ours("baton run", "steps-chain-1000-run"),
            Ours("make, nothing to do", "steps-chain-1000-make-idle"),
            Ours("make, one shell a step", "steps-chain-1000-make"),
            Flow("Dagster, in process", "steps_dagster.py chain 1000"),
        ],
    },
    Benchmark {
        name: "schedule-chain-10000",
        about: "a chain of 10,000 steps: with nothing to do, and each with a table to write for the next one to read",
        ground: Ground::Made("steps-chain-10000-data"),
        turns: ONE_TURN,
        contenders: &[
            Ours("baton run", "steps-chain-10000-run"),
            Ours("baton, every table anew", "steps-chain-10000-anew"),
            Ours("make, nothing to do", "steps-chain-10000-make-idle"),
            Ours("make, one shell a step", "steps-chain-10000-make"),
        ],
    },
    Benchmark {
        name: "schedule-10000",
        about: "10,000 steps with nothing to do, in ten layers",
        ground: Ground::Made("steps-layers-10000-data"),
        turns: ONE_TURN,
        contenders: &[
            Ours("baton run", "steps-layers-10000-run"),
            Ours("baton run, PostgreSQL", "steps-layers-10000-postgres"),
            Ours("make, nothing to do", "steps-layers-10000-make-idle"),
            Ours("make, one shell a step", "steps-layers-10000-make"),
            Flow("Dagster, in process", "steps_dagster.py layers 10000"),
        ],
    },
    Benchmark {
        name: "ingest-csv",
        about: "4 M rows of CSV into a table; the peer writes Parquet files without a table format",
        ground: Ground::Made("ingest-csv-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton apply", "ingest-csv"), Flow("dlt", "ingest_dlt.py csv")],
    },
    Benchmark {
        name: "ingest-jsonl",
        about: "4 M rows of JSON lines into a table; the peer writes Parquet files without a table format",
        ground: Ground::Made("ingest-jsonl-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton apply", "ingest-jsonl"), Flow("dlt", "ingest_dlt.py jsonl")],
    },
    Benchmark {
        name: "ingest-parquet",
        about: "4 M rows of Parquet into a table; the peer writes Parquet files without a table format",
        ground: Ground::Made("ingest-parquet-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton apply", "ingest-parquet"), Flow("dlt", "ingest_dlt.py parquet")],
    },
    Benchmark {
        name: "ingest-postgres",
        about: "4 M rows of a PostgreSQL table, all of it into a table; the peer writes Parquet files without a table format",
        ground: Ground::Made("ingest-postgres-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton apply", "ingest-postgres"), Flow("dlt", "ingest_dlt.py postgres")],
    },
    Benchmark {
        name: "ingest-cdc",
        about: "400,000 inserted and 100,000 updated rows of a PostgreSQL table by logical replication into a table; the peer only reads",
        ground: Ground::Made("ingest-cdc-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("baton run", "ingest-cdc"), Flow("psycopg2, reading only", "ingest_dlt.py cdc")],
    },
    Benchmark {
        name: "wakeup",
        about: "a server with 20 schedules: from a trigger to the end of its run, and the processor time of ten idle seconds",
        ground: Ground::Made("wakeup-10000000-data"),
        turns: FEW_TURNS,
        contenders: &[Ours("10 M historic steps", "wakeup-10000000"), Ours("100 historic steps", "wakeup-100")],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Repository;

    #[test]
    fn every_script_exists() {
        let peers = Repository::here().path("benches/peers");
        for benchmark in BENCHMARKS {
            let mut scripts: Vec<_> = benchmark.contenders.iter().filter_map(script_of).collect();
            scripts.extend(match benchmark.ground {
                Ground::Data(script) => Some(script),
                Ground::Made(_) | Ground::Project | Ground::Own => None,
            });
            for script in scripts {
                assert!(peers.join(script).is_file(), "{script} is missing");
            }
        }
    }

    fn script_of(contender: &Contender) -> Option<&'static str> {
        match contender {
            Peer(_, script) | Apart(_, script) | Flow(_, script) | Tracker(_, script) => {
                script.split_whitespace().next()
            }
            Ours(..) => None,
        }
    }
}
