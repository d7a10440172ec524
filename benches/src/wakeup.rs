//! What a server costs that waits for its schedules, and how soon it runs one that is asked for, with a long history of runs
//! in its ledger: the cost of a wake-up must not grow with what ever ran.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use baton_testkit::usage::memory;

use crate::measured::{Measured, cpu_of};
use crate::{Outcome, Places};

/// Schedules that the server watches.
const SCHEDULES: usize = 20;
/// How long it is watched while nothing happens.
const IDLE: Duration = Duration::from_secs(10);

/// Runs `wakeup-<steps>` (the time from a trigger to the end of its run, and the processor time of ten idle seconds), or
/// prepares it with `wakeup-<steps>-data`.
pub(crate) fn run(places: &Places, name: &str) -> Outcome<Measured> {
    let (steps, prepares) = name.strip_suffix("-data").map_or((name, false), |steps| (steps, true));
    let count: u64 = steps.parse().map_err(|_| format!("there is no benchmark `wakeup-{name}`"))?;
    let folder = places.get("data")?.join(format!("wakeup-{count}"));
    prepare(places, &folder, count)?;
    if prepares { Ok(Measured::from(0.0)) } else { measure(places, &folder) }
}

fn prepare(places: &Places, folder: &Path, steps: u64) -> Outcome<()> {
    if folder.join("ready").exists() {
        return Ok(());
    }
    fs::create_dir_all(folder.join("tables"))?;
    fs::write(folder.join("baton.yml"), "project: wakeup\nenvironments: {dev: {}}\n")?;
    fs::write(folder.join("tables/one.sql"), "select 1 as one\n")?;
    let mut schedules = "schedules:\n".to_owned();
    for number in 0..SCHEDULES {
        writeln!(schedules, "  - {{name: s{number}, cron: 0 3 1 1 *}}")?;
    }
    fs::write(folder.join("schedules.yml"), schedules)?;
    done(baton(places, folder)?.args(["apply", "--yes", "-q"]))?;
    if steps > 0 {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers/wakeup_ledger.py");
        let ledger = folder.join(".baton/ledger.db");
        done(Command::new("python3").arg(script).arg(ledger).arg(steps.to_string()))?;
    }
    Ok(fs::write(folder.join("ready"), "")?)
}

fn measure(places: &Places, folder: &Path) -> Outcome<Measured> {
    let mut server = Server::start(places, folder)?;
    // The first looks read the project.
    sleep(Duration::from_secs(5));
    let before = cpu_of(server.0.id())?;
    sleep(IDLE);
    let cpu = cpu_of(server.0.id())? - before;
    let start = Instant::now();
    done(baton(places, folder)?.args(["schedule", "trigger", "s1", "-e", "dev", "--wait", "-q"]))?;
    let seconds = start.elapsed().as_secs_f64();
    let peak = memory(server.0.id(), "VmHWM");
    server.0.kill()?;
    Ok(Measured { seconds, cpu_seconds: Some(cpu), peak_mib: peak, ..Measured::default() })
}

struct Server(Child);

impl Server {
    fn start(places: &Places, folder: &Path) -> Outcome<Self> {
        let mut command = baton(places, folder)?;
        command.args(["serve", "-e", "dev", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Self(command.spawn()?);
        let said = server.0.stdout.take().ok_or("the server says nothing")?;
        BufReader::new(said).read_line(&mut String::new())?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn baton(places: &Places, folder: &Path) -> Outcome<Command> {
    let mut command = Command::new(places.get("baton")?);
    command.arg("-C").arg(folder);
    Ok(command)
}

fn done(command: &mut Command) -> Outcome<()> {
    let output = command.stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            Err(format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
        }
    }
}
