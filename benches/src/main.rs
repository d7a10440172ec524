//! Our side of the benchmarks: `baton-bench <name> --data <folder> …` does the work once and prints its seconds, or an
//! object of [`Measured`].
//!
//! Only the work is timed, not what prepares it. `cargo xtask bench` makes the data, starts the peers beside, and
//! compares.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the seconds are the answer")]

mod commit;
mod http;
mod ingest;
mod measured;
mod online;
mod pit;
mod plan;
mod predict;
mod profile;
mod project;
mod scale;
mod search;
mod steps;
mod tpch;
mod wakeup;

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use baton_testkit::soak::Wish;

use measured::Measured;
use scale::Scale;

/// What went wrong, for a developer's eyes.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where things are, as given by `--name value` pairs.
struct Places(HashMap<String, PathBuf>);

impl Places {
    fn of(arguments: &[String]) -> Self {
        let pairs = arguments.chunks_exact(2);
        Self(pairs.map(|pair| (pair[0].trim_start_matches("--").to_owned(), PathBuf::from(&pair[1]))).collect())
    }

    /// What was given for a name that is no path.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|given| given.to_str())
    }

    fn get(&self, name: &str) -> Outcome<&PathBuf> {
        self.0.get(name).ok_or_else(|| format!("give `--{name} <path>`").into())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(Some(measured)) => {
            println!("{measured}");
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` for what is no contest and says itself what it found.
fn run(arguments: &[String]) -> Outcome<Option<Measured>> {
    let (name, rest) = arguments.split_first().ok_or("give the name of a benchmark")?;
    let places = Places::of(rest);
    match name.split_once('-') {
        _ if name == "soak" => soaked(&places).map(|()| None),
        _ if name == "ingest-server" => ingest::serve(&places).map(|()| None),
        _ if name == "search-trainer" => search::serve(&places).map(|()| None),
        Some(("search", rest)) => search::run(&places, rest).map(Some),
        Some(("steps", rest)) => steps::run(&places, rest).map(Some),
        Some(("wakeup", rest)) => wakeup::run(&places, rest).map(Some),
        Some(("ingest", rest)) => ingest::run(&places, rest).map(Some),
        _ => timed(&places, name).map(|seconds| Some(seconds.into())),
    }
}

/// A soak tells itself what it found, in tables or JSON; an error when something was lost or done twice.
fn soaked(places: &Places) -> Outcome<()> {
    let number = |name: &str| places.text(name).map(str::parse::<f64>).transpose();
    let wish = Wish {
        length: Duration::from_secs_f64(60.0 * number("minutes")?.unwrap_or(30.0)),
        rate: number("rate")?.unwrap_or(20.0) as usize,
        seed: number("seed")?.map_or_else(|| u64::from(std::process::id()), |seed| seed as u64),
        ..Wish::of(places.get("baton")?, places.get("python")?, &places.get("data")?.join("soak"))
    };
    eprintln!("soak of {:.1} minutes, seed {}", wish.length.as_secs_f64() / 60.0, wish.seed);
    let findings = baton_testkit::soak::run(&wish)?;
    if places.text("form") == Some("json") {
        println!("{}", findings.json());
    } else {
        print!("{}", findings.table());
    }
    findings.verdict()
}

fn timed(places: &Places, name: &str) -> Outcome<f64> {
    match name {
        "pit" => pit::run(places),
        "profile" => profile::run(places),
        "commit" => commit::run(places),
        "plan" => plan::run(places),
        "start" => plan::start(places),
        "online" => online::run(places),
        "online-http" => online::over_http(places),
        "predict-features" => predict::by_features(places),
        "predict-keys" => predict::by_keys(places),
        "predict-bare" => predict::bare(places),
        "scale-10000-data" => scale::prepare(places, Scale::of(10_000)),
        "scale-10000-check" => scale::cold_check(places, Scale::of(10_000)),
        "scale-10000-plan" => scale::warm_plan(places, Scale::of(10_000)),
        "scale-1000-data" => scale::prepare(places, Scale::of(1_000)),
        "scale-1000-plan" => scale::warm_plan(places, Scale::of(1_000)),
        "tpch-1-data" => tpch::prepare(places, 1),
        "tpch-10-data" => tpch::prepare(places, 10),
        "tpch-1" => tpch::run(places, 1),
        "tpch-10" => tpch::run(places, 10),
        _ => Err(format!("there is no benchmark `{name}`").into()),
    }
}
