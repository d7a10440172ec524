//! Tables whose rows became known at once are carried as a constant: the same instants as with a column, from less work.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::util::pretty::pretty_format_batches;
use baton_core::time::timestamp_from_micros;
use futures::TryStreamExt as _;
use parquet::arrow::ArrowWriter;

use crate::table::{ColumnRange, DataFile, TableFiles};
use crate::{BuildOptions, Engine, EngineOptions, SessionInput, TableInput};

/// `rows` of `id` and `value`, all known at `known`.
fn delivery(ids: std::ops::Range<i64>, known: i64) -> RecordBatch {
    let instants = TimestampMicrosecondArray::from_iter_values(ids.clone().map(|_| known)).with_timezone("UTC");
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())) as ArrayRef),
        ("value", Arc::new(Int64Array::from_iter_values(ids.map(|id| id % 3)))),
        ("_available_at", Arc::new(instants)),
    ])
    .unwrap()
}

/// A file of `rows`; with `says_when`, its statistics say when they became known.
fn table(folder: &Path, name: &str, rows: &RecordBatch, says_when: bool) -> TableInput {
    let path = folder.join(format!("{name}.parquet"));
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    let known = rows.column(2);
    let range = ColumnRange {
        column: "_available_at".to_owned(),
        min: Some(known.slice(0, 1)),
        max: Some(known.slice(known.len() - 1, 1)),
        nulls: Some(0),
        ascending: false,
    };
    let columns = if says_when { vec![range] } else { Vec::new() };
    let size = path.metadata().unwrap().len();
    let file = DataFile { path, size, rows: Some(rows.num_rows() as u64), columns };
    TableInput::Files(TableFiles { schema: rows.schema(), files: vec![file] })
}

/// What `sql` makes of both tables under the clock, with when each row became known, in order.
fn built(sql: &str, says_when: bool, as_of: i64) -> String {
    let folder = tempfile::tempdir().unwrap();
    let tables = BTreeMap::from([
        ("early".to_owned(), table(folder.path(), "early", &delivery(0..6, 100), says_when)),
        ("late".to_owned(), table(folder.path(), "late", &delivery(3..9, 200), says_when)),
    ]);
    let options = EngineOptions { memory_limit_bytes: 64 << 20, spill_dir: folder.path().to_owned(), threads: 2 };
    let input = SessionInput { tables, as_of: Some(timestamp_from_micros(as_of)) };
    let session = Engine::new(options).unwrap().session(input).unwrap();
    let build = BuildOptions { track_availability: true, ..BuildOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let batches: Vec<RecordBatch> = runtime.block_on(async {
        let stream = session.execute(sql, &build).await.unwrap();
        let schema = stream.schema();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        vec![concat_batches(&schema, &batches).unwrap()]
    });
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn a_constant_gives_the_instants_that_a_column_gives() {
    let queries = [
        "select e.id, l.value from early e join late l on e.id = l.id",
        "select e.id, l.value from early e left join late l on e.id = l.id",
        "select l.id, e.value from early e right join late l on e.id = l.id",
        "select e.id, l.id as other from early e full join late l on e.id = l.id",
        "select id from early where id in (select id from late)",
        "select id from early e where exists (select 1 from late l where l.id = e.id and l.value > e.value - 1)",
        "select id from early where id not in (select id from late)",
        "select id from early where id > 4 or id in (select id from late)",
        "select value, count(*) as n from late group by value",
        "select distinct value from early",
        "select id from early union all select id from late",
        "select id, sum(value) over (order by id) as running from late",
        "select id, value from late order by value desc, id limit 3 offset 1",
        "select e.value, sum(l.value) as total from early e join late l on e.id = l.id group by e.value",
    ];
    for sql in queries {
        for as_of in [150, 250] {
            assert_eq!(built(sql, true, as_of), built(sql, false, as_of), "{sql} as of {as_of}");
        }
    }
}

#[test]
fn ties_of_a_limit_are_broken_by_the_other_columns() {
    let text = built("select value, id from early order by value limit 3", true, 250);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("1970")).collect();
    assert_eq!(
        rows.iter().map(|row| row[..14].trim_end()).collect::<Vec<_>>(),
        ["| 0     | 0  |", "| 0     | 3  |", "| 1     | 1  |"]
    );
}
