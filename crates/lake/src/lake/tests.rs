//! Table versions over real folders: every kind of change, from any base, and what may go wrong.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use baton_core::time::timestamp_from_micros;
use expect_test::expect;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::snapshot::StagedFile;
use crate::{Compression, RowDigest};

mod compaction;

const DAY: i64 = 86_400_000_000;

struct Fixture {
    lake: Lake,
    location: TableLocation,
    folder: TempDir,
}

/// A row: id, instant in microseconds, text.
type Row = (i64, Option<i64>, &'static str);

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::with_prefix("lake with spaces ").unwrap();
        let lake = Lake::open(folder.path()).unwrap();
        Self { lake, location: TableLocation::new("flights", "abc").unwrap(), folder }
    }

    /// Another process's view of the same warehouse.
    fn reopened(&self) -> Lake {
        Lake::open(self.folder.path()).unwrap()
    }

    async fn stage(&self, base: Option<u64>, rows: &[Row]) -> Vec<StagedFile> {
        self.stage_with(rows, WriteOptions { base, ..WriteOptions::default() }).await
    }

    async fn stage_with(&self, rows: &[Row], options: WriteOptions) -> Vec<StagedFile> {
        let mut writer = self.lake.writer(&self.location, &schema(), options).await.unwrap();
        writer.write(&batch(rows)).await.unwrap();
        writer.finish().await.unwrap()
    }

    async fn commit(&self, base: Option<u64>, change: Change) -> TableVersion {
        self.lake.commit(&self.location, &schema(), base, change, &info()).await.unwrap()
    }

    async fn append(&self, base: Option<u64>, rows: &[Row]) -> TableVersion {
        let files = self.stage(base, rows).await;
        self.commit(base, Change::Append(files)).await
    }

    /// The rows of a version in order, as text; the same from a fresh process, or the test fails.
    async fn rows(&self, version: u64) -> String {
        let table = TableVersion { location: self.location.to_string(), version };
        let cached = shown(&self.lake, &table).await;
        assert_eq!(shown(&self.reopened(), &table).await, cached, "a fresh process reads something else");
        cached
    }

    fn table(&self, version: u64) -> TableVersion {
        TableVersion { location: self.location.to_string(), version }
    }
}

async fn shown(lake: &Lake, table: &TableVersion) -> String {
    let batches = lake.read_all(table).await.unwrap();
    let snapshot = lake.snapshot(table).await.unwrap();
    let digests: Vec<RowDigest> = batches.iter().map(|batch| RowDigest::of(batch).unwrap()).collect();
    assert_eq!(digests.into_iter().sum::<RowDigest>(), snapshot.digest());
    assert_eq!(batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), snapshot.rows());
    let mut lines = Vec::new();
    for batch in &batches {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        let texts = batch.column(2).as_string::<i32>();
        for row in 0..batch.num_rows() {
            let day =
                if times.is_null(row) { "-".to_owned() } else { format!("{}", times.value(row) as f64 / DAY as f64) };
            lines.push(format!("{}/{}/{}", ids.value(row), day, texts.value(row)));
        }
    }
    lines.join(" ")
}

fn schema() -> Schema {
    batch(&[]).schema().as_ref().clone()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.1)).with_timezone("UTC"))),
        ("text", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn info() -> CommitInfo {
    CommitInfo {
        operation: "WRITE".to_owned(),
        at: timestamp_from_micros(1_372_636_800_000_000),
        metadata: serde_json::json!({"run": "r1"}),
    }
}

fn names(files: &[StagedFile]) -> Vec<String> {
    files.iter().map(|file| file.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_made_appended_to_and_replaced() {
    let fixture = Fixture::new();
    let first = fixture.append(None, &[(1, Some(0), "a"), (2, Some(DAY), "b")]).await;
    assert_eq!(first.to_string(), "tables/flights/abc@0");
    fixture.append(Some(0), &[(3, None, "c")]).await;
    let files = fixture.stage(Some(1), &[(9, Some(0), "z")]).await;
    assert_eq!(fixture.commit(Some(1), Change::Replace(files)).await.version, 2);
    assert_eq!(fixture.rows(0).await, "1/0/a 2/1/b");
    assert_eq!(fixture.rows(1).await, "1/0/a 2/1/b 3/-/c");
    assert_eq!(fixture.rows(2).await, "9/0/z");
    assert_eq!(fixture.lake.newest(&fixture.location).await.unwrap().unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_lists_files_with_what_is_known_of_them() {
    let fixture = Fixture::new();
    let table = fixture.append(None, &[(1, Some(0), "a"), (2, None, "b")]).await;
    let snapshot = fixture.reopened().snapshot(&table).await.unwrap();
    let [file] = snapshot.files() else { panic!("one file") };
    assert!(file.name.starts_with("part-00000000000000000000-00000-"), "{}", file.name);
    assert_eq!(fs::metadata(&file.path).unwrap().len(), file.size);
    assert_eq!((file.rows, snapshot.rows(), snapshot.bytes()), (2, 2, file.size));
    assert_eq!(file.modified_at_millis, 1_372_636_800_000);
    assert_eq!(file.tags["baton.digest"], file.digest.to_string());
    let id = &file.stats().columns["id"];
    assert_eq!(id.min.as_ref().unwrap().as_primitive::<Int64Type>().value(0), 1);
    assert_eq!(id.max.as_ref().unwrap().as_primitive::<Int64Type>().value(0), 2);
    assert_eq!(file.stats().columns["at"].nulls, Some(1));
    assert_eq!(snapshot.schema().as_ref(), &schema());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_replaced_and_the_rest_stays() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "before"), (2, Some(DAY - 1), "before")]).await;
    fixture.append(Some(0), &[(3, Some(DAY), "inside"), (4, Some(2 * DAY - 1), "inside")]).await;
    fixture.append(Some(1), &[(5, Some(DAY + 5), "inside"), (6, Some(2 * DAY), "end"), (7, None, "null")]).await;
    let untouched = names(fixture.lake.snapshot(&fixture.table(0)).await.unwrap().files());
    let files = fixture.stage(Some(2), &[(8, Some(DAY), "new")]).await;
    let change = Change::ReplaceRange { column: "at".to_owned(), start_micros: DAY, end_micros: 2 * DAY, files };
    fixture.commit(Some(2), change).await;
    assert_eq!(
        fixture.rows(3).await,
        format!("1/0/before 2/{}/before 8/1/new 6/2/end 7/-/null", (DAY - 1) as f64 / DAY as f64)
    );
    let now = names(fixture.lake.snapshot(&fixture.table(3)).await.unwrap().files());
    assert_eq!((now.len(), &now[0]), (3, &untouched[0]), "a file outside of the range is not written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_over_a_column_without_time_is_an_error() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    let change = |column: &str| Change::ReplaceRange {
        column: column.to_owned(),
        start_micros: 0,
        end_micros: 1,
        files: vec![],
    };
    let commit =
        |column| fixture.lake.commit(&fixture.location, &SCHEMA_OF_NOTHING, Some(0), change(column), &COMMIT_INFO);
    expect!["column `text` cannot be used here: a time range needs an instant or a date, and it is of type Utf8"]
        .assert_eq(&commit("text").await.unwrap_err().to_string());
    expect!["column `when` cannot be used here: the table has no such column"]
        .assert_eq(&commit("when").await.unwrap_err().to_string());
}

static SCHEMA_OF_NOTHING: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(Schema::empty);
static COMMIT_INFO: std::sync::LazyLock<CommitInfo> = std::sync::LazyLock::new(info);

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_replaces_rows_by_key_in_touched_files_only() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "old"), (2, Some(0), "old")]).await;
    fixture.append(Some(0), &[(3, Some(0), "old"), (9, Some(0), "old")]).await;
    fixture.append(Some(1), &[(20, Some(0), "far")]).await;
    let before = fixture.lake.snapshot(&fixture.table(2)).await.unwrap();
    let files = fixture.stage(Some(2), &[(2, Some(DAY), "new"), (5, Some(DAY), "new")]).await;
    fixture.commit(Some(2), Change::Merge { keys: vec!["id".to_owned()], files }).await;
    assert_eq!(fixture.rows(3).await, "3/0/old 9/0/old 20/0/far 2/1/new 5/1/new 1/0/old");
    let after = fixture.lake.snapshot(&fixture.table(3)).await.unwrap();
    assert_eq!(names(&after.files()[..2]), names(&before.files()[1..]), "files without a key of the new rows stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_by_an_unknown_key_is_an_error() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    let change = Change::Merge { keys: vec!["key".to_owned()], files: vec![] };
    let error = fixture.lake.commit(&fixture.location, &schema(), Some(0), change, &info()).await.unwrap_err();
    assert!(matches!(error, LakeError::Column { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_restored_without_writing_files() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    let files = fixture.stage(Some(0), &[(2, Some(0), "b")]).await;
    fixture.commit(Some(0), Change::Replace(files)).await;
    let restored = fixture.lake.restore(&fixture.location, 0, &info()).await.unwrap();
    assert_eq!(restored.version, 2);
    assert_eq!(fixture.rows(2).await, "1/0/a");
    let files =
        |version| names(&futures::executor::block_on(fixture.lake.snapshot(&fixture.table(version))).unwrap().files);
    assert_eq!(files(2), files(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_from_a_base_behind_the_head_holds_base_and_change_only() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    // A killed run committed this, and nothing recorded it.
    fixture.append(Some(0), &[(2, Some(0), "unrecorded")]).await;
    assert_eq!(fixture.append(Some(0), &[(3, Some(0), "c")]).await.version, 2);
    assert_eq!(fixture.rows(2).await, "1/0/a 3/0/c");
    // The same work again, as after a kill between commit and recording: the same files under a new version.
    assert_eq!(fixture.append(Some(0), &[(3, Some(0), "c")]).await.version, 3);
    let files =
        |version| names(&futures::executor::block_on(fixture.lake.snapshot(&fixture.table(version))).unwrap().files);
    assert_eq!(files(3), files(2));
    assert_eq!(fixture.append(None, &[(4, Some(0), "alone")]).await.version, 4);
    assert_eq!(fixture.rows(4).await, "4/0/alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_committers_each_make_one_version() {
    let fixture = Fixture::new();
    fixture.append(None, &[(0, Some(0), "base")]).await;
    let lakes: Vec<Lake> = (0..4).map(|_| fixture.reopened()).collect();
    let commits = lakes.iter().enumerate().flat_map(|(number, lake)| (0..5).map(move |_| (number, lake)));
    let versions = futures::future::join_all(commits.map(|(number, lake)| {
        let fixture = &fixture;
        async move {
            let fixture = Fixture {
                lake: fixture.reopened(),
                location: fixture.location.clone(),
                folder: TempDir::new().unwrap(),
            };
            let files = fixture.stage(Some(0), &[(number as i64 + 1, Some(0), "other")]).await;
            lake.commit(&fixture.location, &schema(), Some(0), Change::Append(files), &info()).await.unwrap()
        }
    }))
    .await;
    let mut numbers: Vec<u64> = versions.iter().map(|table| table.version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    for (position, table) in versions.iter().enumerate() {
        assert_eq!(fixture.rows(table.version).await, format!("0/0/base {}/0/other", position / 5 + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rows_make_a_version_without_files() {
    let fixture = Fixture::new();
    assert_eq!(fixture.append(None, &[]).await.version, 0);
    assert_eq!(fixture.rows(0).await, "");
    let snapshot = fixture.reopened().snapshot(&fixture.table(0)).await.unwrap();
    assert_eq!((snapshot.files().len(), snapshot.schema().as_ref()), (0, &schema()));
    assert_eq!(snapshot.digest(), RowDigest::default());
    fixture.append(Some(0), &[(1, Some(0), "a")]).await;
    fixture.append(Some(1), &[]).await;
    assert_eq!(fixture.rows(2).await, "1/0/a");
    let change = Change::ReplaceRange { column: "at".to_owned(), start_micros: 0, end_micros: 1, files: vec![] };
    fixture.commit(Some(2), change).await;
    assert_eq!(fixture.rows(3).await, "");
}

async fn append_columns(
    fixture: &Fixture,
    base: u64,
    columns: Vec<(&str, ArrayRef)>,
) -> Result<TableVersion, LakeError> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = WriteOptions { base: Some(base), ..WriteOptions::default() };
    let mut writer = fixture.lake.writer(&fixture.location, &batch.schema(), options).await?;
    writer.write(&batch).await?;
    let files = writer.finish().await?;
    fixture.lake.commit(&fixture.location, &batch.schema(), Some(base), Change::Append(files), &info()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_is_null_before_it_came() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    let digest = fixture.lake.snapshot(&fixture.table(0)).await.unwrap().digest();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int64Array::from(vec![2]))), ("price", Arc::new(Float64Array::from(vec![1.5])))];
    append_columns(&fixture, 0, columns).await.unwrap();
    let lake = fixture.reopened();
    let batches = lake.read_all(&fixture.table(1)).await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    expect![[r#"
        +----+----------------------+------+-------+
        | id | at                   | text | price |
        +----+----------------------+------+-------+
        | 1  | 1970-01-01T00:00:00Z | a    |       |
        | 2  |                      |      | 1.5   |
        +----+----------------------+------+-------+"#]]
    .assert_eq(&shown);
    assert_eq!(lake.snapshot(&fixture.table(0)).await.unwrap().schema().as_ref(), &schema());
    // Back to before the column came, and the schema is that of then.
    fixture.lake.restore(&fixture.location, 0, &info()).await.unwrap();
    let restored = fixture.reopened().snapshot(&fixture.table(2)).await.unwrap();
    assert_eq!((restored.schema().as_ref(), restored.digest()), (&schema(), digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_type_is_refused_and_makes_no_version() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    let columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(StringArray::from(vec!["one"])))];
    let error = append_columns(&fixture, 0, columns).await.unwrap_err();
    expect!["column `id` of table `tables/flights/abc` is of type Int64 and would become Utf8; cast it to Int64, or replace the whole table"].assert_eq(&error.to_string());
    assert_eq!(fixture.reopened().newest(&fixture.location).await.unwrap(), Some(fixture.table(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_rows_make_the_same_files() {
    let options = WriteOptions { target_file_rows: 2, compression: Compression::Snappy, ..WriteOptions::default() };
    let rows = [(1, Some(0), "a"), (2, None, "b"), (3, Some(DAY), "c"), (4, Some(DAY), "d"), (5, Some(DAY), "e")];
    let (left, right) = (Fixture::new(), Fixture::new());
    let (left_files, right_files) =
        (left.stage_with(&rows, options.clone()).await, right.stage_with(&rows, options).await);
    assert_eq!(left_files.iter().map(|file| file.rows).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(names(&left_files), names(&right_files));
    for (left, right) in left_files.iter().zip(&right_files) {
        assert_eq!(fs::read(&left.path).unwrap(), fs::read(&right.path).unwrap());
    }
    let whole = left.stage(None, &rows).await;
    assert_eq!(
        left_files.iter().map(|file| file.digest).sum::<RowDigest>(),
        whole[0].digest,
        "the layout does not matter"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_file_is_named() {
    let fixture = Fixture::new();
    let table = fixture.append(None, &[(1, Some(0), "a")]).await;
    let path = fixture.lake.snapshot(&table).await.unwrap().files()[0].path.clone();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    let error = fixture.lake.read_all(&table).await.unwrap_err();
    assert!(
        matches!(&error, LakeError::Corrupt { path: named, .. } if *named == path.display().to_string()),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    let error = fixture.lake.read_all(&table).await.unwrap_err();
    assert!(matches!(&error, LakeError::Read { path: named, .. } if *named == path.display().to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_version_and_a_missing_table_are_told() {
    let fixture = Fixture::new();
    let missing = |version| LakeError::NoSuchVersion { table: fixture.location.to_string(), version }.to_string();
    assert_eq!(fixture.lake.newest(&fixture.location).await.unwrap(), None);
    assert_eq!(fixture.lake.snapshot(&fixture.table(0)).await.unwrap_err().to_string(), missing(0));
    fixture.append(None, &[(1, Some(0), "a")]).await;
    assert_eq!(fixture.lake.snapshot(&fixture.table(7)).await.unwrap_err().to_string(), missing(7));
    assert!(fixture.lake.restore(&fixture.location, 7, &info()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_told_and_not_written_to() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    let log = fixture.folder.path().join(fixture.location.to_string()).join("_delta_log");
    fs::write(log.join("00000000000000000001.json"), "{\"add\": {").unwrap();
    for lake in [&fixture.lake, &fixture.reopened()] {
        let change = Change::Append(vec![]);
        let error = lake.commit(&fixture.location, &schema(), Some(0), change, &info()).await.unwrap_err();
        assert!(matches!(error, LakeError::Log { .. }), "{error}");
    }
    assert!(!log.join("00000000000000000002.json").exists());
    assert_eq!(fixture.rows(0).await, "1/0/a", "the version before still serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_told_and_makes_no_version() {
    let fixture = Fixture::new();
    fixture.append(None, &[(1, Some(0), "a")]).await;
    let files = fixture.stage(Some(0), &[(2, Some(0), "b")]).await;
    // Permissions do not stop the superuser; a file where a folder must be stops everybody.
    let staging = fixture.folder.path().join(".staging");
    fs::remove_dir_all(&staging).unwrap();
    fs::write(&staging, "in the way").unwrap();
    let error =
        fixture.lake.commit(&fixture.location, &schema(), Some(0), Change::Append(files), &info()).await.unwrap_err();
    assert!(matches!(error, LakeError::Write { .. }), "{error}");
    fs::remove_file(&staging).unwrap();
    assert_eq!(fixture.reopened().newest(&fixture.location).await.unwrap(), Some(fixture.table(0)));
    assert_eq!(fixture.append(Some(0), &[(2, Some(0), "b")]).await.version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_loads_from_its_checkpoints() {
    let fixture = Fixture::new();
    fixture.append(None, &[(0, Some(0), "a")]).await;
    for version in 1..=120 {
        let row = (version, Some(version * DAY), "daily");
        let base = version as u64 - 1;
        let files = fixture.stage(Some(base), &[row]).await;
        let start_micros = version * DAY;
        let change =
            Change::ReplaceRange { column: "at".to_owned(), start_micros, end_micros: start_micros + DAY, files };
        assert_eq!(fixture.commit(Some(base), change).await.version, version as u64);
    }
    let log = fixture.folder.path().join(fixture.location.to_string()).join("_delta_log");
    assert!(log.join("00000000000000000100.checkpoint.parquet").exists());
    for version in [49, 50, 51, 100, 120] {
        let known = fixture.lake.snapshot(&fixture.table(version)).await.unwrap();
        let fresh = fixture.reopened().snapshot(&fixture.table(version)).await.unwrap();
        assert_eq!(format!("{:?}", known.files()[0].stats()), format!("{:?}", fresh.files()[0].stats()));
        assert_eq!(
            (names(&known.files), known.digest(), &known.schema),
            (names(&fresh.files), fresh.digest(), &fresh.schema)
        );
        assert_eq!(fresh.rows(), version + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Replacing a range is the same as filtering the rows and adding the new ones, however the rows lie in files.
    #[test]
    fn replacing_a_range_is_filtering(rows in proptest::collection::vec((0..20_i64, proptest::option::of(0..10_i64)), 0..20), start in 0..10_i64, length in 0..10_i64, file_rows in 1..5_usize) {
        let end = start + length;
        let rows: Vec<Row> = rows.into_iter().map(|(id, at)| (id, at, "x")).collect();
        let expected: Vec<Row> = rows.iter().filter(|row| row.1.is_none_or(|at| at < start || at >= end)).copied().chain([(99, Some(start), "new")]).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let digest = runtime.block_on(async {
            let fixture = Fixture::new();
            let files = fixture.stage_with(&rows, WriteOptions { target_file_rows: file_rows, ..WriteOptions::default() }).await;
            fixture.commit(None, Change::Append(files)).await;
            let files = fixture.stage(Some(0), &[(99, Some(start), "new")]).await;
            let table = fixture.commit(Some(0), Change::ReplaceRange { column: "at".to_owned(), start_micros: start, end_micros: end, files }).await;
            fixture.rows(table.version).await;
            fixture.lake.snapshot(&table).await.unwrap().digest()
        });
        prop_assert_eq!(digest, RowDigest::of(&batch(&expected)).unwrap());
    }
    /// A merge is the rows without the new keys, and the new rows, however the rows lie in files.
    #[test]
    fn merging_is_leaving_out_keys(ids in proptest::collection::vec(0..12_i64, 0..20), new in proptest::collection::vec(0..12_i64, 0..4), file_rows in 1..5_usize) {
        let rows: Vec<Row> = ids.iter().map(|id| (*id, None, "old")).collect();
        let new_rows: Vec<Row> = new.iter().map(|id| (*id, Some(1), "new")).collect();
        let expected: Vec<Row> = rows.iter().filter(|row| !new.contains(&row.0)).chain(&new_rows).copied().collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let digest = runtime.block_on(async {
            let fixture = Fixture::new();
            let files = fixture.stage_with(&rows, WriteOptions { target_file_rows: file_rows, ..WriteOptions::default() }).await;
            fixture.commit(None, Change::Append(files)).await;
            let files = fixture.stage(Some(0), &new_rows).await;
            let table = fixture.commit(Some(0), Change::Merge { keys: vec!["id".to_owned()], files }).await;
            fixture.rows(table.version).await;
            fixture.lake.snapshot(&table).await.unwrap().digest()
        });
        prop_assert_eq!(digest, RowDigest::of(&batch(&expected)).unwrap());
    }
}
