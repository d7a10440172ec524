//! Two commands at once, kills, signals, closed pipes, taken ports, full folders.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::Instant;

use expect_test::expect;

use crate::answers::ok;
use crate::kills::kill_everywhere;
use crate::shop::{at, check, deliver_more, shop};

#[test]
fn apply_killed_at_every_point_ends_as_if_it_had_not_been() {
    let command = at(&["apply", "--yes"]);
    let points = kill_everywhere(shop, &command, "");
    assert!(points >= 12, "only {points} points were reached");
}

#[test]
fn replay_killed_at_every_point_ends_as_if_it_had_not_been() {
    let command = ["replay", "--from", "2024-01-05", "--to", "2024-01-08"];
    let ready = || {
        let project = deliver_more(shop());
        ok(&project, &at(&["apply", "--yes"]));
        project
    };
    let points = kill_everywhere(ready, &command, "");
    assert!(points >= 12, "only {points} points were reached");
}

#[test]
fn interrupt_ends_at_once_with_130() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    // It counts for ever.
    let sql =
        "with recursive t(n) as (select cast(1 as bigint) as n union all select n + 1 from t) select max(n) from t";
    let mut child = project.command(&["query", sql]).stderr(Stdio::piped()).spawn().unwrap();
    // The signal counts once the command listens for it, which it does before it opens the project.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn second_apply_is_refused_with_who_holds_the_lock() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    let lock = std::fs::File::options().write(true).open(project.path(".baton/ledger.db.prod.lock")).unwrap();
    lock.lock().unwrap();
    std::fs::write(project.path(".baton/ledger.db.prod.lock"), "`baton apply` (process 7)").unwrap();
    check(
        &project.run(&at(&["apply", "--yes"])),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `baton apply` (process 7) is working on environment `prod`; wait for it to end, or stop it and try again
    "#]],
    );
    assert_eq!(project.output(&at(&["apply", "--yes", "-e", "dev"])).code, Some(0));
}

#[test]
fn taken_port_says_which_flag_changes_it() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let answer = project.output(&["serve", "--port", &port]);
    assert_eq!(answer.code, Some(1));
    let next = port.parse::<u16>().unwrap() + 1;
    assert_eq!(
        answer.stderr,
        format!(
            "error: port {port} on 127.0.0.1 is in use by another process\n\
             help: stop that process, or choose another port with --port {next} (0 picks a free one)\n"
        )
    );
}

/// Stops the process however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _gone_already = self.0.wait();
    }
}

#[test]
fn server_starts_says_where_and_ends_in_order() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    let mut command = project.command(&["serve", "--port", "0"]);
    let mut server = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let status = std::process::Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn closed_pipe_is_quiet() {
    let project = shop();
    assert_eq!(project.output(&at(&["apply", "--yes"])).code, Some(0));
    // 3^10 rows are more than a pipe holds.
    let many = "select a.order_id from orders a, orders b, orders c, orders d, orders e, orders f, orders g, orders h, orders i, orders j";
    let mut command = project.command(&["query", many, "--limit", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn demo_refuses_a_folder_that_is_not_empty() {
    check(
        &shop().run(&["demo", "--dir", "."]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: folder `.` is not empty
        help: choose another folder, or give --force to write into it
    "#]],
    );
}

#[test]
fn version_starts_at_once() {
    let project = shop();
    let best = (0..5).map(|_| {
        let began = Instant::now();
        assert_eq!(project.output(&["--version"]).code, Some(0));
        began.elapsed()
    });
    // The promise is 15 ms on a quiet machine; tests run beside others.
    let best = best.min().unwrap();
    assert!(best.as_millis() < 150, "{best:?}");
}
