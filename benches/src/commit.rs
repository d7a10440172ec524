//! What a commit costs a table that grows a day at a time and writes its last three days anew: the lake alone, on disk.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use baton_core::time::timestamp_from_micros;
use baton_lake::{Change, CommitInfo, Lake, StagedFile, TableLocation, WriteOptions};

use crate::{Outcome, Places};

const DAYS: u64 = 300;
const ROWS_A_DAY: i64 = 500;
const DAY_MICROS: i64 = 86_400_000_000;

/// The mean over 300 days, in which files that have become many are put together too. Writing the rows is not counted.
pub(crate) fn run(places: &Places) -> Outcome<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = places.get("data")?.join("commit");
    let seconds = runtime.block_on(grow(&folder));
    std::fs::remove_dir_all(&folder)?;
    seconds
}

async fn grow(folder: &std::path::Path) -> Outcome<f64> {
    let lake = Lake::open(folder)?;
    let location = TableLocation::new("days", "0")?;
    let mut seconds = 0.0;
    for day in 0..DAYS {
        let (base, last) = (day.checked_sub(1), day.cast_signed());
        let days = last - 2..last + 1;
        let rows = rows(days.clone())?;
        let files = stage(&lake, &location, base, &rows).await?;
        let (start_micros, end_micros) = (days.start * DAY_MICROS, days.end * DAY_MICROS);
        let change = Change::ReplaceRange { column: "at".to_owned(), start_micros, end_micros, files };
        let info = CommitInfo {
            operation: "WRITE".to_owned(),
            at: timestamp_from_micros(end_micros),
            metadata: serde_json::Value::Null,
        };
        let began = Instant::now();
        lake.commit(&location, &rows.schema(), base, change, &info).await?;
        seconds += began.elapsed().as_secs_f64();
    }
    Ok(seconds / DAYS as f64)
}

async fn stage(
    lake: &Lake,
    location: &TableLocation,
    base: Option<u64>,
    rows: &RecordBatch,
) -> Outcome<Vec<StagedFile>> {
    let options = WriteOptions { base, ..WriteOptions::default() };
    let mut writer = lake.writer(location, &rows.schema(), options).await?;
    writer.write(rows).await?;
    Ok(writer.finish().await?)
}

fn rows(days: Range<i64>) -> Outcome<RecordBatch> {
    let ids = days.start * ROWS_A_DAY..days.end * ROWS_A_DAY;
    let times = ids.clone().map(|id| id * (DAY_MICROS / ROWS_A_DAY));
    let columns: [(&str, ArrayRef); 2] = [
        ("id", Arc::new(Int64Array::from_iter_values(ids))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}
