//! Every column profile of a Parquet file, read and profiled by as many threads as there are cores.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use arrow::record_batch::RecordBatchReader as _;
use baton_stats::profile::{Profiler, TableProfile};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{Outcome, Places};

pub(crate) fn run(places: &Places) -> Outcome<f64> {
    let path = places.get("data")?.join("profile.parquet");
    let start = Instant::now();
    let profile = black_box(profile(&path)?);
    let seconds = start.elapsed().as_secs_f64();
    let columns = profile.columns.len();
    if columns == 16 { Ok(seconds) } else { Err(format!("{columns} columns were profiled, not 16").into()) }
}

fn profile(path: &Path) -> Outcome<TableProfile> {
    let groups = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.metadata().num_row_groups();
    let threads = std::thread::available_parallelism()?.get();
    let parts = std::thread::scope(|scope| {
        let shares = (0..threads).map(|thread| (groups * thread / threads..groups * (thread + 1) / threads).collect());
        let workers: Vec<_> = shares.map(|share| scope.spawn(move || part(path, share))).collect();
        let parts = workers.into_iter().map(|worker| worker.join().map_err(|_panic| "a thread panicked")?);
        parts.collect::<Outcome<Vec<_>>>()
    })?;
    let mut whole = TableProfile::default();
    for part in parts {
        whole.merge_from(&part)?;
    }
    Ok(whole)
}

fn part(path: &Path, groups: Vec<usize>) -> Outcome<TableProfile> {
    let file = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let reader = file.with_row_groups(groups).with_batch_size(8192).build()?;
    let mut profiler = Profiler::new(&reader.schema());
    for batch in reader {
        profiler.update(&batch?)?;
    }
    Ok(profiler.finish())
}
