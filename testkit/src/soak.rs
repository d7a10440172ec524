//! A soak: schedules that are due twenty times a second in all, several servers on one PostgreSQL ledger, and everything
//! that goes wrong in a bad year: servers and workers that are killed, databases that crash, an API that is slow and
//! fails, alerts to deliver. At the end the books are audited: was every tick run once, is every row there once?

mod audit;
mod chance;
mod origin;
mod project;
mod servers;
mod trouble;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::audit::Findings;
use self::chance::Chance;
use self::origin::Origin;
use self::project::SoakProject;
use self::servers::Servers;
use self::trouble::Trouble;
use crate::own_postgres::OwnPostgres;

/// What went wrong with the soak itself.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Servers of each environment.
const SERVERS: usize = 2;
/// How long what waits may take after the last tick.
const PATIENCE: Duration = Duration::from_secs(600);

/// How the soak is to be.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The program.
    pub baton: PathBuf,
    /// The interpreter of its Python tables.
    pub python: PathBuf,
    /// Where it works; what is there goes.
    pub folder: PathBuf,
    /// From the first to the last trouble.
    pub length: Duration,
    /// Ticks a second, of all schedules of all environments.
    pub rate: usize,
    /// Environments, each with its own queue and servers.
    pub environments: usize,
    /// The same makes the same trouble.
    pub seed: u64,
}

impl Wish {
    /// Half an hour with twenty ticks a second in four environments.
    pub fn of(baton: &Path, python: &Path, folder: &Path) -> Self {
        Self {
            baton: baton.to_owned(),
            python: python.to_owned(),
            folder: folder.to_owned(),
            length: Duration::from_secs(1_800),
            rate: 20,
            environments: 4,
            seed: 1,
        }
    }
}

/// Runs it, and answers with what was found.
///
/// # Errors
/// What keeps it from going on, as a server that ends by itself. What was lost or done twice is among the findings.
pub fn run(wish: &Wish) -> Outcome<Findings> {
    let _nothing_there_is_fine = fs::remove_dir_all(&wish.folder);
    fs::create_dir_all(&wish.folder)?;
    let (database, origin) = (Arc::new(OwnPostgres::start()), Origin::start(wish.length));
    let project = SoakProject::write(wish, &database.url(), &origin)?;
    origin.begin();
    project.apply(wish)?;
    let mut servers = Servers::start(wish, &project)?;
    let mut trouble = Trouble::new(Chance::of(wish.seed), wish);
    let start = Instant::now();
    while start.elapsed() < wish.length {
        std::thread::sleep(Duration::from_millis(100));
        project.deliver(start.elapsed())?;
        trouble.make(start.elapsed(), &mut servers, &database)?;
        servers.look(start.elapsed(), &database)?;
    }
    origin.be_well();
    trouble.end()?;
    servers.start_missing()?;
    let settled = settle(&database, &mut servers, start)?;
    project.catch_up(wish)?;
    settle(&database, &mut servers, start)?;
    let findings = Findings::of(wish, &project, &database, &origin, &mut servers, &trouble, settled)?;
    servers.end();
    Ok(findings)
}

/// Waits until nothing is due any more and nothing waits; answers how long that took, `None` if it did not come to it.
fn settle(database: &OwnPostgres, servers: &mut Servers, start: Instant) -> Outcome<Option<Duration>> {
    let began = Instant::now();
    let mut quiet = 0;
    while began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_secs(1));
        servers.look(start.elapsed(), database)?;
        let open = "select (select count(*) from request where state in ('queued', 'running'))
                         + (select count(*) from message where state = 'open')";
        // The last deliveries make one more run of what waits for files.
        quiet = if database.ask(open)? == "0" { quiet + 1 } else { 0 };
        if quiet == 8 {
            return Ok(Some(began.elapsed()));
        }
    }
    Ok(None)
}
