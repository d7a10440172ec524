//! What commands around runs, schedules, servers and the ledger say, whole; and that every command has such a snapshot.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use baton_testkit::project::TestProject;
use expect_test::{Expect, expect};

use crate::answers::ok;
use crate::kept::DAYS;
use crate::schedules::BY_HAND;
use crate::serve::{as_of, canteen};
use crate::shop::{at, check, deliver_more, shop};

/// An answer without ids of runs, when they logged, and how long their steps took.
fn check_runs(project: &TestProject, arguments: &[&str], expected: &Expect) {
    let answer = project.run(arguments);
    check(&answer.lines().map(|line| format!("{}\n", without_instants(line))).collect::<String>(), expected);
}

/// A line without ids, the bar that shows when a step ran, and the time of day that a line of a log begins with.
fn without_instants(line: &str) -> String {
    let line = match (line.find('▕'), line.rfind('▏')) {
        (Some(start), Some(end)) => format!("{}[bar]{}", &line[..start], &line[end + '▏'.len_utf8()..]),
        _ => line.to_owned(),
    };
    let is_id =
        |word: &&str| word.len() == 8 && word.chars().all(|digit| digit.is_ascii_hexdigit()) && *word != "00000000";
    let ids: Vec<&str> = line.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(is_id).collect();
    let line = ids.iter().fold(line.clone(), |line, id| line.replace(id, "[run]"));
    match line.split_once(' ') {
        Some((time, rest)) if time.len() == 12 && time.matches(':').count() == 2 => format!("[time] {rest}"),
        _ => line,
    }
}

/// What a server says from its start to its end: standard output, then standard error.
fn session(project: &TestProject, arguments: &[&str]) -> String {
    let mut server = project.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut said, mut more) = (String::new(), String::new());
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let port = said.trim().rsplit(':').next().unwrap().to_owned();
    // It answers, so it is ready for the signal, too.
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut more).unwrap();
    let ended = std::process::Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(ended.success());
    server.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0), "{said}");
    said.replace(&port, "[port]")
}

#[test]
fn runs_are_told() {
    let project = shop().file("schedules.yml", BY_HAND);
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    let project = deliver_more(project);
    project.write("tables.yml", "tables:\n  - {name: days, checks: [{row_count: {max: 2}}]}\n");
    assert_eq!(project.output(&["run", "-e", "dev", "--as-of", "2024-01-08"]).code, Some(1));
    check_runs(
        &project,
        &["runs", "-e", "dev"],
        &expect![[r#"
            exit: 0
            --- stdout
            run       began                 by     state      took   steps  what went wrong
            ────────  ────────────────────  ─────  ─────────  ────  ──────  ─────────────────────────────────────────────────────────────
            [run]  [now]  run    failed     [seconds]  1 of 3  build days failed: 1 check of `days` did not hold: 3 rows, e…
            [run]  [now]  apply  succeeded  [seconds]       3
        "#]],
    );
    check_runs(
        &project,
        &["runs", "show", "-e", "dev"],
        &expect![[r#"
        exit: 0
        --- stdout
        run [run] of dev  run  failed  [seconds]  as of 2024-01-08 00:00 UTC
          ✓ ingest  orders     [bar]    [seconds]  cache miss: 1 delivery, 2 rows
          ✓ build   customers  [bar]    [seconds]  cache miss: 3 rows
          ✗ build   days       [bar]    [seconds]  1 check of `days` did not hold: 3 rows, expected at most 2
        ✗ build days failed: 1 check of `days` did not hold: 3 rows, expected at most 2
    "#]],
    );
    check_runs(
        &project,
        &["runs", "show", "-e", "dev", "--log"],
        &expect![[r#"
            exit: 0
            --- stdout
            run [run] of dev  run  failed  [seconds]  as of 2024-01-08 00:00 UTC
              ✓ ingest  orders     [bar]    [seconds]  cache miss: 1 delivery, 2 rows
              ✓ build   customers  [bar]    [seconds]  cache miss: 3 rows
              ✗ build   days       [bar]    [seconds]  1 check of `days` did not hold: 3 rows, expected at most 2
            ✗ build days failed: 1 check of `days` did not hold: 3 rows, expected at most 2
            [time] error days: 1 check of `days` did not hold: 3 rows, expected at most 2
        "#]],
    );
    project.write("tables.yml", "tables:\n  - {name: days, checks: [{row_count: {max: 9}}]}\n");
    check_runs(
        &project,
        &["runs", "resume", "-e", "dev"],
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ build       days                 3 rows
        dev moved to [hash]; 1 check holds
    "#]],
    );
    check_runs(
        &project,
        &["runs", "resume", "-e", "dev"],
        &expect![[r#"
        exit: 2
        --- stderr
        error: run [run] has nothing left to do
        help: `baton run` takes in new data
    "#]],
    );
    check_runs(
        &project,
        &["runs", "cancel", "00000000", "-e", "dev"],
        &expect![[r#"
        exit: 2
        --- stderr
        error: there is no run `00000000`
        help: `baton runs` lists the newest runs
    "#]],
    );
    check_runs(
        &project,
        &["runs", "prune", "-e", "dev", "--older-than", "0s", "--keep", "1"],
        &expect![[r#"
        exit: 0
        --- stdout
        2 runs pruned
    "#]],
    );
    check_runs(
        &project,
        &["runs", "-e", "dev", "--state", "succeeded"],
        &expect![[r#"
            exit: 0
            --- stdout
            run       began                 by                        state      took  steps  what went wrong
            ────────  ────────────────────  ────────────────────────  ─────────  ────  ─────  ───────────────
            [run]  [now]  run (resume of [run])  succeeded  [seconds]      1
        "#]],
    );
}

#[test]
fn schedules_are_told() {
    let project = shop().file("schedules.yml", BY_HAND);
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    check(
        &project.run(&["schedule", "list", "-e", "dev"]),
        &expect![[r#"
        exit: 0
        --- stdout
        schedule  runs       next                  last run  state
        ────────  ─────────  ────────────────────  ────────  ─────
        nightly   0 3 1 1 *  [now]  never
    "#]],
    );
    check(
        &project.run(&["schedule", "trigger", "nightly", "-e", "dev"]),
        &expect![[r#"
        exit: 0
        --- stderr
        schedule `nightly` waits for a server of `dev`
    "#]],
    );
    check(
        &project.run(&["schedule", "pause", "nightly", "-e", "dev"]),
        &expect![[r#"
        exit: 0
        --- stdout
        schedule `nightly` is held back until it is resumed
    "#]],
    );
    check(
        &project.run(&["schedule", "resume", "nightly", "-e", "dev"]),
        &expect![[r#"
        exit: 0
        --- stdout
        schedule `nightly` goes on
    "#]],
    );
    check(
        &project.run(&["schedule", "trigger", "nightli", "-e", "dev"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: there is no schedule `nightli`
        help: did you mean `nightly`?
    "#]],
    );
}

#[test]
fn a_plan_names_the_schedules_that_run_what_changes() {
    let schedules = "\
schedules:
  - {name: nightly, cron: 0 3 1 1 *, select: [+days]}
  - {name: everything, cron: 0 4 1 1 *}
  - {name: others, cron: 0 5 1 1 *, select: [customers]}
  - {name: elsewhere, cron: 0 5 1 1 *, environments: [prod]}
  - {name: asleep, cron: 0 5 1 1 *, paused: true}
";
    let project = shop().file("schedules.yml", schedules);
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, max(amount) as amount\nfrom orders\ngroup by 1\n",
    );
    check(
        &project.run(&at(&["plan", "-e", "dev"])),
        &expect![[r#"
        exit: 0
        --- stdout
        Plan for environment `dev` as of 2024-01-05 00:00 UTC

          ~ table         days                   breaking: changes amount

          2 unchanged, 1 breaking

        Blast radius
          schedules      everything (runs days), nightly (runs days)

        Estimate  2 rows, 1.1 kB, [time]
        Undo      baton rollback -e dev [hash]
    "#]],
    );
    check(
        &project.run(&at(&["plan", "-e", "dev", "--format", "markdown"])),
        &expect![[r#"
        exit: 0
        --- stdout
        ### Baton plan for `dev`

        **2 unchanged, 1 breaking** as of 2024-01-05 00:00 UTC

        | | asset | kind | change | why |
        |---|---|---|---|---|
        | `~` | `days` | table | **breaking** | changes amount |

        <details><summary>Blast radius: 0 downstream</summary>

        - schedule everything (runs days)
        - schedule nightly (runs days)

        </details>

        - Estimate: 2 rows, 1.1 kB, [time]
        - Undo: `baton rollback -e dev [hash]`
    "#]],
    );
}

#[test]
fn a_backfill_is_told() {
    let project = crate::kept::kept();
    DAYS.iter().for_each(|day| drop(ok(&project, &["apply", "--yes", "--as-of", day])));
    let range = ["--from", "2024-01-02", "--to", "2024-01-04"];
    check(
        &project.run(&[&["backfill", "by_day"], &range[..], &["--yes"]].concat()),
        &expect![[r#"
        exit: 0
        --- stdout
        Backfill of `by_day` in environment `prod`

          computes  [2024-01-02T00:00, 2024-01-04T00:00) in 2 batches
          restates  [2024-01-02T00:00, 2024-01-04T00:00)
          ✓ build       by_day               2 rows for [2024-01-02T00:00, 2024-01-04T00:00), 5 in all
        prod moved to [hash]
    "#]],
    );
    check(
        &project.run(&[&["backfill", "by_dya"], &range[..], &["--yes"]].concat()),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no asset `by_dya` in the project
        help: did you mean `by_day`?
        help: `baton ls` lists all assets
    "#]],
    );
}

#[test]
fn servers_tell_where_they_answer() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    check(
        &session(&project, &["serve", "-e", "prod", "--port", "0"]),
        &expect![[r#"
        listening on http://127.0.0.1:[port]
          POST /v2/models/late/infer  late_payer@1
          note: the environment's data ends at 2024-02-10 00:00 UTC; online features older than their ttl are null. To answer as of then: --as-of 2024-02-10
        stopped
    "#]],
    );
    check(
        &session(&project, &["tracking", "--port", "0"]),
        &expect![[r#"
        listening on http://127.0.0.1:[port]
          mlflow.set_tracking_uri("http://127.0.0.1:[port]")
        stopped
    "#]],
    );
}

#[test]
fn an_export_is_told() {
    let export =
        "exports:\n  - {name: board, from: days, environments: [dev], to: {connector: file, path: out/days.csv}}\n";
    let project = shop().file("exports.yml", export);
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    check(
        &project.run(&at(&["export", "board", "-e", "dev", "--dry-run"])),
        &expect![[r#"
        exit: 0
        --- stdout
        file holds what environment `dev` has: nothing is to be delivered
    "#]],
    );
    check(
        &project.run(&at(&["export", "board", "-e", "dev", "--full-refresh"])),
        &expect![[r#"
        exit: 0
        --- stdout
          ✓ export      board                all 2 rows to file
        dev stays at [hash]
    "#]],
    );
}

#[test]
fn the_ledger_is_told() {
    let project = shop();
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    check(
        &project.run(&["ledger", "verify"]),
        &expect![[r#"
        exit: 0
        --- stdout
        ./.baton/ledger.db: 12 events, the seal holds: [hash]
    "#]],
    );
    check(
        &project.run(&["ledger", "move", "--to", "elsewhere/ledger.db"]),
        &expect![[r#"
        exit: 0
        --- stdout
        The ledger is at ./elsewhere/ledger.db now: 12 events, 1 commits, 1 environments, 0 tags, 1 runs; seal [hash] on both sides.
        baton.yml says so. What was at ./.baton/ledger.db is still there and no longer used.
    "#]],
    );
}

#[test]
fn completions_are_told() {
    let script = ok(&shop(), &["completions", "fish"]);
    let plan: Vec<&str> = script.lines().filter(|line| line.contains("using_subcommand plan\" -l")).take(3).collect();
    check(
        &format!("{}\n", plan.join("\n")),
        &expect![[r#"
        complete -c baton -n "__fish_baton_using_subcommand plan" -l exclude -d 'Not these assets, in the same grammar' -r
        complete -c baton -n "__fish_baton_using_subcommand plan" -l param -d 'Give a parameter of the project a value, for this run (can be repeated) [default: as declared under `params:`]' -r
        complete -c baton -n "__fish_baton_using_subcommand plan" -l recreate -d 'Make this table from nothing although it keeps what its inputs no longer say (can be repeated)' -r
    "#]],
    );
}

/// Every command stands at the head of an answer that is compared whole: in a file of tests with snapshots, as the first
/// words of a list of arguments.
#[test]
fn every_command_has_a_snapshot() {
    // An editor speaks to this one; `lsp.rs` compares what it answers.
    let spoken_to = BTreeSet::from(["lsp"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let with_snapshots: Vec<String> =
        files.filter(|text| text.contains("expect![[")).map(|text| text.split_whitespace().collect()).collect();
    let lacks = |command: &String| {
        let words: Vec<String> = command.split(' ').map(|word| format!("\"{word}\"")).collect();
        let head = format!("[{}", words.join(","));
        !spoken_to.contains(command.as_str()) && !with_snapshots.iter().any(|text| text.contains(&head))
    };
    let commands = commands(&shop(), "");
    assert!(commands.len() >= 40, "{commands:?}");
    let without: Vec<&String> = commands.iter().filter(|command| lacks(command)).collect();
    assert!(without.is_empty(), "without a snapshot: {without:?}");
}

/// The commands below `group`, as its help lists them; of those with commands of their own, these too.
fn commands(project: &TestProject, group: &str) -> Vec<String> {
    let words: Vec<&str> = group.split_whitespace().chain(["--help"]).collect();
    let help = ok(project, &words);
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let names = list.lines().take_while(|line| line.starts_with("  ")).filter_map(|line| {
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        line.split_whitespace().next().filter(|name| is_name && *name != "help")
    });
    let below = |name: &str| {
        let command = format!("{group} {name}").trim().to_owned();
        let own = commands(project, &command);
        // `runs` also answers by itself.
        let answers = own.is_empty() || command == "runs";
        answers.then_some(command).into_iter().chain(own).collect::<Vec<_>>()
    };
    names.flat_map(below).collect()
}
