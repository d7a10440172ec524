//! The engine's point-in-time join of rows that are in memory.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use arrow::record_batch::RecordBatch;
use baton_engine::{PitOptions, PointInTimeJoin};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{Outcome, Places};

pub(crate) fn run(places: &Places) -> Outcome<f64> {
    let data = places.get("data")?;
    let labels = read(&data.join("pit-labels.parquet"))?;
    let features = read(&data.join("pit-features.parquet"))?;
    let join = PointInTimeJoin {
        left_keys: vec!["entity".to_owned()],
        right_keys: vec!["entity".to_owned()],
        left_time: "at".to_owned(),
        right_time: "at".to_owned(),
        ttl_micros: 0,
        created: None,
        known_only: false,
    };
    let options = PitOptions { memory_limit_bytes: 4 << 30, spill_dir: std::env::temp_dir() };
    let wanted = [("value".to_owned(), "value".to_owned())];
    let start = Instant::now();
    let joined = black_box(join.join(&labels, &features, &wanted, &options)?);
    let seconds = start.elapsed().as_secs_f64();
    let rows: usize = joined.iter().map(RecordBatch::num_rows).sum();
    let asked: usize = labels.iter().map(RecordBatch::num_rows).sum();
    if rows == asked { Ok(seconds) } else { Err(format!("{rows} rows came back for {asked} labels").into()) }
}

fn read(path: &Path) -> Outcome<Vec<RecordBatch>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(1 << 17).build()?;
    Ok(reader.collect::<Result<_, _>>()?)
}
