//! Steps that have nothing to do, many of them: what a run costs beside the work in it. Ours are tables of a project; the
//! same graph is written as a makefile.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use baton_testkit::own_postgres::OwnPostgres;

use crate::measured::Measured;
use crate::{Outcome, Places};

/// How steps read each other.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Ten layers; each step reads two of the layer before.
    Layers,
    /// Each step reads the one before.
    Chain,
}

/// A graph of so many steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    shape: Shape,
    count: usize,
}

/// Layers of [`Shape::Layers`].
const LAYERS: usize = 10;

/// Runs `steps-<shape>-<count>-<what>`.
pub(crate) fn run(places: &Places, name: &str) -> Outcome<Measured> {
    let unknown = || format!("there is no benchmark `steps-{name}`");
    let mut words = name.splitn(3, '-');
    let shape = match words.next() {
        Some("layers") => Shape::Layers,
        Some("chain") => Shape::Chain,
        _ => return Err(unknown().into()),
    };
    let count = words.next().and_then(|word| word.parse().ok()).ok_or_else(unknown)?;
    let steps = Steps { shape, count };
    let measured = match words.next().ok_or_else(unknown)? {
        "data" => return steps.prepare(places),
        "run" => steps.measure(places)?,
        "anew" => steps.measure_anew(places)?,
        "postgres" => steps.measure_on_postgres(places)?,
        "make" => steps.make(places, true)?,
        "make-idle" => steps.make(places, false)?,
        _ => return Err(unknown().into()),
    };
    Ok(measured.of_items(count as u64))
}

impl Steps {
    fn folder(self, places: &Places) -> Outcome<PathBuf> {
        let shape = match self.shape {
            Shape::Layers => "layers",
            Shape::Chain => "chain",
        };
        Ok(places.get("data")?.join(format!("steps-{shape}-{}", self.count)))
    }

    /// What a step reads; nothing for those at the beginning.
    fn reads(self, step: usize) -> Vec<usize> {
        match self.shape {
            Shape::Chain => step.checked_sub(1).into_iter().collect(),
            Shape::Layers => {
                let width = self.count / LAYERS;
                let Some(before) = (step / width).checked_sub(1) else { return Vec::new() };
                let place = step % width;
                let mut read = vec![before * width + place, before * width + (place + 1) % width];
                read.dedup();
                read
            }
        }
    }

    /// Writes project and makefile, and applies the project, if that is not done.
    fn prepare(self, places: &Places) -> Outcome<Measured> {
        let folder = self.folder(places)?;
        let settings = fs::read_to_string(folder.join("baton/baton.yml")).unwrap_or_default();
        let is_there = folder.join("made").is_file() && !settings.contains("postgres:");
        if is_there {
            return Ok(Measured::default());
        }
        let _nothing_there_is_fine = fs::remove_dir_all(&folder);
        self.write_project(&folder.join("baton"))?;
        self.write_makefile(&folder.join("make"))?;
        let applied = Measured::of(baton(places, &folder)?.args(["apply", "--yes"]))?;
        fs::write(folder.join("made"), "")?;
        Ok(applied)
    }

    fn write_project(self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder.join("tables"))?;
        fs::create_dir_all(folder.join("landing"))?;
        fs::write(folder.join("baton.yml"), "project: steps\nenvironments:\n  dev: {}\n")?;
        let columns = "[{name: id, type: int}]";
        let source = "sources:\n  - {name: feed, connector: file, path: 'landing/*.csv', load: append, columns: ";
        fs::write(folder.join("sources.yml"), format!("{source}{columns}}}\n"))?;
        fs::write(folder.join("landing/0.csv"), "id\n0\n")?;
        for step in 0..self.count {
            let sql = match self.reads(step).as_slice() {
                // Each another one: equal queries would share what they compute.
                [] => format!("select max(id) + {step} as id from feed\n"),
                [one] => format!("select id from t{one}\n"),
                [one, other, ..] => format!("select id from t{one} union select id from t{other}\n"),
            };
            fs::write(folder.join(format!("tables/t{step}.sql")), sql)?;
        }
        Ok(())
    }

    fn write_makefile(self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder)?;
        let mut text = "all:".to_owned();
        for step in 0..self.count {
            write!(text, " t{step}")?;
        }
        text.push('\n');
        for step in 0..self.count {
            write!(text, "t{step}:")?;
            for read in self.reads(step) {
                write!(text, " t{read}")?;
            }
            text.push_str("\n\t@touch $@\n");
        }
        Ok(fs::write(folder.join("Makefile"), text)?)
    }

    /// A run for which nothing has come: every step is looked at and recorded.
    fn measure(self, places: &Places) -> Outcome<Measured> {
        let folder = self.folder(places)?;
        let measured = Measured::of(baton(places, &folder)?.arg("run"))?;
        self.check(places, &folder)?;
        Ok(measured)
    }

    /// The same after a delivery that every step has to take in: each writes a table and commits it.
    fn measure_anew(self, places: &Places) -> Outcome<Measured> {
        let folder = self.folder(places)?;
        let landing = folder.join("baton/landing");
        let number = fs::read_dir(&landing)?.count();
        fs::write(landing.join(format!("{number}.csv")), format!("id\n{number}\n"))?;
        let measured = Measured::of(baton(places, &folder)?.arg("run"))?;
        self.check(places, &folder)?;
        Ok(measured)
    }

    /// [`Self::measure`] with the ledger on a server that writes every transaction to disk.
    fn measure_on_postgres(self, places: &Places) -> Outcome<Measured> {
        let folder = self.folder(places)?;
        let server = OwnPostgres::start();
        let move_to = |target: &str| Measured::of(baton(places, &folder)?.args(["ledger", "move", "--to", target]));
        move_to(&server.url())?;
        let measured = self.measure(places);
        let _nothing_there_is_fine = fs::remove_file(folder.join("baton/.baton/back.db"));
        let old = folder.join("baton/.baton/ledger.db");
        let settings = fs::read_to_string(folder.join("baton/baton.yml"))?;
        // The file is as it was but for the run that was measured.
        let kept = settings.lines().filter(|line| !line.starts_with("ledger:")).collect::<Vec<_>>().join("\n") + "\n";
        fs::write(folder.join("baton/baton.yml"), kept)?;
        if !old.is_file() {
            return Err(format!("{} is gone", old.display()).into());
        }
        measured
    }

    /// Whether the newest run recorded each step.
    fn check(self, places: &Places, folder: &Path) -> Outcome<()> {
        let output = baton(places, folder)?.args(["runs", "show", "--output", "json"]).output()?;
        let run: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let steps = run["timeline"].as_array().map_or(0, Vec::len);
        if steps < self.count {
            return Err(format!("the run recorded {steps} steps of {}", self.count).into());
        }
        Ok(())
    }

    /// `make` with two jobs: each target made by a shell of its own, or none of them because nothing is newer.
    fn make(self, places: &Places, is_anew: bool) -> Outcome<Measured> {
        let folder = self.folder(places)?.join("make");
        let make = || {
            let mut make = Command::new("make");
            make.arg("-C").arg(&folder).args(["--silent", "-j2"]).stdout(Stdio::null());
            make
        };
        if is_anew {
            for step in 0..self.count {
                let _nothing_there_is_fine = fs::remove_file(folder.join(format!("t{step}")));
            }
        } else {
            Measured::of(&mut make())?;
        }
        Measured::of(&mut make())
    }
}

fn baton(places: &Places, folder: &Path) -> Outcome<Command> {
    let mut command = Command::new(places.get("baton")?);
    command.arg("-C").arg(folder.join("baton")).args(["-e", "dev", "--no-progress"]);
    Ok(command)
}
