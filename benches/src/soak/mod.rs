//! A soak: schedules that are due twenty times a second in all, several servers on one PostgreSQL ledger, and everything
//! that goes wrong in a bad year: servers and workers that are killed, databases that crash, an API that is slow and
//! fails, alerts to deliver. At the end the books are audited: was every tick run once, is every row there once?

mod audit;
mod chance;
mod origin;
mod project;
mod servers;
mod trouble;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use baton_testkit::own_postgres::OwnPostgres;

use self::audit::Findings;
use self::chance::Chance;
use self::origin::Origin;
use self::project::SoakProject;
use self::servers::Servers;
use self::trouble::Trouble;
use crate::{Outcome, Places};

/// Environments, each with its own queue and servers.
const ENVIRONMENTS: usize = 4;
/// Servers of each of them.
const SERVERS: usize = 2;
/// How long what waits may take after the last tick.
const PATIENCE: Duration = Duration::from_secs(600);

/// How the soak is to be.
struct Wish {
    baton: PathBuf,
    python: PathBuf,
    folder: PathBuf,
    length: Duration,
    /// Ticks a second, of all schedules of all environments.
    rate: usize,
    is_json: bool,
    seed: u64,
}

impl Wish {
    fn of(places: &Places) -> Outcome<Self> {
        let number = |name: &str| places.text(name).map(str::parse::<f64>).transpose();
        Ok(Self {
            baton: places.get("baton")?.clone(),
            python: places.get("python")?.clone(),
            folder: places.get("data")?.join("soak"),
            length: Duration::from_secs_f64(60.0 * number("minutes")?.unwrap_or(30.0)),
            rate: number("rate")?.unwrap_or(20.0) as usize,
            is_json: places.text("form") == Some("json"),
            seed: number("seed")?.map_or_else(|| u64::from(std::process::id()), |seed| seed as u64),
        })
    }
}

/// Runs it, and tells what was found; an error when something was lost or done twice.
pub(crate) fn run(places: &Places) -> Outcome<()> {
    let wish = Wish::of(places)?;
    let _nothing_there_is_fine = fs::remove_dir_all(&wish.folder);
    fs::create_dir_all(&wish.folder)?;
    eprintln!(
        "soak of {:.1} minutes in {}, seed {}",
        wish.length.as_secs_f64() / 60.0,
        wish.folder.display(),
        wish.seed
    );
    let (database, origin) = (OwnPostgres::start(), Origin::start(wish.length));
    let project = SoakProject::write(&wish, &database.url(), &origin)?;
    origin.begin();
    project.apply(&wish)?;
    let mut servers = Servers::start(&wish, &project)?;
    let mut trouble = Trouble::new(Chance::of(wish.seed), wish.length);
    let start = Instant::now();
    while start.elapsed() < wish.length {
        std::thread::sleep(Duration::from_millis(100));
        project.deliver(start.elapsed())?;
        trouble.make(start.elapsed(), &mut servers, &database)?;
        servers.look(start.elapsed())?;
    }
    origin.be_well();
    servers.start_missing()?;
    let settled = settle(&database, &mut servers, start)?;
    project.catch_up(&wish)?;
    settle(&database, &mut servers, start)?;
    let findings = Findings::of(&wish, &project, &database, &origin, &servers, &trouble, settled)?;
    servers.end();
    if wish.is_json {
        println!("{}", findings.json());
    } else {
        print!("{}", findings.table());
    }
    findings.verdict()
}

/// Waits until nothing is due any more and nothing waits; answers how long that took, `None` if it did not come to it.
fn settle(database: &OwnPostgres, servers: &mut Servers, start: Instant) -> Outcome<Option<Duration>> {
    let began = Instant::now();
    let mut quiet = 0;
    while began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_secs(1));
        servers.look(start.elapsed())?;
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
