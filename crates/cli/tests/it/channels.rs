//! Channels against a server that fails now and then: each cause is told once, and once more when it has ended.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use baton_testkit::project::TestProject;
use serde_json::Value;

use crate::shop::shop;

/// What a hook received: the first line of the request, its `Authorization`, its body.
type Received = (String, String, Value);

/// A server that answers 503 to its first request, and takes the others.
struct Hook {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut first, mut length, mut token) = (String::new(), 0, String::new());
                stream.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).unwrap();
                    let (name, value) = line.trim().split_once(": ").unwrap_or_default();
                    match name.to_lowercase().as_str() {
                        "" => break,
                        "content-length" => length = value.parse().unwrap(),
                        "authorization" => token = value.to_owned(),
                        _ => {}
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push((first, token, serde_json::from_slice(&body).unwrap()));
                let status = if number == 0 { "503 Service Unavailable" } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { port, received }
    }

    /// What was received, once it is so many.
    fn received(&self, count: usize) -> Vec<Received> {
        let start = Instant::now();
        loop {
            let received = self.received.lock().unwrap().clone();
            if received.len() >= count {
                return received;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{} of {count}: {received:?}", received.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn serve(project: &TestProject) -> Server {
    let said = std::fs::File::create(project.path("said.txt")).unwrap();
    let mut command = project.command(&["serve", "-e", "dev", "--port", "0"]);
    command.env("HOOK_PATH", "s3cret-path").env("HOOK_TOKEN", "s3cret-token");
    let mut process = command.stdout(Stdio::piped()).stderr(said).spawn().unwrap();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    Server(process)
}

fn ok(project: &TestProject, arguments: &[&str]) {
    let output = project.output(arguments);
    assert_eq!(output.code, Some(0), "{arguments:?}: {}{}", output.stdout, output.stderr);
}

const DOUBLE: &str = "order_id,customer,amount,ordered_at\n1,ada,1.0,2024-01-05T09:00:00Z\n";

#[test]
fn a_failure_is_told_once_and_its_end_once_whatever_the_channel_answers() {
    let hook = Hook::start();
    let schedules = format!(
        "schedules:
  - {{name: nightly, notify: [ops], select: [+days]}}
  - {{name: hourly, notify: [ops], select: [+customers]}}
channels:
  - {{name: ops, kind: webhook, url: 'http://127.0.0.1:{}/${{env:HOOK_PATH}}', token: '${{env:HOOK_TOKEN}}'}}
",
        hook.port
    );
    let project = shop().file("schedules.yml", &schedules);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    let server = serve(&project);
    let trigger = |name: &str| ok(&project, &["schedule", "trigger", name, "-e", "dev", "--wait"]);
    project.write("landing/orders-2.csv", DOUBLE);
    trigger("nightly");
    // The first try was answered with 503.
    let told = hook.received(2);
    assert_eq!(told[0].2, told[1].2);
    let (first, token, body) = &told[1];
    assert!(first.starts_with("POST /s3cret-path "), "{first}");
    assert_eq!(token, "Bearer s3cret-token");
    assert_eq!((body["version"].as_str(), body["status"].as_str()), (Some("4"), Some("firing")));
    let labels = &body["alerts"][0]["labels"];
    assert_eq!((labels["asset"].as_str(), labels["owner"].as_str()), (Some("orders"), Some("shop@example.com")));
    let description = body["alerts"][0]["annotations"]["description"].as_str();
    assert_eq!(description, Some("not run because of it: days"));

    // The same cause, met again by another schedule, is no news; that it has ended is.
    trigger("hourly");
    trigger("nightly");
    project.write("landing/orders-2.csv", &DOUBLE.replace("\n1,", "\n9,"));
    trigger("nightly");
    let told = hook.received(3);
    assert_eq!((told.len(), told[2].2["status"].as_str()), (3, Some("resolved")));
    assert_eq!(told[2].2["alerts"][0]["fingerprint"], told[1].2["alerts"][0]["fingerprint"]);
    drop(server);

    let mut kept = std::fs::read(project.path("said.txt")).unwrap();
    for entry in std::fs::read_dir(project.path(".baton")).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        kept.extend(std::fs::read(entry.path()).unwrap());
    }
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("is well again"), "the outbox was read");
    assert!(!kept.contains("s3cret"), "a secret was stored or shown");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "schedules follow the machine's clock, and so do the rows that are in time"
)]
fn data_that_is_late_and_in_time_again_are_told() {
    let hook = Hook::start();
    let schedules = format!(
        "schedules: [{{name: nightly, notify: [ops]}}]
channels:
  - {{name: ops, kind: webhook, url: 'http://127.0.0.1:{}/hook', hears: [late, recovery]}}
",
        hook.port
    );
    let project = shop().file("schedules.yml", &schedules);
    let sources = std::fs::read_to_string(project.path("sources.yml")).unwrap();
    let rule = "    time: ordered_at\n    freshness: {warn_after: 1h, error_after: 2h}\n";
    project.write("sources.yml", &sources.replace("    time: ordered_at\n", rule));
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    let server = serve(&project);
    let trigger = || ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    trigger();
    trigger();
    let told = hook.received(2);
    let (labels, annotations) = (&told[1].2["alerts"][0]["labels"], &told[1].2["alerts"][0]["annotations"]);
    assert_eq!((labels["alertname"].as_str(), labels["asset"].as_str()), (Some("BatonDataLate"), Some("orders")));
    let summary = annotations["summary"].as_str().unwrap();
    assert!(summary.starts_with("orders is late: its newest row is ") && summary.ends_with("d old"), "{summary}");

    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
    project.write("landing/orders-2.csv", &format!("order_id,customer,amount,ordered_at\n9,ada,1.0,{now}\n"));
    trigger();
    let told = hook.received(3);
    assert_eq!((told.len(), told[2].2["status"].as_str()), (3, Some("resolved")));
    assert_eq!(told[2].2["alerts"][0]["fingerprint"], told[1].2["alerts"][0]["fingerprint"]);
    drop(server);
}

/// A relay that takes every mail.
fn relay() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (port, mails) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&mails);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut mail, mut is_data) = (String::new(), false);
            let say = |stream: &mut BufReader<std::net::TcpStream>, text: &str| {
                stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).unwrap();
            };
            say(&mut stream, "220 relay");
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap_or(0) > 0 {
                let said = std::mem::take(&mut line);
                match (is_data, said.trim_end()) {
                    (true, ".") => {
                        is_data = false;
                        kept.lock().unwrap().push(std::mem::take(&mut mail));
                        say(&mut stream, "250 taken");
                    }
                    (true, _) => mail.push_str(&said),
                    (false, "DATA") => {
                        is_data = true;
                        say(&mut stream, "354 go on");
                    }
                    (false, "QUIT") => say(&mut stream, "221 bye"),
                    (false, _) => say(&mut stream, "250 fine"),
                }
            }
        }
    });
    (port, mails)
}

#[test]
fn a_late_run_and_its_end_are_told_in_the_form_of_every_kind() {
    let (hook, (mail_port, mails)) = (Hook::start(), relay());
    let port = hook.port;
    let yaml = format!(
        "schedules:
  - {{name: nightly, select: [+slow], late_after: 1s, notify: [hook, chat, pager, manager, mail]}}
channels:
  - {{name: hook, kind: webhook, url: 'http://127.0.0.1:{port}/hook'}}
  - {{name: chat, kind: slack, url: 'http://127.0.0.1:{port}/chat'}}
  - {{name: pager, kind: pagerduty, url: 'http://127.0.0.1:{port}/pager', routing_key: R0}}
  - {{name: manager, kind: alertmanager, url: 'http://127.0.0.1:{port}/manager'}}
  - {{name: mail, kind: email, url: 'smtp://127.0.0.1:{mail_port}', from: baton@example.com, to: [ann@example.com]}}
tables:
  - name: slow
    command: while test ! -e go; do sleep 0.1; done; printf 'n\\n1\\n' > $BATON_OUTPUTS/rows.csv
    inputs: [days]
    output: rows.csv
    columns: [{{name: n, type: int}}]
"
    );
    let project = shop().file("late.yml", &yaml).file("go", "");
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    std::fs::remove_file(project.path("go")).unwrap();
    project.write("landing/orders-2.csv", &DOUBLE.replace("\n1,", "\n9,"));
    let _server = serve(&project);
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev"]);
    // One of them was answered with 503 and told again.
    hook.received(5);
    project.write("go", "");
    let told = hook.received(9);
    let of = |path: &str| -> Vec<Value> {
        let mut bodies: Vec<Value> =
            told.iter().filter(|(first, ..)| first.contains(path)).map(|(.., body)| body.clone()).collect();
        bodies.dedup();
        bodies
    };
    let statuses: Vec<Value> = of("/hook").iter().map(|body| body["status"].clone()).collect();
    assert_eq!(statuses, ["firing", "resolved"]);
    let title = of("/hook")[0]["alerts"][0]["annotations"]["summary"].as_str().unwrap().to_owned();
    assert!(title.starts_with("schedule nightly is late: it was due at "), "{title}");
    let pages = of("/pager");
    let actions: Vec<&Value> = pages.iter().map(|body| &body["event_action"]).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!((&pages[0]["dedup_key"], &pages[0]["payload"]["severity"]), (&pages[1]["dedup_key"], &"warning".into()));
    let chats = of("/chat");
    assert!(chats.len() == 2 && chats[0]["text"].as_str().unwrap().contains("nightly is late"), "{chats:?}");
    let alerts = of("/manager");
    assert_eq!((alerts.len(), &alerts[0][0]["labels"]), (2, &alerts[1][0]["labels"]));
    assert!(alerts[1][0]["endsAt"].as_str() < alerts[0][0]["endsAt"].as_str(), "{alerts:?}");
    crate::schedules::within(20, "two mails", || (mails.lock().unwrap().len() == 2).then_some(()));
    let mails = mails.lock().unwrap().clone();
    assert!(mails[0].contains("To: ann@example.com") && mails[0].contains("nightly is late"), "{mails:?}");
    assert!(mails[1].contains("is well again"), "{mails:?}");
}

/// aiosmtpd behind a certificate of the test's own, which the server is told to trust.
#[test]
fn mails_go_encrypted_with_a_login() {
    let (certificate, key) = baton_testkit::certificate::self_signed();
    let project = shop().file("server.pem", &certificate).file("server.key", &key);
    let python = std::env::var_os("BATON_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let mut relays = std::process::Command::new(python);
    relays.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/relay.py"));
    relays.args([project.path("server.pem"), project.path("server.key")]).stdout(Stdio::piped());
    let mut relays = Server(relays.spawn().unwrap());
    let mut told = BufReader::new(relays.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ports = told.next().unwrap();
    let (direct, upgraded) = ports.split_once(' ').unwrap();
    let yaml = format!(
        "schedules:
  - {{name: nightly, select: [+days], notify: [direct, upgraded]}}
channels:
  - name: direct
    kind: email
    url: 'smtps://baton:${{env:MAIL_PASSWORD}}@localhost:{direct}'
    from: baton@example.com
    to: [ann@example.com]
  - name: upgraded
    kind: email
    url: 'smtp://baton:${{env:MAIL_PASSWORD}}@localhost:{upgraded}?tls=required'
    from: baton@example.com
    to: [ben@example.com]
"
    );
    project.write("mails.yml", &yaml);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    let mut server = project.command(&["serve", "-e", "dev", "--port", "0"]);
    server.env("MAIL_PASSWORD", "s3cret%2Fword").env("SSL_CERT_FILE", project.path("server.pem"));
    let mut server = Server(server.stdout(Stdio::piped()).spawn().unwrap());
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    project.write("landing/orders-2.csv", DOUBLE);
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    let mails: [Value; 2] = std::array::from_fn(|_| serde_json::from_str(&told.next().unwrap()).unwrap());
    for (way, receiver) in [("smtps", "ann@example.com"), ("starttls", "ben@example.com")] {
        let mail = mails.iter().find(|mail| mail["way"] == way).unwrap();
        assert_eq!(
            (&mail["encrypted"], &mail["login"], &mail["to"][0]),
            (&true.into(), &"baton".into(), &receiver.into())
        );
        assert!(mail["text"].as_str().unwrap().contains("orders"), "{mail}");
    }
}
