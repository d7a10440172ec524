//! Tables that grow by small files: how many files there are, what commits write, and that rows never change.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// Four rows a day; `run` is the run that wrote them last.
fn day(day: i64, run: &'static str) -> Vec<Row> {
    (0..4).map(|row| (day * 10 + row, Some(day * DAY + row), run)).collect()
}

async fn replace_days(fixture: &Fixture, base: Option<u64>, days: std::ops::Range<i64>, run: &'static str) {
    let rows: Vec<Row> = days.clone().flat_map(|number| day(number, run)).collect();
    let files = fixture.stage(base, &rows).await;
    let (start_micros, end_micros) = (days.start * DAY, days.end * DAY);
    let change = Change::ReplaceRange { column: "at".to_owned(), start_micros, end_micros, files };
    fixture.commit(base, change).await;
}

async fn append_days(fixture: &Fixture, days: std::ops::Range<i64>) {
    for number in days {
        fixture.append((number > 0).then(|| number.unsigned_abs() - 1), &day(number, "a")).await;
    }
}

fn data_files(fixture: &Fixture) -> BTreeSet<String> {
    let folder = fixture.folder.path().join(fixture.location.to_string());
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".parquet")).collect()
}

/// Of each `add` and `remove` of a version: the file's name and whether rows changed.
fn actions(fixture: &Fixture, version: u64) -> Vec<(&'static str, String, bool)> {
    let log = fixture.folder.path().join(fixture.location.to_string()).join("_delta_log");
    let text = fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &'static str| {
        let actions = lines.iter().filter_map(move |line| line.get(kind));
        actions.map(move |action| {
            (kind, action["path"].as_str().unwrap().to_owned(), action["dataChange"].as_bool().unwrap())
        })
    };
    of("add").chain(of("remove")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_daily_changes_stays_a_few_files() {
    const DAYS: i64 = 300;
    let fixture = Fixture::new();
    let runs = ["x", "y", "z"];
    let mut most_files = 0;
    for last in 0..DAYS {
        let base = (last > 0).then(|| last.unsigned_abs() - 1);
        replace_days(&fixture, base, last - 2..last + 1, runs[last as usize % 3]).await;
        let snapshot = fixture.lake.snapshot(&fixture.table(last.unsigned_abs())).await.unwrap();
        most_files = most_files.max(snapshot.files().len());
        // A day was last written two days later.
        let written = |number: i64| day(number, runs[(number + 2).min(last) as usize % 3]);
        let expected: Vec<Row> = (-2..last + 1).flat_map(written).collect();
        assert_eq!(snapshot.digest(), RowDigest::of(&batch(&expected)).unwrap(), "day {last}");
        if last % 50 == 49 || last == DAYS - 1 {
            let shown = fixture.rows(last.unsigned_abs()).await;
            let ids: Vec<i64> = shown.split(' ').map(|row| row.split('/').next().unwrap().parse().unwrap()).collect();
            assert_eq!(
                ids.iter().copied().collect::<BTreeSet<_>>(),
                expected.iter().map(|row| row.0).collect::<BTreeSet<_>>()
            );
            assert_eq!(ids.len(), expected.len());
        }
    }
    assert_eq!(fixture.lake.newest(&fixture.location).await.unwrap(), Some(fixture.table(299)), "a version a commit");
    // 32 small ones, the change's own and the rest of a file that the range cut.
    assert!(most_files <= 35, "{most_files}");
    // Each commit writes its rows and the rest of a cut file; every 28th puts files together.
    let written = data_files(&fixture).len() as i64;
    assert!(written <= 2 * DAYS + DAYS / 28 + 1, "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_put_together_change_no_rows_and_say_so() {
    let fixture = Fixture::new();
    append_days(&fixture, 0..33).await;
    let before = fixture.lake.snapshot(&fixture.table(32)).await.unwrap();
    assert_eq!(before.files().len(), 33);
    fixture.append(Some(32), &day(33, "a")).await;
    let after = fixture.lake.snapshot(&fixture.table(33)).await.unwrap();
    assert_eq!(after.files().len(), 1 + 4 + 1);
    let expected: Vec<Row> = (0..34).flat_map(|number| day(number, "a")).collect();
    assert_eq!(after.digest(), RowDigest::of(&batch(&expected)).unwrap());
    let ids = expected.iter().map(|row| row.0.to_string()).collect::<Vec<_>>();
    let shown = fixture.rows(33).await;
    assert_eq!(shown.split(' ').map(|row| row.split('/').next().unwrap()).collect::<Vec<_>>(), ids, "in order");
    let actions = actions(&fixture, 33);
    let moved: BTreeSet<(&str, &str)> =
        actions.iter().filter(|action| !action.2).map(|action| (action.0, action.1.as_str())).collect();
    let sources = before.files()[..29].iter().map(|file| ("remove", file.name.as_str()));
    assert_eq!(moved, sources.chain([("add", after.files()[0].name.as_str())]).collect());
    assert_eq!(actions.len(), 29 + 1 + 1, "the change's own file is the only new data");
    assert_eq!(fixture.rows(32).await.split(' ').count(), 33 * 4, "the version before still reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commits_put_the_same_files_together() {
    let (left, right) = (Fixture::new(), Fixture::new());
    append_days(&left, 0..70).await;
    append_days(&right, 0..70).await;
    assert_eq!(data_files(&left), data_files(&right));
    // The same commit again, as after a kill before it was recorded, writes nothing new.
    let (files, before) = (data_files(&left), left.rows(69).await);
    left.append(Some(68), &day(69, "a")).await;
    assert_eq!((data_files(&left), left.rows(70).await), (files, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_base_behind_the_head_the_file_is_new_data() {
    let fixture = Fixture::new();
    append_days(&fixture, 0..33).await;
    fixture.lake.restore(&fixture.location, 0, &info()).await.unwrap();
    fixture.append(Some(32), &day(33, "a")).await;
    assert_eq!(fixture.rows(34).await.split(' ').count(), 34 * 4);
    let actions = actions(&fixture, 34);
    assert!(actions.iter().all(|action| action.2), "the head had none of these rows: {actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_put_together_make_no_version() {
    let fixture = Fixture::new();
    append_days(&fixture, 0..33).await;
    let files = fixture.stage(Some(32), &day(33, "a")).await;
    let damaged = fixture.lake.snapshot(&fixture.table(32)).await.unwrap().files()[7].path.clone();
    let bytes = fs::read(&damaged).unwrap();
    fs::write(&damaged, &bytes[..bytes.len() - 9]).unwrap();
    let commit = |files| fixture.lake.commit(&fixture.location, &SCHEMA_OF_NOTHING, Some(32), files, &COMMIT_INFO);
    let error = commit(Change::Append(files.clone())).await.unwrap_err();
    assert!(matches!(&error, LakeError::Corrupt { path, .. } if *path == damaged.display().to_string()), "{error}");
    assert_eq!(fixture.reopened().newest(&fixture.location).await.unwrap(), Some(fixture.table(32)));
    fs::write(&damaged, bytes).unwrap();
    assert_eq!(commit(Change::Append(files)).await.unwrap().version, 33);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_stay_as_they_are() {
    let fixture = Fixture::new();
    let rows: Vec<Row> = (0..600_000).map(|id| (id, Some(0), "large by its rows")).collect();
    fixture.append(None, &rows).await;
    let large = fixture.lake.snapshot(&fixture.table(0)).await.unwrap().files()[0].name.clone();
    for base in 0..34 {
        fixture.append(Some(base), &day(base as i64, "a")).await;
    }
    let snapshot = fixture.lake.snapshot(&fixture.table(34)).await.unwrap();
    assert_eq!((snapshot.files().len(), &snapshot.files()[0].name), (1 + 1 + 4 + 1, &large));
}
