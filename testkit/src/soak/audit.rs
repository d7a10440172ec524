//! The books after the soak: what was due against what ran, what came against what is there, what was told against what
//! arrived. Read from the ledger's tables by SQL and from the environments by `baton query`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::own_postgres::OwnPostgres;
use serde_json::{Value, json};

use super::origin::Origin;
use super::project::{SoakProject, environment};
use super::servers::Servers;
use super::trouble::Trouble;
use super::{Outcome, Wish};

/// Memory may grow by so much between the second quarter of the soak and its last, and still count as flat.
const GROWTH: f64 = 1.15;
/// Points of a figure over time.
const POINTS: usize = 30;
/// The slowest takeover that is allowed.
const TAKEOVER: Duration = Duration::from_secs(10);

/// What was found, name by name, and what of it must not be.
pub struct Findings {
    figures: Vec<(&'static str, Value)>,
    wrong: Vec<String>,
}

impl Findings {
    pub(super) fn of(
        wish: &Wish,
        project: &SoakProject,
        database: &OwnPostgres,
        origin: &Origin,
        servers: &mut Servers,
        trouble: &Trouble,
        settled: Option<Duration>,
    ) -> Outcome<Self> {
        let (cpu_of_servers, cpu_of_database) = servers.cpu(database);
        let mut findings = Self { figures: Vec::new(), wrong: Vec::new() };
        findings.figure("minutes", json!(wish.length.as_secs_f64() / 60.0));
        findings.figure("ticks_a_second", json!(wish.rate));
        findings.figure("seed", json!(wish.seed));
        findings.of_trouble(servers, trouble, origin);
        match settled {
            Some(settled) => findings.figure("settled_after_seconds", json!(settled.as_secs())),
            None => findings.wrong.push("runs still wait ten minutes after the last tick".to_owned()),
        }
        findings.of_ticks(wish, project, database)?;
        findings.of_lags(database)?;
        findings.of_cpu(database, wish, cpu_of_servers, cpu_of_database)?;
        findings.of_rows(wish, project, origin)?;
        findings.of_alerts(database, origin)?;
        findings.of_memory(servers);
        let verified = project.command(wish, &["ledger", "verify"]).output()?;
        if !verified.status.success() {
            findings.wrong.push(format!("the ledger's seal: {}", String::from_utf8_lossy(&verified.stderr)));
        }
        Ok(findings)
    }

    fn figure(&mut self, name: &'static str, value: Value) {
        self.figures.push((name, value));
    }

    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(otherwise());
        }
    }

    fn of_trouble(&mut self, servers: &Servers, trouble: &Trouble, origin: &Origin) {
        self.figure("servers_started", json!(servers.started()));
        self.figure("servers_killed", json!(servers.kills));
        self.figure("servers_killed_while_they_led", json!(servers.kills_of_leaders));
        self.figure("servers_started_while_the_database_was_down", json!(servers.waited_for_database()));
        self.figure("workers_killed", json!(servers.kills_of_workers));
        self.figure("database_restarts", json!(trouble.restarts));
        self.figure("database_crashes", json!(trouble.crashes));
        self.figure("api_answers", json!(origin.answers()));
        let mut seconds: Vec<f64> = servers.takeovers.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds.get(((seconds.len() as f64 - 1.0) * share).round() as usize).copied();
        self.figure("takeovers", json!(seconds.len()));
        self.figure("takeover_seconds_median", json!(at(0.5)));
        self.figure("takeover_seconds_most", json!(at(1.0)));
        // One that begins while the database is down takes as much longer.
        let slow = servers.takeovers.iter().filter(|took| **took > TAKEOVER).count();
        self.figure("takeovers_slower_than_10_s", json!(slow));
        // One that had lost the lease and not said so yet: that nobody led would show in the ticks.
        self.figure("takeovers_not_seen", json!(servers.missed_takeovers()));
    }

    /// Each minute of each schedule was put into the queue once, and what was put there ran once.
    fn of_ticks(&mut self, wish: &Wish, project: &SoakProject, database: &OwnPostgres) -> Outcome<()> {
        let last = project.ends_at.timestamp().div_euclid(60) * 60;
        let ticks = format!(
            "with tick as (select environment, schedule, count(*) as n, min(due_at) / 1000000 as first
                             from request where schedule like 'tick%' group by 1, 2)
             select count(*), sum(n), sum(({last} - first) / 60 + 1 - n), max(first) - min(first) from tick"
        );
        let row = numbers(&database.ask(&ticks)?);
        let (schedules, requests, missing, spread) = (row[0], row[1], row[2], row[3]);
        self.figure("schedules", json!(schedules));
        self.figure("ticks_due", json!(requests + missing));
        self.figure("ticks_missing", json!(missing));
        let wanted = (wish.rate * 60 / wish.environments * wish.environments) as i64;
        self.must(schedules == wanted, || format!("{schedules} of {wanted} schedules were ever due"));
        self.must(missing == 0, || format!("{missing} ticks were never put into the queue"));
        self.must(spread <= 60, || format!("some schedules were first due {spread} s after others"));

        let states =
            database.ask("select schedule like 'tick%', state, count(*) from request group by 1, 2 order by 1, 2")?;
        let mut of_ticks = BTreeMap::new();
        for line in states.lines() {
            let parts: Vec<&str> = line.split('|').collect();
            let what = if parts[0] == "t" { "ticks" } else { "other runs" };
            of_ticks.insert(format!("{what} {}", parts[1]), parts[2].parse::<i64>()?);
        }
        let failed = of_ticks.iter().filter(|(state, _)| state.starts_with("ticks") && *state != "ticks succeeded");
        let failed: i64 = failed.map(|(_, count)| *count).sum();
        self.figure("requests", json!(of_ticks));
        self.must(failed == 0, || format!("{failed} ticks did not succeed"));

        // Runs that were cut off, or lost their ledger, were begun again; of those that ended well there must be one a tick.
        let runs = "with ran as (select r.id, count(run.id) filter (where run.state = 'succeeded') as n,
                                    count(run.id) filter (where run.state <> 'succeeded') as cut
                               from request r left join run on run.environment = r.environment
                                and run.schedule = r.schedule and run.due_at = r.due_at
                              where r.schedule like 'tick%' group by 1)
                    select count(*) filter (where n = 0), count(*) filter (where n > 1), sum(cut) from ran";
        let row = numbers(&database.ask(runs)?);
        self.figure("ticks_without_a_run", json!(row[0]));
        self.figure("ticks_run_twice", json!(row[1]));
        self.figure("runs_cut_off_and_begun_again", json!(row[2]));
        self.must(row[0] == 0, || format!("{} ticks have no run that ended", row[0]));
        self.must(row[1] == 0, || format!("{} ticks have several runs that ended", row[1]));
        Ok(())
    }

    fn of_lags(&mut self, database: &OwnPostgres) -> Outcome<()> {
        let lags = "select percentile_disc(array[0.5, 0.99, 1.0]) within group (order by lag)
                      from (select (min(finished_at) - due_at) / 1000 as lag from run
                             where schedule like 'tick%' and state = 'succeeded' group by environment, schedule, due_at) as lags";
        let answered = database.ask(lags)?;
        let lags: Vec<&str> = answered.trim_matches(['{', '}']).split(',').collect();
        for (name, lag) in ["lag_ms_median", "lag_ms_p99", "lag_ms_most"].into_iter().zip(lags) {
            self.figure(name, json!(lag.parse::<i64>().ok()));
        }
        let runs = "select count(*), avg(finished_at - started_at) / 1000 from run where schedule like 'tick%' and state = 'succeeded'";
        let answered = database.ask(runs)?;
        let mean = answered.split('|').nth(1).and_then(|mean| mean.parse::<f64>().ok());
        self.figure("run_ms_mean", json!(mean.map(f64::round)));
        Ok(())
    }

    /// What a run cost, all that went wrong included.
    fn of_cpu(&mut self, database: &OwnPostgres, wish: &Wish, servers: f64, of_database: f64) -> Outcome<()> {
        let runs = numbers(&database.ask("select count(*) from run")?)[0];
        self.figure("runs", json!(runs));
        self.figure("cpu_seconds_of_servers", json!(servers.round()));
        self.figure("cpu_seconds_of_database", json!(of_database.round()));
        let a_run = 1_000.0 * (servers + of_database) / (runs.max(1) as f64);
        self.figure("cpu_ms_a_run", json!((a_run * 10.0).round() / 10.0));
        let cores = (servers + of_database) / wish.length.as_secs_f64();
        self.figure("cores", json!((cores * 100.0).round() / 100.0));
        Ok(())
    }

    /// Each row that came is there once, in each environment.
    fn of_rows(&mut self, wish: &Wish, project: &SoakProject, origin: &Origin) -> Outcome<()> {
        self.figure("rows_delivered", json!(project.rows()));
        self.figure("events_offered", json!(origin.events()));
        for number in 0..wish.environments {
            let name = environment(number);
            for (table, wanted, from) in
                [("deliveries", project.rows(), 0), ("events", origin.events(), 1), ("scored", origin.events(), 1)]
            {
                let sql = format!("select count(*), count(distinct id), min(id), max(id) from {table}");
                let answered = project.baton(wish, &["query", "-e", &name, "--format", "csv", &sql])?;
                let found = numbers(&answered.lines().last().unwrap_or_default().replace(',', "|"));
                let wanted = wanted as i64;
                let expected = [wanted, wanted, from, wanted + from - 1];
                self.must(found == expected, || {
                    format!("{table} of {name} has rows, distinct ids, least, greatest {found:?} and not {expected:?}")
                });
            }
        }
        Ok(())
    }

    /// Each alert was told once, and each end of one.
    fn of_alerts(&mut self, database: &OwnPostgres, origin: &Origin) -> Outcome<()> {
        let row = numbers(&database.ask(
            "select count(*) filter (where state = 'delivered'), count(*) filter (where state <> 'delivered'),
                    count(*) filter (where ends = 0), count(*) filter (where ends = 1), coalesce(sum(attempts), 0) from message",
        )?);
        self.figure("alerts_delivered", json!(row[0]));
        self.figure("alerts_of_failures", json!(row[2]));
        self.figure("alerts_of_recoveries", json!(row[3]));
        self.figure("alert_tries", json!(row[4]));
        self.must(row[1] == 0, || format!("{} alerts were not delivered", row[1]));
        let received = origin.received().len() as i64;
        // Whoever is killed between the answer and the note of it tells again: receivers know it by its fingerprint.
        self.figure("alerts_received_again", json!(received - row[0]));
        self.must(received >= row[0], || format!("{} alerts count as delivered and {received} arrived", row[0]));
        self.must(row[2] - row[3] == 0, || format!("{} failures were told and {} recoveries", row[2], row[3]));
        Ok(())
    }

    fn of_memory(&mut self, servers: &Servers) {
        self.figure("memory_mib_most", json!(servers.most_memory.round()));
        let mut means = Vec::new();
        for weights in servers.weights() {
            let quarter = |from: usize, until: usize| {
                let part = &weights[weights.len() * from / 4..weights.len() * until / 4];
                part.iter().map(|(_, weight)| weight).sum::<f64>() / part.len().max(1) as f64
            };
            let (early, late) = (quarter(1, 2), quarter(3, 4));
            means.push(json!([early.round(), late.round()]));
            self.must(weights.len() < 40 || late <= early * GROWTH, || {
                format!("a server that was never killed grew from {early:.0} to {late:.0} MiB")
            });
        }
        self.figure("memory_mib_second_and_last_quarter", Value::Array(means));
        let over_time = servers.weights().into_iter().next().unwrap_or_default();
        let every = over_time.len().div_ceil(POINTS).max(1);
        let point = |(at, weight): &(Duration, f64)| json!([at.as_secs(), weight.round()]);
        self.figure("memory_mib_by_second", over_time.iter().step_by(every).map(point).collect());
    }

    /// What must not be and is, in words.
    pub fn wrong(&self) -> &[String] {
        &self.wrong
    }

    /// A figure by its name; null for one that there is not.
    pub fn get(&self, name: &str) -> &Value {
        self.figures.iter().find(|(known, _)| *known == name).map_or(&Value::Null, |(_, value)| value)
    }

    /// All of it.
    pub fn json(&self) -> Value {
        let figures: serde_json::Map<String, Value> =
            self.figures.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({"figures": figures, "wrong": self.wrong})
    }

    /// All of it, a line each.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.figures {
            text.push_str(&format!("  {:<38}{value}\n", name.replace('_', " ")));
        }
        for wrong in &self.wrong {
            text.push_str(&format!("  WRONG: {wrong}\n"));
        }
        text
    }

    /// Whether all is as it must be.
    ///
    /// # Errors
    /// When something is not.
    pub fn verdict(&self) -> Outcome<()> {
        if self.wrong.is_empty() { Ok(()) } else { Err(format!("{} things are wrong", self.wrong.len()).into()) }
    }
}

/// The numbers of a row; 0 for what is none.
fn numbers(row: &str) -> Vec<i64> {
    row.split('|').map(|number| number.trim().parse().unwrap_or(0)).collect()
}
