//! Discovery: what a location matches, in which order, and what it may not reach.

use expect_test::{Expect, expect};

use super::*;

fn project() -> Project {
    Project::with("landing/flights/2013-02.parquet", "12")
        .file("landing/flights/2013-01.parquet", "1")
        .file("landing/flights/.2013-03.parquet", "partial")
        .file("landing/flights/old/2012-12.parquet", "1")
        .file("landing/airlines.csv.gz", "1")
        .file("landing/notes.txt", "1")
}

fn check(location: &str, expected: Expect) {
    let shown = match project().units(location) {
        Err(error) => format!("error: {error}\n"),
        Ok(units) => units.iter().map(|unit| format!("{} {}\n", unit.path, unit.size)).collect(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn locations_match_files_in_order() {
    check(
        "landing/flights/*.parquet",
        expect![[r#"
        landing/flights/2013-01.parquet 1
        landing/flights/2013-02.parquet 2
    "#]],
    );
    check(
        "./landing/**/*.parquet",
        expect![[r#"
        landing/flights/2013-01.parquet 1
        landing/flights/2013-02.parquet 2
        landing/flights/old/2012-12.parquet 1
    "#]],
    );
    check(
        "landing/flights/2013-0[2-9].parquet",
        expect![[r#"
        landing/flights/2013-02.parquet 2
    "#]],
    );
    check(
        "landing/airlines.csv.gz",
        expect![[r#"
        landing/airlines.csv.gz 1
    "#]],
    );
    check("landing/flights/*.csv", expect![[r#""#]]);
}

#[test]
fn locations_that_cannot_be_meant_are_named() {
    check(
        "../*.csv",
        expect![[r#"
        error: `../*.csv` leads out of the project folder; write an absolute path if that is meant
    "#]],
    );
    check(
        "landing/flights/../../../x.csv",
        expect![[r#"
        error: `landing/flights/../../../x.csv` leads out of the project folder; write an absolute path if that is meant
    "#]],
    );
    check(
        "landing/flight/*.parquet",
        expect![[r#"
        error: `landing/flight` is not a folder; create it, or mend the path of the source
    "#]],
    );
    check(
        "landing/planes.csv",
        expect![[r#"
        error: `landing/planes.csv` does not exist; mend the path of the source, or use a pattern if files arrive later
    "#]],
    );
    check(
        "landing/flights",
        expect![[r#"
        error: `landing/flights` is a folder; write `landing/flights/*` or a narrower pattern
    "#]],
    );
    check(
        "landing/*",
        expect![[r#"
        error: `landing/notes.txt` has no known file ending (.parquet, .csv, .tsv, .json, .jsonl, .ndjson, each also .gz or .zst); set option `format`, or narrow the path
    "#]],
    );
    check(
        "landing/[",
        expect![[r#"
        error: path `landing/[` is not a valid pattern: unclosed character class; missing ']'
    "#]],
    );
}

#[test]
fn options_are_checked() {
    for (name, value, expected) in [
        ("format", "xml", expect!["option `format: xml` is not parquet, csv or json"]),
        ("delimiter", "||", expect!["option `delimiter: ||` is not one ASCII character or `tab`"]),
        (
            "seperator",
            ";",
            expect![
                "option `seperator: ;` is unknown to connector `file`; it knows format, compression, delimiter, header"
            ],
        ),
    ] {
        let mut request = project().request("landing/*");
        request.options.insert(name.to_owned(), value.to_owned());
        expected.assert_eq(&FileConnector.discover(&request).unwrap_err().to_string());
    }
}

#[test]
fn absolute_paths_may_leave_the_project_when_spelled_out() {
    let elsewhere = Project::with("a.csv", "a\n1\n");
    let location = elsewhere.folder.path().join("*.csv").to_str().unwrap().to_owned();
    let units = project().units(&location).unwrap();
    assert_eq!(units.len(), 1);
    assert_eq!(read_unit(&units[0], &Contract::default()).unwrap().report.rows, 1);
}

#[cfg(unix)]
#[test]
fn links_may_not_leave_the_project() {
    let elsewhere = Project::with("a.csv", "a\n1\n");
    let project = project();
    std::os::unix::fs::symlink(elsewhere.folder.path(), project.folder.path().join("landing/link")).unwrap();
    let error = project.units("landing/link/*.csv").unwrap_err();
    expect!["`landing/link/a.csv` leads out of the project folder; write an absolute path if that is meant"]
        .assert_eq(&error.to_string());
}

#[test]
fn a_fingerprint_is_of_the_stored_bytes_and_arrival_is_recorded() {
    let project = Project::with("a.csv", "a\n1\n").file("b.csv", "a\n1\n").file("c.csv", "a\n2\n");
    let units = project.units("*.csv").unwrap();
    let prints: Vec<String> = units.iter().map(|unit| FileConnector.fingerprint(unit).unwrap()).collect();
    // From `b3sum`-compatible BLAKE3 of the four bytes, so that recorded hashes stay comparable between versions.
    assert_eq!(prints[0], blake3::hash(b"a\n1\n").to_hex().to_string());
    assert_eq!(prints[0], prints[1]);
    assert_ne!(prints[0], prints[2]);
    // 2020-01-01, in microseconds: the file was made just now.
    assert!(units.iter().all(|unit| unit.modified_at > 1_577_836_800_000_000));
}
