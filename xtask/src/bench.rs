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

/// How often each contender has its turn.
const TURNS: usize = 5;

/// A benchmark: its name, the script that makes its data, and who takes part; ours comes first.
struct Benchmark {
    name: &'static str,
    about: &'static str,
    data: Option<&'static str>,
    contenders: &'static [Contender],
}

/// Who takes part: a subcommand of `baton-bench`, or a script of `benches/peers`.
enum Contender {
    Ours(&'static str, &'static [&'static str]),
    Peer(&'static str, &'static str),
}

use Contender::{Ours, Peer};

const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "pit",
        about: "point-in-time join of 10 M labels with 10 M feature rows, from memory",
        data: Some("pit_data.py"),
        contenders: &[Ours("baton", &["pit"]), Peer("DuckDB ASOF join", "pit_duckdb.py")],
    },
    Benchmark {
        name: "profile",
        about: "all column profiles of 6 M rows x 16 columns of Parquet",
        data: Some("profile_data.py"),
        contenders: &[
            Ours("baton", &["profile"]),
            Peer("DuckDB SUMMARIZE", "profile_duckdb.py"),
            Peer("DuckDB plain scan", "scan_duckdb.py"),
        ],
    },
];

/// What a run needs: where programs and data are.
struct Stand<'a> {
    repository: &'a Repository,
    environment: Environment,
    programs: PathBuf,
    data: PathBuf,
}

/// Runs the named benchmarks, or all of them.
pub(crate) fn run(repository: &Repository, names: &[String]) -> Outcome {
    let wanted = wanted(names)?;
    let environment = Environment::of_benchmarks(repository)?;
    environment.set_up()?;
    let stand = Stand::build(repository, environment)?;
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
    fn build(repository: &'a Repository, environment: Environment) -> Outcome<Self> {
        let packages = ["build", "--release", "--package", "baton-bench", "--package", "baton"];
        process::run(repository.in_root(process::cargo()).args(packages))?;
        let target = repository.target_folder()?;
        let data = target.join("bench-data");
        std::fs::create_dir_all(&data).map_err(|error| format!("{} cannot be made: {error}", data.display()))?;
        Ok(Self { repository, environment, programs: target.join("release"), data })
    }

    fn run(&self, benchmark: &Benchmark) -> Outcome {
        println!("\n{}: {}", benchmark.name, benchmark.about);
        if let Some(script) = benchmark.data {
            process::run(self.script(script).arg(&self.data))?;
        }
        let mut seconds = vec![Vec::new(); benchmark.contenders.len()];
        for _ in 0..TURNS {
            for (contender, seconds) in benchmark.contenders.iter().zip(&mut seconds) {
                seconds.push(self.turn(contender)?);
            }
        }
        print_table(benchmark, &mut seconds);
        Ok(())
    }

    fn turn(&self, contender: &Contender) -> Outcome<f64> {
        let mut command = match contender {
            Ours(_, arguments) => {
                let mut ours = Command::new(self.programs.join("baton-bench"));
                ours.args(*arguments).arg("--baton").arg(self.programs.join("baton"));
                ours.arg("--project").arg(self.repository.path("examples/flights")).arg("--data").arg(&self.data);
                ours
            }
            Peer(_, script) => {
                let mut peer = self.script(script);
                peer.arg(&self.data).arg(self.environment.program(""));
                peer
            }
        };
        let printed = process::capture(&mut command)?;
        let last = printed.lines().last().unwrap_or_default();
        last.parse().map_err(|_error| Failure::Message(format!("{command:?} printed no seconds but `{printed}`")))
    }

    fn script(&self, name: &str) -> Command {
        let mut python = Command::new(self.environment.python());
        python.arg(self.repository.path("benches/peers").join(name));
        python
    }
}

fn print_table(benchmark: &Benchmark, seconds: &mut [Vec<f64>]) {
    println!("  {:<24}{:>12}{:>12}{:>16}", "", "least", "median", "ours / theirs");
    seconds.iter_mut().for_each(|seconds| seconds.sort_by(f64::total_cmp));
    let median = |seconds: &[f64]| seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    let ours = seconds.first().map_or(f64::NAN, |seconds| median(seconds));
    for (contender, seconds) in benchmark.contenders.iter().zip(seconds.iter()) {
        let (Ours(name, _) | Peer(name, _)) = contender;
        let least = seconds.first().copied().unwrap_or(f64::NAN);
        let ratio =
            if matches!(contender, Ours(..)) { String::new() } else { format!("{:.2}", ours / median(seconds)) };
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
        assert_eq!(message, "there is no benchmark `pits`, only pit, profile");
    }

    #[test]
    fn seconds_are_shown_in_a_unit_that_suits() {
        assert_eq!([shown(0.000_012), shown(0.0123), shown(1.234)], ["12.0 µs", "12.30 ms", "1.23 s"]);
    }

    #[test]
    fn every_script_exists() {
        let peers = Repository::here().path("benches/peers");
        for benchmark in BENCHMARKS {
            let scripts = benchmark.contenders.iter().filter_map(|contender| match contender {
                Peer(_, script) => Some(*script),
                Ours(..) => None,
            });
            for script in scripts.chain(benchmark.data) {
                assert!(peers.join(script).is_file(), "{script} is missing");
            }
        }
    }
}
