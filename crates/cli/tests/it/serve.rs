//! A server beside other processes: it follows its environment, keeps nobody out, and mixes no two commits.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use baton_testkit::project::TestProject;
use serde_json::{Value, json};

use crate::answers::ok;
use crate::shop::empty;

/// 2024-01-01T00:00:00Z.
const FIRST_DAY: u64 = 1_704_067_200;
const DAY: u64 = 86_400;

/// Guests of a canteen, what their last meal cost, and whether they pay it late.
pub(crate) fn canteen() -> TestProject {
    empty()
        .file("baton.yml", "project: canteen\nenvironments:\n  dev: {}\n  prod: {}\n")
        .file("assets.yml", ASSETS)
        .file("tables/habits_table.sql", "select guest, eaten_at, price as last_price from meals\n")
        .file("tables/payments.sql", "select guest, eaten_at, late from meals\n")
        .delivery("landing/meals-1.csv", &meals(0..40), FIRST_DAY + 40 * DAY)
}

/// From the 40th day on all meals cost more.
fn deliver(project: &TestProject, number: u64) {
    let (from, path) = (40 + number, format!("landing/meals-{}.csv", number + 2));
    project.write(&path, &meals(from..from + 1));
    let arrival = std::time::UNIX_EPOCH + Duration::from_secs(FIRST_DAY + (from + 1) * DAY);
    std::fs::File::options().write(true).open(project.path(&path)).unwrap().set_modified(arrival).unwrap();
}

fn meals(days: std::ops::Range<u64>) -> String {
    let mut text = "guest,eaten_at,price,late\n".to_owned();
    for (day, guest) in days.flat_map(|day| (0..20).map(move |guest| (day, guest))) {
        let price = if day < 40 { 5 + (day * 7 + guest * 3) % 11 } else { 100 + day };
        let time = chrono::DateTime::from_timestamp_secs((FIRST_DAY + day * DAY + guest * 60) as i64).unwrap();
        text.push_str(&format!("g{guest},{},{price}.0,{}\n", time.format("%Y-%m-%dT%H:%M:%SZ"), price > 10));
    }
    text
}

const ASSETS: &str = "\
sources:
  - name: meals
    connector: file
    path: landing/meals-*.csv
    load: append
    time: eaten_at
    available_at: eaten_at
    columns:
      - {name: guest, type: string}
      - {name: eaten_at, type: timestamp}
      - {name: price, type: float}
      - {name: late, type: bool}
features:
  - {name: habits, entity: [guest], from: habits_table, time: eaten_at, online: true}
models:
  - name: late_payer
    task: binary_classification
    labels: {from: payments, time: eaten_at, target: late, keys: [guest]}
    features: [habits.last_price]
    split: {by: time, test: 8d, validate: 4d}
    train: {algorithm: boosted_trees, trials: 1, cross_validate: 2, seed: 7}
endpoints:
  - {name: late, model: late_payer@champion}
";

/// `baton serve`, killed at the latest with the value.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Server {
    fn start(project: &TestProject) -> Self {
        Self::start_by(project.command(&["serve", "-e", "prod", "--port", "0"]))
    }

    /// By a command that serves on a port of its own choice.
    pub(crate) fn start_by(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().to_owned();
        assert!(address.contains(':'), "it does not listen: {line}");
        Self { process, address }
    }

    /// The most memory that it held so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    fn request(&self, method: &str, path: &str, body: &str) -> (String, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: baton\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), serde_json::from_str(body).unwrap())
    }

    /// The answer for one guest.
    pub(crate) fn predict(&self) -> Answer {
        let (status, answer) = self.request("POST", "/api/v1/endpoints/late/predict", r#"{"rows": [{"guest": "g3"}]}"#);
        assert!(status.contains(" 200 "), "{status} {answer}");
        let row = &answer["predictions"][0];
        let price = row["features"]["habits__last_price"]["value"].as_f64();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Answer {
            commit: text(&answer["commit"]),
            version: row["version"].as_u64().unwrap(),
            score: row["score"].as_f64().unwrap(),
            price,
            id: text(&row["id"]),
        }
    }

    /// Waits until `version` answers a request, and gives its score of the first row.
    pub(crate) fn until(&self, version: u64, body: &str) -> f64 {
        let start = Instant::now();
        loop {
            let (status, answer) = self.request("POST", "/api/v1/endpoints/late/predict", body);
            let row = &answer["predictions"][0];
            if status.contains(" 200 ") && row["version"] == version {
                return row["score"].as_f64().unwrap();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "not at version {version}: {status} {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until answers are of the newest commit of `prod`.
    fn caught_up(&self, project: &TestProject) -> Answer {
        let newest = head(project, "prod");
        let start = Instant::now();
        loop {
            let answer = self.predict();
            if answer.commit == newest {
                return answer;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "still at {}, not at {newest}", answer.commit);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Server {
    /// Kills it, as machines do.
    pub(crate) fn kill(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) commit: String,
    pub(crate) version: u64,
    pub(crate) score: f64,
    pub(crate) price: Option<f64>,
    pub(crate) id: String,
}

fn head(project: &TestProject, environment: &str) -> String {
    let log = ok(project, &["log", "-e", environment, "-o", "json", "--limit", "1"]);
    serde_json::from_str::<Value>(&log).unwrap()[0]["id"].as_str().unwrap().to_owned()
}

pub(crate) fn as_of(day: u64) -> String {
    chrono::DateTime::from_timestamp_secs((FIRST_DAY + day * DAY) as i64).unwrap().format("%Y-%m-%d").to_string()
}

fn edit(project: &TestProject, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(project.path(file)).unwrap();
    assert!(text.contains(from), "{file} does not hold {from}");
    project.write(file, &text.replace(from, to));
}

#[test]
fn server_follows_runs_applies_and_rollbacks_of_other_processes() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    let server = Server::start(&project);
    let first = server.caught_up(&project);
    assert_eq!((first.version, first.price), (1, Some(price_on(39))));

    deliver(&project, 0);
    ok(&project, &["run", "-e", "prod", "--as-of", &as_of(41)]);
    let second = server.caught_up(&project);
    assert_eq!((second.version, second.price), (1, Some(140.0)));
    assert_ne!(second.commit, first.commit);

    // What is edited and not yet applied is not served, whatever runs meanwhile.
    edit(&project, "assets.yml", "features: [habits.last_price]", "features: [habits.last_price, habits.meals]");
    edit(&project, "tables/habits_table.sql", "price as last_price", "1 as meals, price as last_price");
    deliver(&project, 1);
    ok(&project, &["run", "-e", "prod", "--as-of", &as_of(42)]);
    let third = server.caught_up(&project);
    assert_eq!((third.version, third.price), (1, Some(140.0)), "the edited view waits for its apply");
    assert_eq!(Server::start(&project).predict().price, Some(140.0), "nor does it for a server that starts now");

    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(42)]);
    let fourth = server.caught_up(&project);
    assert_eq!((fourth.version, fourth.price), (2, Some(141.0)));

    ok(&project, &["rollback", "-e", "prod", "--yes", &first.commit]);
    let back = server.caught_up(&project);
    assert_eq!((back.version, back.price, back.score), (1, first.price, first.score));
}

#[test]
fn answers_under_load_are_each_of_one_commit() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    ok(&project, &["apply", "-e", "dev", "--yes", "--as-of", &as_of(40)]);
    let server = Server::start(&project);
    let (seen, ended) = (Mutex::new(BTreeMap::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    let answer = server.predict();
                    let behind = (answer.version, answer.price, answer.score.to_bits());
                    let of_commit = seen.lock().unwrap().entry(answer.commit).or_insert(behind).to_owned();
                    assert_eq!(of_commit, behind, "two answers of one commit differ");
                }
            });
        }
        for day in 0..4 {
            deliver(&project, day);
            // Two environments at once, beside the server: all three share the online store.
            let clock = as_of(41 + day);
            let runs = ["prod", "dev"].map(|environment| {
                project.command(&["run", "-e", environment, "--as-of", &clock]).stdout(Stdio::null()).spawn().unwrap()
            });
            for mut run in runs {
                assert_eq!(run.wait().unwrap().code(), Some(0));
            }
        }
        server.caught_up(&project);
        ended.store(true, Ordering::SeqCst);
    });
    let prices: Vec<Option<f64>> = seen.into_inner().unwrap().into_values().map(|(_, price, _)| price).collect();
    assert!(prices.contains(&Some(price_on(39))) && prices.contains(&Some(143.0)), "{prices:?}");
}

#[test]
fn prediction_over_http_is_traced_to_its_files_whatever_came_later() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    let server = Server::start(&project);
    let answer = server.predict();
    // Killed right after the answer: what was answered is in the log.
    drop(server);
    deliver(&project, 0);
    ok(&project, &["run", "-e", "prod", "--as-of", &as_of(41)]);
    let trace: Value = serde_json::from_str(&ok(&project, &["trace", "-e", "prod", &answer.id, "-o", "json"])).unwrap();
    assert_eq!((&trace["commit"], &trace["model"]), (&json!(answer.commit), &json!("late_payer@1")));
    assert_eq!(trace["prediction"]["score"], json!(answer.score));
    assert_eq!(trace["prediction"]["freshness"]["habits"]["event_at"], json!("2024-02-09T00:03:00Z"));
    let files: Vec<&str> = trace["files"].as_array().unwrap().iter().filter_map(|file| file[0].as_str()).collect();
    assert_eq!(files, ["landing/meals-1.csv"]);

    let server = Server::start(&project);
    assert_eq!(server.caught_up(&project).price, Some(140.0));
    let text = ok(&project, &["trace", "-e", "prod", &answer.id]);
    assert!(text.contains("late_payer@1") && text.contains("landing/meals-1.csv"), "{text}");
}

#[test]
fn features_are_read_over_http_as_they_are_predicted_with() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    let server = Server::start(&project);
    let body = r#"{"entities": {"guest": ["g3", "nobody"]}, "features": ["habits:last_price"]}"#;
    let (status, answer) = server.request("POST", "/get-online-features", body);
    assert!(status.contains(" 200 "), "{status} {answer}");
    assert_eq!(answer["results"][1]["values"], json!([price_on(39), null]));
    assert_eq!(answer["results"][1]["statuses"], json!(["PRESENT", "NOT_FOUND"]));
    assert_eq!(answer["results"][1]["event_timestamps"][0], json!("2024-02-09T00:03:00Z"));
}

/// What guest 3 paid on a day of the first delivery.
fn price_on(day: u64) -> f64 {
    (5 + (day * 7 + 9) % 11) as f64
}

#[test]
fn assets_are_listed_by_the_grammar_of_the_command_line() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    let server = Server::start(&project);
    let names = |query: &str| -> Vec<String> {
        let (status, answer) = server.request("GET", &format!("/api/v1/assets{query}"), "");
        assert!(status.contains(" 200 "), "{query}: {status} {answer}");
        let assets = answer["assets"].as_array().unwrap();
        assets.iter().map(|asset| asset["name"].as_str().unwrap().to_owned()).collect()
    };
    let listed = |selection: &str| -> Vec<String> {
        let lines = ok(&project, &["ls", "-e", "prod", "-o", "json", "--select", selection]);
        let lines: Value = serde_json::from_str(&lines).unwrap();
        lines.as_array().unwrap().iter().map(|line| line["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("").len(), 6);
    for selection in [
        "+late_payer",
        "meals+1",
        "kind:table",
        "@habits",
        "habits_table payments",
        "kind:table,meals+",
        "source:meals+",
        "path:tables,+late",
        "*_table path:assets.yml",
    ] {
        assert_eq!(names(&format!("?select={}", selection.replace(' ', "%20"))), listed(selection), "{selection}");
        assert!(!listed(selection).is_empty(), "{selection}");
    }
    assert_eq!(names("?select=kind:table&exclude=payments"), ["habits_table"]);
    assert_eq!(names("?select=state:modified%2B"), [""; 0], "the project is as applied");
    // What the files say counts from the next request on.
    edit(&project, "tables/payments.sql", "late from", "not late as late from");
    assert_eq!(names("?select=state:modified+"), ["payments", "late_payer", "late"]);
    let (status, answer) = server.request("GET", "/api/v1/assets?select=state:modifed%2B", "");
    assert!(status.contains(" 400 "), "{status}");
    assert_eq!(answer["code"], "A0101");
    assert!(answer.to_string().contains("did you mean `modified`?"), "{answer}");
    edit(&project, "tables/payments.sql", "from meals", "from mails");
    let (status, answer) = server.request("GET", "/api/v1/assets?select=state:modified+", "");
    assert!(status.contains(" 503 ") && answer.to_string().contains("baton check"), "{status} {answer}");
    let (_, answer) = server.request("GET", "/api/v1/endpoints", "");
    assert_eq!(answer["endpoints"][0]["name"], "late", "what is served does not need the files");
}

/// Both environments train the same model at once, each its own version.
#[test]
fn two_processes_that_train_at_once_take_two_numbers() {
    let project = canteen();
    for environment in ["prod", "dev"] {
        ok(&project, &["apply", "-e", environment, "--yes", "--as-of", &as_of(40), "--exclude", "late_payer+"]);
    }
    let train = |environment: &str, day: u64| {
        let mut command = project.command(&["apply", "-e", environment, "--yes", "--as-of", &as_of(day)]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    deliver(&project, 0);
    let at_once = [train("prod", 41), train("dev", 42)];
    for process in at_once {
        let answer = process.wait_with_output().unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stdout));
    }
    let shown: Value =
        serde_json::from_str(&ok(&project, &["show", "late_payer", "-e", "prod", "-o", "json"])).unwrap();
    let numbers: Vec<u64> =
        shown["models"].as_array().unwrap().iter().map(|version| version["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2]);
    for version in shown["models"].as_array().unwrap() {
        let title = format!("# Model card: late_payer version {}", version["number"]);
        assert!(version["card"].as_str().unwrap().contains(&title), "{version:#}");
    }
}
