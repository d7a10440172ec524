//! What goes wrong, and when: chosen by chance, the same for the same seed.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::own_postgres::OwnPostgres;

use super::chance::Chance;
use super::servers::Servers;
use super::{Outcome, Wish};

/// The first minute is quiet, or a sixth of a short soak: everybody starts.
const QUIET: Duration = Duration::from_secs(30);

/// When what is next.
pub(super) struct Trouble {
    chance: Chance,
    environments: usize,
    kill_at: Duration,
    kill_worker_at: Duration,
    restart_at: Duration,
    /// Restarts of the database, and how many of them were crashes.
    pub(super) restarts: usize,
    pub(super) crashes: usize,
    restarting: Option<JoinHandle<()>>,
}

impl Trouble {
    pub(super) fn new(chance: Chance, wish: &Wish) -> Self {
        let (length, environments) = (wish.length, wish.environments);
        let quiet = QUIET.min(length / 6);
        let restart_at = quiet + Duration::from_secs(40).min(length / 6);
        Self {
            chance,
            environments,
            kill_at: quiet,
            kill_worker_at: quiet,
            restart_at,
            restarts: 0,
            crashes: 0,
            restarting: None,
        }
    }

    /// Makes what is due.
    pub(super) fn make(
        &mut self,
        elapsed: Duration,
        servers: &mut Servers,
        database: &Arc<OwnPostgres>,
    ) -> Outcome<()> {
        if elapsed >= self.kill_at {
            let environment = self.chance.below(self.environments);
            let wants_leader = self.chance.share() < 0.7;
            servers.kill(environment, wants_leader, self.between(1, 8))?;
            self.kill_at = elapsed + self.between(4, 16);
        }
        if elapsed >= self.kill_worker_at && servers.kill_worker() {
            self.kill_worker_at = elapsed + self.between(15, 45);
        }
        if elapsed >= self.restart_at {
            let crash = self.chance.share() < 0.5;
            self.end()?;
            servers.before_restart(database);
            // Meanwhile everything else goes on, and servers are started that find no database.
            let (database, pause) = (Arc::clone(database), self.between(0, 5));
            self.restarting = Some(std::thread::spawn(move || database.restart(crash, pause)));
            self.restarts += 1;
            self.crashes += usize::from(crash);
            self.restart_at = elapsed + self.between(90, 180);
        }
        Ok(())
    }

    /// Waits until the database is there again.
    pub(super) fn end(&mut self) -> Outcome<()> {
        match self.restarting.take().map(JoinHandle::join) {
            Some(Err(_)) => Err("the database did not start again".into()),
            _ => Ok(()),
        }
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        self.chance.between(Duration::from_secs(least), Duration::from_secs(most))
    }
}
