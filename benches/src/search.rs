//! Searches of 40 trials on the example's training set, and the trainer alone, for a peer that chooses the trials.
//!
//! A study for each seed; what is told is the mean time of one and the mean of their best scores.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::TimestampMicrosecondType;
use baton_ml::data::LabelledRows;
use baton_ml::search::{CHECKPOINTS, Method, Pruning, SearchConfig, SearchData, Trials, Unwatched, search, sweep};
use baton_ml::{FeatureEncoder, Params, Task};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::measured::Measured;
use crate::{Outcome, Places};

/// The studies; the peer has the same. Bests of 40 random trials differ by 0.0018 from seed to seed, so that means of fewer
/// say little.
const SEEDS: [u64; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/// Trials of each.
const TRIALS: usize = 40;
/// How many go on at a time; each peer has as many.
const SIDE_BY_SIDE: usize = 2;
/// Rows that trials see, as in training.
const ROWS: usize = 30_000;
/// The length of the test part, which no trial sees, in microseconds.
const TEST: i64 = 30 * 86_400 * 1_000_000;

/// Random draws, tpe, or random draws with halving.
pub(crate) fn run(places: &Places, name: &str) -> Outcome<Measured> {
    let rows = Rows::read(places)?;
    let (method, pruning) = match name {
        "random" => (Method::Random, Pruning::Off),
        "tpe" => (Method::Tpe, Pruning::Off),
        "halving" => (Method::Random, Pruning::halving(3, CHECKPOINTS + 1, 3)),
        _ => return Err(format!("there is no search `{name}`").into()),
    };
    let (mut seconds, mut score) = (0.0, 0.0);
    rows.with(|data| {
        for seed in SEEDS {
            let config = SearchConfig { seed, method, pruning: pruning.clone(), ..config()? };
            let start = Instant::now();
            let report = search(&config, data, &Unwatched)?;
            seconds += start.elapsed().as_secs_f64();
            score += report.best_trial().score.unwrap_or_default();
        }
        Ok(())
    })?;
    let studies = SEEDS.len() as f64;
    Ok(Measured { score: Some(score / studies), ..Measured::from(seconds / studies) })
}

/// Trains what each line asks for: `{"seed": 1, "params": {…}}`. Each report is a line that is answered by `go` or `stop`, if
/// that is asked for by `"watched": true`; the last line of a trial has its `score`, which is null when it was stopped.
pub(crate) fn serve(places: &Places) -> Outcome<()> {
    let rows = Rows::read(places)?;
    rows.with(|data| {
        let configs = SEEDS.map(|seed| config().map(|config| (seed, SearchConfig { seed, ..config })));
        let configs = configs.into_iter().collect::<Outcome<Vec<_>>>()?;
        let pruning = Pruning::halving(3, CHECKPOINTS + 1, 3);
        let watched =
            configs.iter().map(|(seed, config)| (*seed, SearchConfig { pruning: pruning.clone(), ..config.clone() }));
        let watched: Vec<_> = watched.collect();
        let (plain, watched) = (of_seeds(&configs, data)?, of_seeds(&watched, data)?);
        tell(&json!({"ready": true}))?;
        while let Some(line) = heard()? {
            let asked: Value = serde_json::from_str(&line)?;
            let params: Params = serde_json::from_value(asked["params"].clone())?;
            let is_watched = asked["watched"] == json!(true);
            let mut report = |step: u64, value: f64| {
                let goes_on = || tell(&json!({"step": step, "value": value})).ok().and_then(|()| heard().ok()?);
                let is_over = is_watched && goes_on().as_deref() != Some("go");
                if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let trials = if is_watched { &watched } else { &plain };
            let trials = asked["seed"].as_u64().and_then(|seed| trials.get(&seed)).ok_or("it has no such seed")?;
            tell(&json!({"score": trials.score("boosted_trees", &params, &mut report)?}))?;
        }
        Ok(())
    })
}

fn tell(said: &Value) -> Outcome<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{said}")?;
    Ok(stdout.flush()?)
}

/// The next line; `None` when nobody asks any more.
fn heard() -> Outcome<Option<String>> {
    let mut line = String::new();
    let length = std::io::stdin().read_line(&mut line)?;
    Ok((length > 0).then(|| line.trim_end().to_owned()))
}

fn of_seeds<'d>(configs: &'d [(u64, SearchConfig)], data: &'d SearchData<'d>) -> Outcome<HashMap<u64, Trials<'d>>> {
    configs.iter().map(|(seed, config)| Ok((*seed, Trials::new(config, data)?))).collect()
}

fn config() -> Outcome<SearchConfig> {
    let parameters = json!({
        "learning_rate": {"distribution": "log_uniform_values", "min": 0.05, "max": 0.3},
        "max_depth": {"min": 4, "max": 9},
        "min_child_weight": {"distribution": "log_uniform_values", "min": 1.0, "max": 100.0},
        "subsample": {"min": 0.6, "max": 1.0},
        "colsample": {"min": 0.5, "max": 1.0},
        "lambda": {"distribution": "log_uniform_values", "min": 0.1, "max": 10.0},
    });
    let parameters = sweep::read_parameters(parameters.as_object().ok_or("no object")?)?;
    Ok(SearchConfig {
        algorithm: "boosted_trees".to_owned(),
        trials: TRIALS,
        parallel: SIDE_BY_SIDE,
        parameters: Some(parameters),
        search_rows: ROWS,
        embargo: 2 * 3_600 * 1_000_000,
        pruning: Pruning::Off,
        ..SearchConfig::new(Task::BinaryClassification, 0)
    })
}

/// The training set without its test part.
struct Rows {
    encoder: FeatureEncoder,
    values: Vec<f32>,
    labels: Vec<f32>,
    times: Vec<i64>,
}

impl Rows {
    fn read(places: &Places) -> Outcome<Self> {
        let all = training_set(&places.get("project")?.join(".baton/warehouse/tables/arrival_delay__training"))?;
        let column = |name: &str| all.column_by_name(name).ok_or_else(|| format!("there is no column `{name}`"));
        let times = column("scheduled_at")?.as_primitive::<TimestampMicrosecondType>().values().to_vec();
        let last = times.last().copied().unwrap_or_default();
        let rows = times.partition_point(|time| *time < last - TEST);
        let labels = column("is_late")?.as_boolean().iter().take(rows);
        let labels = labels.map(|label| f32::from(u8::from(label.unwrap_or_default()))).collect();
        let schema = all.schema();
        let features = schema.fields().iter().map(|field| field.name().clone()).filter(|name| name.contains("__"));
        let (train, features) = (all.slice(0, rows), features.collect::<Vec<_>>());
        let encoder = FeatureEncoder::learn(std::slice::from_ref(&train), &features)?;
        Ok(Self { values: encoder.encode(&train)?, encoder, labels, times: times[..rows].to_vec() })
    }

    fn with<T>(&self, work: impl FnOnce(&SearchData<'_>) -> Outcome<T>) -> Outcome<T> {
        let rows = LabelledRows::new(&self.values, &self.labels, self.encoder.n_features())?;
        let n_categories = self.encoder.n_categories();
        let task = Task::BinaryClassification;
        work(&SearchData { task, n_categories: &n_categories, rows: &rows, times: Some(&self.times) })
    }
}

/// The rows of the only version that there is after one apply.
fn training_set(folder: &Path) -> Outcome<RecordBatch> {
    let mut files = Vec::new();
    for definition in std::fs::read_dir(folder)? {
        files.extend(parquet_files(&definition?.path())?);
    }
    files.sort();
    let mut batches = Vec::new();
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.build()?;
        batches.extend(reader.collect::<Result<Vec<_>, _>>()?);
    }
    let schema = batches.first().ok_or("the project was not applied")?.schema();
    Ok(concat_batches(&schema, &batches)?)
}

fn parquet_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let paths =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect())
}
