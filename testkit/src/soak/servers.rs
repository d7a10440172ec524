//! The servers of the soak: started, looked at, killed, and started again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::project::{SoakProject, environment};
use super::{Outcome, SERVERS, Wish};
use crate::own_postgres::OwnPostgres;
use crate::usage::{children, cpu, cpu_of_children, memory};

/// How often memory is written down.
const WEIGH: Duration = Duration::from_secs(10);
/// What the log says of a server that leads.
const LEADS: &str = "runs the schedules of";
/// What it says of one that was started while the database was down.
const WAITS: &str = "cannot be reached, trying again";

/// A place for a server: it is filled again when its server was killed.
struct Place {
    environment: usize,
    /// The newest server's, while it lives.
    process: Option<Child>,
    said: PathBuf,
    /// When the next one is started.
    start_at: Option<Instant>,
    /// Servers that were started here.
    started: usize,
    is_spared: bool,
    weights: Vec<(Duration, f64)>,
    /// Processor seconds of its processes: of those that ended, and of the one that lives when it was last looked at.
    used: f64,
    uses: f64,
}

impl Place {
    /// Takes in what the process used so far; one that is gone used what was last seen.
    fn look_at_use(&mut self) {
        if let Some(uses) = self.process.as_ref().and_then(|process| cpu(process.id())) {
            self.uses = uses;
        }
    }

    /// The process has ended.
    fn end_of_use(&mut self) {
        self.used += std::mem::take(&mut self.uses);
    }
}

/// What the database used: its first processes that ended, and the one that was there when it was last looked at.
#[derive(Default)]
struct DatabaseUse {
    used: f64,
    newest: Option<(u32, f64)>,
}

impl DatabaseUse {
    fn look(&mut self, database: &OwnPostgres) {
        let Some(first) = database.process() else { return };
        let ended = cpu(first).zip(cpu_of_children(&first.to_string())).map(|(own, ended)| own + ended);
        let uses = ended.unwrap_or_default() + children(first).into_iter().filter_map(cpu).sum::<f64>();
        match &mut self.newest {
            Some((known, used)) if *known == first => *used = used.max(uses),
            newest => self.used += newest.replace((first, uses)).map_or(0.0, |(_, used)| used),
        }
    }

    fn all(&self) -> f64 {
        self.used + self.newest.map_or(0.0, |(_, used)| used)
    }
}

/// A takeover that is waited for.
struct Waited {
    environment: usize,
    killed: Instant,
    /// Who might take over, with how often they had said that they lead.
    others: Vec<(usize, usize)>,
}

/// All servers.
pub(super) struct Servers {
    command: Box<dyn Fn(usize) -> Command>,
    places: Vec<Place>,
    waited: Vec<Waited>,
    weigh_at: Duration,
    /// From the kill of a server that led to another one's lead.
    pub(super) takeovers: Vec<Duration>,
    pub(super) kills: usize,
    pub(super) kills_of_leaders: usize,
    pub(super) kills_of_workers: usize,
    /// The most memory of any server, in MiB.
    pub(super) most_memory: f64,
    /// Processes of Python that were seen.
    seen: BTreeSet<u32>,
    database: DatabaseUse,
}

impl Servers {
    /// Starts all of them. One of the last environment is spared: it shows what a server comes to that is never ended.
    pub(super) fn start(wish: &Wish, project: &SoakProject) -> Outcome<Self> {
        let (baton, python, folder) = (wish.baton.clone(), wish.python.clone(), project.folder.clone());
        let command = move |number: usize| {
            // They end when the soak is ended from outside, too.
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "KILL"])
                .arg(&baton)
                .args(["serve", "--port", "0", "-e", &environment(number), "-C"])
                .arg(&folder);
            command.env("BATON_PYTHON", &python).env("BATON_THREADS", "1").stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        let place = |number: usize| Place {
            environment: number % wish.environments,
            process: None,
            said: wish.folder.join(format!("server-{number}.log")),
            start_at: None,
            started: 0,
            is_spared: number + 1 == wish.environments * SERVERS,
            weights: Vec::new(),
            used: 0.0,
            uses: 0.0,
        };
        let mut servers = Self {
            command: Box::new(command),
            places: (0..wish.environments * SERVERS).map(place).collect(),
            waited: Vec::new(),
            weigh_at: Duration::ZERO,
            takeovers: Vec::new(),
            kills: 0,
            kills_of_leaders: 0,
            kills_of_workers: 0,
            most_memory: 0.0,
            seen: BTreeSet::new(),
            database: DatabaseUse::default(),
        };
        servers.start_missing()?;
        Ok(servers)
    }

    /// Starts a server in each place that has none.
    pub(super) fn start_missing(&mut self) -> Outcome<()> {
        for place in self.places.iter_mut().filter(|place| place.process.is_none()) {
            let said = File::options().create(true).append(true).open(&place.said)?;
            place.process = Some((self.command)(place.environment).stderr(said).spawn()?);
            place.start_at = None;
            place.started += 1;
        }
        Ok(())
    }

    /// Starts those whose pause is over, sees who took over, and weighs.
    pub(super) fn look(&mut self, elapsed: Duration, database: &OwnPostgres) -> Outcome<()> {
        let now = Instant::now();
        for place in &mut self.places {
            // Whatever happens to the database: a server waits for it, or goes on without.
            if let Some(process) = &mut place.process
                && process.try_wait()?.is_some()
            {
                let said = fs::read_to_string(&place.said).unwrap_or_default();
                let last = said.lines().last().unwrap_or_default();
                let (name, said) = (environment(place.environment), place.said.display());
                return Err(format!("a server of {name} ended by itself ({last}): see {said}").into());
            }
            if place.start_at.is_some_and(|at| now >= at) {
                let said = File::options().create(true).append(true).open(&place.said)?;
                place.process = Some((self.command)(place.environment).stderr(said).spawn()?);
                place.start_at = None;
                place.started += 1;
            }
        }
        self.see_takeovers(now);
        if elapsed >= self.weigh_at {
            self.weigh_at = elapsed + WEIGH;
            self.weigh(elapsed);
            self.database.look(database);
        }
        Ok(())
    }

    /// The database ends soon, and with it what it says of what it used.
    pub(super) fn before_restart(&mut self, database: &OwnPostgres) {
        self.database.look(database);
    }

    /// Processor seconds of all servers, and of the database, so far.
    pub(super) fn cpu(&mut self, database: &OwnPostgres) -> (f64, f64) {
        self.places.iter_mut().for_each(Place::look_at_use);
        self.database.look(database);
        let servers = self.places.iter().map(|place| place.used + place.uses).sum();
        (servers, self.database.all())
    }

    /// How often a server was started while the database was down, and waited for it.
    pub(super) fn waited_for_database(&self) -> usize {
        let said = self.places.iter().map(|place| fs::read_to_string(&place.said).unwrap_or_default());
        said.map(|said| said.lines().filter(|line| line.contains(WAITS)).count()).sum()
    }

    fn see_takeovers(&mut self, now: Instant) {
        let places = &self.places;
        let takeovers = &mut self.takeovers;
        self.waited.retain(|waited| {
            let took_over = |(place, said): &(usize, usize)| says_lead(&places[*place].said) > *said;
            if waited.others.iter().any(took_over) {
                takeovers.push(now - waited.killed);
                return false;
            }
            true
        });
    }

    fn weigh(&mut self, elapsed: Duration) {
        for place in &mut self.places {
            place.look_at_use();
            let Some(weight) = place.process.as_ref().and_then(|process| memory(process.id(), "VmRSS")) else {
                continue;
            };
            self.most_memory = self.most_memory.max(weight);
            place.weights.push((elapsed, weight));
        }
    }

    /// Kills a server of an environment, the one that leads if there is one and `wants_leader`; it comes again after a pause.
    pub(super) fn kill(&mut self, number: usize, wants_leader: bool, pause: Duration) -> Outcome<()> {
        let places = 0..self.places.len();
        let may = |place: &usize| {
            let place = &self.places[*place];
            place.environment == number && !place.is_spared && place.process.is_some()
        };
        let Some(chosen) = places.filter(may).max_by_key(|place| leads(&self.places[*place].said) == wants_leader)
        else {
            return Ok(());
        };
        let led = leads(&self.places[chosen].said);
        let place = &mut self.places[chosen];
        place.look_at_use();
        place.end_of_use();
        if let Some(mut process) = place.process.take() {
            process.kill()?;
            process.wait()?;
        }
        let killed = Instant::now();
        place.start_at = Some(killed + pause);
        self.kills += 1;
        if led {
            self.kills_of_leaders += 1;
        }
        if led && !self.waited.iter().any(|waited| waited.environment == number) {
            let all = self.places.iter().enumerate().filter(|(_, place)| place.environment == number);
            let others = all.map(|(place, found)| (place, says_lead(&found.said))).collect();
            self.waited.push(Waited { environment: number, killed, others });
        }
        Ok(())
    }

    /// Kills a worker that runs Python for one of the servers, if there is one that was not there before.
    pub(super) fn kill_worker(&mut self) -> bool {
        let servers: BTreeSet<u32> =
            self.places.iter().filter_map(|place| place.process.as_ref().map(Child::id)).collect();
        for (process, parent) in pythons() {
            if servers.contains(&parent) && self.seen.insert(process) {
                let killed = Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
                if killed.is_ok_and(|status| status.success()) {
                    self.kills_of_workers += 1;
                    return true;
                }
            }
        }
        false
    }

    /// How many servers were started in all.
    pub(super) fn started(&self) -> usize {
        self.places.iter().map(|place| place.started).sum()
    }

    /// Takeovers that were never seen.
    pub(super) fn missed_takeovers(&self) -> usize {
        self.waited.len()
    }

    /// Memory of those that were never killed, over time.
    pub(super) fn weights(&self) -> Vec<Vec<(Duration, f64)>> {
        self.places.iter().filter(|place| place.is_spared).map(|place| place.weights.clone()).collect()
    }

    /// Ends all of them.
    pub(super) fn end(&mut self) {
        for process in self.places.iter_mut().filter_map(|place| place.process.as_mut()) {
            let _gone_already = process.kill().and_then(|()| process.wait());
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether the newest server of a log leads: who follows says so, too.
fn leads(said: &Path) -> bool {
    let said = fs::read_to_string(said).unwrap_or_default();
    let newest = said.lines().rev().find(|line| line.contains(LEADS) || line.contains("are run by"));
    newest.is_some_and(|line| line.contains(LEADS))
}

fn says_lead(said: &Path) -> usize {
    fs::read_to_string(said).unwrap_or_default().lines().filter(|line| line.contains(LEADS)).count()
}

/// Processes of Python, each with its parent.
fn pythons() -> Vec<(u32, u32)> {
    let of_process = |entry: fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, behind) = stat.split_once('(')?.1.rsplit_once(')')?;
        let parent = behind.split_whitespace().nth(1)?.parse().ok()?;
        name.starts_with("python").then_some((process, parent))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(of_process).collect()
}
