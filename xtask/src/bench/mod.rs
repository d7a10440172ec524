//! `cargo xtask bench`: each benchmark beside its peer in the same run, so that the figures of one machine compare.
//!
//! A contender is a program that prepares itself, does the work once and prints what the work took: the seconds, or an
//! object of [`Turn`] as JSON. The contenders of a benchmark take turns, so that a slow minute of the machine meets all of
//! them. `soak` has no peer: it runs for as long as it is asked to and tells what it found.

mod list;
mod report;

use std::path::PathBuf;
use std::process::Command;

use self::list::{BENCHMARKS, Benchmark, Contender, Ground};
use self::report::{Report, Turn};
use crate::failure::{Failure, Outcome};
use crate::process;
use crate::python::Environment;
use crate::repository::Repository;

/// When the example project is applied; `benches/src/project.rs` asks it as of then.
const APPLIED_AT: &str = "2013-07-01";
/// The one that is no contest.
const SOAK: &str = "soak";
/// How long it goes on, in minutes.
const SOAK_MINUTES: &str = "30";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    names: Vec<String>,
    is_json: bool,
    minutes: Option<String>,
}

impl Asked {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut asked = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--output" | "-o" => match words.next().map(String::as_str) {
                    Some("json") => asked.is_json = true,
                    Some("text") => asked.is_json = false,
                    _ => return Err("`--output` is `text` or `json`".to_owned().into()),
                },
                "--minutes" => asked.minutes = Some(minutes(words.next())?),
                option if option.starts_with('-') => {
                    return Err(
                        format!("there is no option `{option}`, only `--output` and, of `soak`, `--minutes`").into()
                    );
                }
                name => asked.names.push(name.to_owned()),
            }
        }
        Ok(asked)
    }
}

fn minutes(word: Option<&String>) -> Outcome<String> {
    let is_number = |word: &&String| word.parse::<f64>().is_ok_and(|minutes| minutes > 0.0);
    let number = word.filter(is_number).cloned();
    number.ok_or_else(|| Failure::Message("`--minutes` is a number of minutes".to_owned()))
}

/// What a run needs: where programs and data are.
struct Stand<'a> {
    repository: &'a Repository,
    environment: Environment,
    apart: Environment,
    flows: Environment,
    mlflow: Environment,
    programs: PathBuf,
    data: PathBuf,
    project: PathBuf,
}

/// Runs the named benchmarks, or all of them that end by themselves.
pub(crate) fn run(repository: &Repository, arguments: &[String]) -> Outcome {
    let asked = Asked::parse(arguments)?;
    if asked.names.iter().any(|name| name == SOAK) {
        return soak(repository, &asked);
    }
    let wanted = wanted(&asked.names)?;
    let stand = Stand::build(repository)?;
    stand.set_up(&wanted)?;
    let reports: Vec<Report> =
        wanted.into_iter().map(|benchmark| stand.run(benchmark, &asked)).collect::<Outcome<_>>()?;
    if asked.is_json {
        println!("{}", report::json(&reports));
    }
    Ok(())
}

/// Schedules, servers, kills: see `benches/src/soak`.
fn soak(repository: &Repository, asked: &Asked) -> Outcome {
    if asked.names.len() > 1 {
        return Err("`soak` goes on for long and disturbs the others: ask for it by itself".to_owned().into());
    }
    let stand = Stand::build(repository)?;
    let python = Environment::of_tests(repository)?;
    python.set_up()?;
    let mut soak = stand.ours(SOAK);
    soak.arg("--python").arg(python.python());
    soak.arg("--minutes").arg(asked.minutes.as_deref().unwrap_or(SOAK_MINUTES));
    soak.arg("--form").arg(if asked.is_json { "json" } else { "text" });
    process::run(&mut soak)
}

fn wanted(names: &[String]) -> Outcome<Vec<&'static Benchmark>> {
    if names.is_empty() {
        return Ok(BENCHMARKS.iter().collect());
    }
    let mut wanted = Vec::new();
    for name in names {
        wanted.extend(find(name)?);
    }
    Ok(wanted)
}

/// The benchmark of this name, or those whose names begin with it and a dash.
fn find(name: &str) -> Outcome<Vec<&'static Benchmark>> {
    if let Some(found) = BENCHMARKS.iter().find(|benchmark| benchmark.name == name) {
        return Ok(vec![found]);
    }
    let is_of_family =
        |benchmark: &&Benchmark| benchmark.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let family: Vec<_> = BENCHMARKS.iter().filter(is_of_family).collect();
    if family.is_empty() {
        let known: Vec<_> = BENCHMARKS.iter().map(|benchmark| benchmark.name).chain([SOAK]).collect();
        return Err(format!("there is no benchmark `{name}`, only {}", known.join(", ")).into());
    }
    Ok(family)
}

impl<'a> Stand<'a> {
    fn build(repository: &'a Repository) -> Outcome<Self> {
        let packages = ["build", "--release", "--package", "baton-bench", "--package", "baton"];
        process::run(repository.in_root(process::cargo()).args(packages))?;
        let target = repository.target_folder()?;
        let data = target.join("bench-data");
        std::fs::create_dir_all(&data).map_err(|error| format!("{} cannot be made: {error}", data.display()))?;
        let project = data.join("flights");
        Ok(Self {
            repository,
            environment: Environment::of_benchmarks(repository)?,
            apart: Environment::of_sqlmesh(repository)?,
            flows: Environment::of_flows(repository)?,
            mlflow: Environment::of_mlflow(repository)?,
            programs: target.join("release"),
            data,
            project,
        })
    }

    /// Installs the peers that take part, and applies the example project if somebody works on it.
    fn set_up(&self, wanted: &[&Benchmark]) -> Outcome {
        let takes_part = |is: fn(&Contender) -> bool| wanted.iter().flat_map(|benchmark| benchmark.contenders).any(is);
        let has_data = |benchmark: &&Benchmark| matches!(benchmark.ground, Ground::Data(_));
        if takes_part(|contender| matches!(contender, Contender::Peer(..))) || wanted.iter().any(has_data) {
            self.environment.set_up()?;
        }
        if takes_part(|contender| matches!(contender, Contender::Apart(..))) {
            self.apart.set_up()?;
        }
        if takes_part(|contender| matches!(contender, Contender::Flow(..))) {
            self.flows.set_up()?;
        }
        if takes_part(|contender| matches!(contender, Contender::Tracker(..))) {
            self.mlflow.set_up()?;
        }
        if wanted.iter().any(|benchmark| matches!(benchmark.ground, Ground::Project)) {
            self.apply_project()?;
        }
        Ok(())
    }

    /// Writes the example project anew and applies it: what an older binary left would not do.
    fn apply_project(&self) -> Outcome {
        eprintln!("applying the example project in {}", self.project.display());
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

    fn run(&self, benchmark: &'static Benchmark, asked: &Asked) -> Outcome<Report> {
        if !asked.is_json {
            println!("\n{}: {}", benchmark.name, benchmark.about);
        }
        match benchmark.ground {
            Ground::Data(script) => process::run(self.script(&self.environment, script).arg(&self.data))?,
            Ground::Made(name) => drop(process::capture(&mut self.ours(name))?),
            Ground::Project | Ground::Own => {}
        }
        let mut turns = vec![Vec::new(); benchmark.contenders.len()];
        for _ in 0..benchmark.turns {
            for (contender, turns) in benchmark.contenders.iter().zip(&mut turns) {
                turns.push(self.turn(contender)?);
            }
        }
        let report = Report::of(benchmark, turns);
        if !asked.is_json {
            print!("{}", report.table());
        }
        Ok(report)
    }

    fn turn(&self, contender: &Contender) -> Outcome<Turn> {
        let mut command = match contender {
            Contender::Ours(_, name) => self.ours(name),
            Contender::Peer(_, script) => self.peer(&self.environment, script),
            Contender::Apart(_, script) => self.peer(&self.apart, script),
            Contender::Flow(_, script) => self.peer(&self.flows, script),
            Contender::Tracker(_, script) => self.peer(&self.mlflow, script),
        };
        let printed = process::capture(&mut command)?;
        let last = printed.lines().last().unwrap_or_default();
        Turn::parse(last).ok_or_else(|| Failure::Message(format!("{command:?} printed no seconds but `{printed}`")))
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
        peer.env("BATON_PROGRAM", self.programs.join("baton"));
        peer
    }

    fn script(&self, environment: &Environment, name: &str) -> Command {
        let mut python = Command::new(environment.python());
        python.arg(self.repository.path("benches/peers").join(name));
        python
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Outcome<Asked> {
        Asked::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_unknown_benchmark_is_refused_with_the_known_ones() {
        let Err(Failure::Message(message)) = find("pits") else { panic!("it was found") };
        assert!(message.starts_with("there is no benchmark `pits`, only pit, profile, plan, "), "{message}");
        assert!(message.ends_with(", soak"), "{message}");
    }

    #[test]
    fn a_family_is_asked_for_by_the_beginning_of_its_names() {
        let names = |name: &str| find(name).unwrap().iter().map(|found| found.name).collect::<Vec<_>>();
        assert_eq!(names("pit"), ["pit"]);
        assert_eq!(names("tpch"), ["tpch-1", "tpch-10"]);
        assert!(names("ingest").contains(&"ingest-csv"));
    }

    #[test]
    fn options_stand_between_names() {
        let read = asked(&["soak", "--minutes", "2", "--output", "json"]).unwrap();
        assert_eq!(read, Asked { names: vec!["soak".to_owned()], is_json: true, minutes: Some("2".to_owned()) });
        for wrong in [&["--minutes", "soon"][..], &["--output", "xml"], &["--minutes"], &["--loud"]] {
            assert!(asked(wrong).is_err(), "{wrong:?}");
        }
    }
}
