//! Files that a command makes: kept as they are, handed to other commands, taken out of any version.

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::answers::{ok, plan_is_empty, rows};
use crate::shop::{at, check, deliver_more, shop};

/// A file for each customer, and what another command makes of them; each run of one leaves a line.
const STEPS: &str = "\
tables:
  - name: cards
    command: |
      echo cards >> runs.log
      mkdir -p $BATON_OUTPUTS/cards/of
      sh cards.sh $BATON_OUTPUTS/cards
    inputs: [customers, cards.sh]
    files: cards/
    checks: [{row_count: {min: 1}}]
  - name: lengths
    command: |
      echo lengths >> runs.log
      cd $BATON_INPUT_CARDS
      echo path,length > $BATON_OUTPUTS/lengths.csv
      for card in of/*; do echo $card,$(wc -c < $card) >> $BATON_OUTPUTS/lengths.csv; done
    inputs: [cards]
    output: lengths.csv
    columns: [{name: path, type: string, checks: [unique]}, {name: length, type: int}]
";
const SCRIPT: &str =
    "printf 'ada\\n\\000\\377' > $1/of/ada.bin\nprintf hopper > $1/of/grace\nprintf index > $1/index.txt\n";

fn cards() -> TestProject {
    shop().file("steps.yml", STEPS).file("cards.sh", SCRIPT)
}

fn ran(project: &TestProject) -> String {
    std::fs::read_to_string(project.path("runs.log")).unwrap_or_default().replace('\n', " ")
}

fn read(project: &TestProject, path: &str) -> Vec<u8> {
    std::fs::read(project.path(path)).unwrap()
}

#[test]
fn files_are_kept_by_version_handed_on_and_taken_out() {
    let project = cards();
    ok(&project, &at(&["apply", "--yes"]));
    check(
        &ok(&project, &["files", "cards"]),
        &expect![[r#"
        path        bytes  sha256
        ──────────  ─────  ────────────
        index.txt       5  1bc04b5291c2
        of/ada.bin      6  138bfaeabdfd
        of/grace        6  392a5bcbd71a
    "#]],
    );
    check(
        &rows(&project, "select * from lengths order by path"),
        &expect![[r#"
        path,length
        of/ada.bin,6
        of/grace,6
    "#]],
    );
    assert_eq!(ran(&project), "cards lengths ");
    assert!(plan_is_empty(&project, &at(&[])));
    ok(&project, &["tag", "first"]);

    project.write("cards.sh", &SCRIPT.replace("hopper", "murray-hopper"));
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(ran(&project), "cards lengths cards lengths ");
    ok(&project, &["files", "cards", "--to", "now"]);
    assert_eq!(
        (read(&project, "now/of/grace"), read(&project, "now/of/ada.bin")),
        (b"murray-hopper".into(), b"ada\n\0\xff".into())
    );
    ok(&project, &["files", "cards", "of/grace", "--at", "first", "--to", "then"]);
    assert_eq!(read(&project, "then/of/grace"), b"hopper");
    assert!(!project.path("then/index.txt").exists(), "only what was asked for");

    project.write("cards.sh", SCRIPT);
    ok(&project, &at(&["apply", "--yes"]));
    assert_eq!(ran(&project), "cards lengths cards lengths ", "what was made before is taken as it is");
    assert_eq!(rows(&project, "select length from lengths where path = 'of/grace'"), "length\n6\n");
    let again = ok(&project, &["reproduce", "cards"]);
    assert!(again.contains("cards"), "{again}");
}

#[test]
fn what_keeps_no_files_or_leaves_none_says_so() {
    let project = deliver_more(cards());
    project.write("cards.sh", "true\n");
    let failed = project.output(&at(&["apply", "--yes"]));
    assert!(failed.stdout.contains("ended and did not write `cards/`"), "{}", failed.stdout);
    let rows = project.output(&["files", "customers"]);
    assert!(rows.stderr.contains("`customers` keeps rows and no files"), "{}", rows.stderr);
    let unknown = project.output(&["files", "custmers"]);
    assert!(unknown.stderr.contains("there is no table `custmers`"), "{}", unknown.stderr);
    let told = |yaml: &str, expected: &str| {
        let stderr = cards().file("steps.yml", yaml).output(&["check"]).stderr;
        assert!(stderr.contains(expected), "{expected}\n{stderr}");
    };
    told(&STEPS.replace("files: cards/", "files: cards/\n    output: a.csv"), "has both `output`, which holds rows");
    told(&STEPS.replace("files: cards/", "files: ../cards/"), "lies outside of the project");
    told(
        &STEPS.replace("files: cards/", "files: cards/\n    columns: [{name: path, type: string}]"),
        "keeps files, whose columns are path, bytes, sha256, content",
    );
}
