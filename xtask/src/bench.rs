//! `cargo xtask bench`: each benchmark beside its peer in the same run, so that the figures of one machine compare.
//!
//! A contender is a program that prepares itself, does the work once and prints the seconds that the work took. The
//! contenders of a benchmark take turns, so that a slow minute of the machine meets all of them.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::python::Environment;
use crate::repository::Repository;

/// How often each contender has its turn, where a turn is short.
const TURNS: usize = 5;
/// The same where a turn takes minutes.
const FEW_TURNS: usize = 3;

/// When the example project is applied; `benches/src/project.rs` asks it as of then.
const APPLIED_AT: &str = "2013-07-01";

/// A benchmark: its name, what it works on, and who takes part; ours comes first.
struct Benchmark {
    name: &'static str,
    about: &'static str,
    ground: Ground,
    turns: usize,
    contenders: &'static [Contender],
}

/// What a benchmark works on.
enum Ground {
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
enum Contender {
    Ours(&'static str, &'static str),
    Peer(&'static str, &'static str),
    /// A peer whose packages do not go together with those of the others.
    Apart(&'static str, &'static str),
}

use Contender::{Apart, Ours, Peer};

const BENCHMARKS: &[Benchmark] = &[
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
];

/// What a run needs: where programs and data are.
struct Stand<'a> {
    repository: &'a Repository,
    environment: Environment,
    apart: Environment,
    programs: PathBuf,
    data: PathBuf,
    project: PathBuf,
}

/// Runs the named benchmarks, or all of them.
pub(crate) fn run(repository: &Repository, names: &[String]) -> Outcome {
    let wanted = wanted(names)?;
    let environment = Environment::of_benchmarks(repository)?;
    environment.set_up()?;
    let apart = Environment::of_sqlmesh(repository)?;
    if wanted.iter().flat_map(|benchmark| benchmark.contenders).any(|contender| matches!(contender, Apart(..))) {
        apart.set_up()?;
    }
    let stand = Stand::build(repository, environment, apart)?;
    if wanted.iter().any(|benchmark| matches!(benchmark.ground, Ground::Project)) {
        stand.apply_project()?;
    }
    wanted.into_iter().try_for_each(|benchmark| stand.run(benchmark))
}

fn wanted(names: &[String]) -> Outcome<Vec<&'static Benchmark>> {
    if names.is_empty() {
        return Ok(BENCHMARKS.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

fn find(name: &str) -> Outcome<&'static Benchmark> {
    let known: Vec<_> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
    let found = BENCHMARKS.iter().find(|benchmark| benchmark.name == name);
    found.ok_or_else(|| format!("there is no benchmark `{name}`, only {}", known.join(", ")).into())
}

impl<'a> Stand<'a> {
    fn build(repository: &'a Repository, environment: Environment, apart: Environment) -> Outcome<Self> {
        let packages = ["build", "--release", "--package", "baton-bench", "--package", "baton"];
        process::run(repository.in_root(process::cargo()).args(packages))?;
        let target = repository.target_folder()?;
        let data = target.join("bench-data");
        std::fs::create_dir_all(&data).map_err(|error| format!("{} cannot be made: {error}", data.display()))?;
        let project = data.join("flights");
        Ok(Self { repository, environment, apart, programs: target.join("release"), data, project })
    }

    /// Writes the example project anew and applies it: what an older binary left would not do.
    fn apply_project(&self) -> Outcome {
        println!("applying the example project in {}", self.project.display());
        if self.project.exists() {
            let removed = std::fs::remove_dir_all(&self.project);
            removed.map_err(|error| format!("{} cannot be removed: {error}", self.project.display()))?;
        }
        let baton = |arguments: &[&str]| {
            let mut command = Command::new(self.programs.join("baton"));
            process::capture(command.args(arguments).arg("--directory").arg(&self.project)).map(drop)
        };
        baton(&["init", "--template", "flights"])?;
        baton(&["apply", "--env", "prod", "--yes", "--as-of", APPLIED_AT])
    }

    fn run(&self, benchmark: &Benchmark) -> Outcome {
        println!("\n{}: {}", benchmark.name, benchmark.about);
        match benchmark.ground {
            Ground::Data(script) => process::run(self.script(&self.environment, script).arg(&self.data))?,
            Ground::Made(name) => drop(process::capture(&mut self.ours(name))?),
            Ground::Project | Ground::Own => {}
        }
        let mut seconds = vec![Vec::new(); benchmark.contenders.len()];
        for _ in 0..benchmark.turns {
            for (contender, seconds) in benchmark.contenders.iter().zip(&mut seconds) {
                seconds.push(self.turn(contender)?);
            }
        }
        print_table(benchmark, &mut seconds);
        Ok(())
    }

    fn turn(&self, contender: &Contender) -> Outcome<f64> {
        let mut command = match contender {
            Ours(_, name) => self.ours(name),
            Peer(_, script) => self.peer(&self.environment, script),
            Apart(_, script) => self.peer(&self.apart, script),
        };
        let printed = process::capture(&mut command)?;
        let last = printed.lines().last().unwrap_or_default();
        last.parse().map_err(|_error| Failure::Message(format!("{command:?} printed no seconds but `{printed}`")))
    }

    fn ours(&self, name: &str) -> Command {
        let mut ours = Command::new(self.programs.join("baton-bench"));
        ours.arg(name).arg("--baton").arg(self.programs.join("baton"));
        ours.arg("--data").arg(&self.data).arg("--project").arg(&self.project);
        ours
    }

    /// A peer gets the folders of data and project, then its own arguments.
    fn peer(&self, environment: &Environment, script: &str) -> Command {
        let mut words = script.split_whitespace();
        let mut peer = self.script(environment, words.next().unwrap_or_default());
        peer.arg(&self.data).arg(&self.project).args(words);
        peer
    }

    fn script(&self, environment: &Environment, name: &str) -> Command {
        let mut python = Command::new(environment.python());
        python.arg(self.repository.path("benches/peers").join(name));
        python
    }
}

fn print_table(benchmark: &Benchmark, seconds: &mut [Vec<f64>]) {
    println!("  {:<24}{:>12}{:>12}{:>16}", "", "least", "median", "first / this");
    seconds.iter_mut().for_each(|seconds| seconds.sort_by(f64::total_cmp));
    let median = |seconds: &[f64]| seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    let ours = seconds.first().map_or(f64::NAN, |seconds| median(seconds));
    for (place, (contender, seconds)) in benchmark.contenders.iter().zip(seconds.iter()).enumerate() {
        let (Ours(name, _) | Peer(name, _) | Apart(name, _)) = contender;
        let least = seconds.first().copied().unwrap_or(f64::NAN);
        let ratio = if place == 0 { String::new() } else { format!("{:.2}", ours / median(seconds)) };
        println!("  {name:<24}{:>12}{:>12}{ratio:>16}", shown(least), shown(median(seconds)));
    }
}

/// Seconds in the unit that suits them.
fn shown(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_benchmark_is_refused_with_the_known_ones() {
        let Err(Failure::Message(message)) = find("pits") else { panic!("it was found") };
        assert_eq!(
            message,
            "there is no benchmark `pits`, only pit, profile, plan, commit, online, predict, scale-check, scale-plan, scale-plan-1000, tpch-1, tpch-10"
        );
    }

    #[test]
    fn seconds_are_shown_in_a_unit_that_suits() {
        assert_eq!([shown(0.000_012), shown(0.0123), shown(1.234)], ["12.0 µs", "12.30 ms", "1.23 s"]);
    }

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
            Peer(_, script) | Apart(_, script) => script.split_whitespace().next(),
            Ours(..) => None,
        }
    }
}
