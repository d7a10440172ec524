//! One prediction of the example's endpoint: over HTTP by features or by entity keys, and the model's call alone.
//!
//! What is served includes the durable log of the prediction: it is on disk before the answer comes.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use baton_ml::StoredModel;
use baton_ml::runtime::{RuntimeOptions, load};
use serde_json::{Value, json};

use crate::http::Connection;
use crate::project::{Server, baton};
use crate::{Outcome, Places};

const MODEL: &str = "/v2/models/delay";
const WARM_UP: usize = 100;
const REQUESTS: usize = 500;
const CALLS: u32 = 100_000;

/// By features: every input of the model is in the request.
pub(crate) fn by_features(places: &Places) -> Outcome<f64> {
    let server = Server::start(places)?;
    let mut connection = Connection::open(&server.address)?;
    let described: Value = serde_json::from_str(&connection.send("GET", MODEL, "")?)?;
    let inputs = described["inputs"].as_array().ok_or("the model describes no inputs")?;
    let tensors: Vec<_> = inputs.iter().map(any_value).collect();
    median_request(&mut connection, &json!({"inputs": tensors}))
}

/// By entity keys: the server looks the features up.
pub(crate) fn by_keys(places: &Places) -> Outcome<f64> {
    let sql = "select flight_id, carrier, origin, route from scheduled_flights order by scheduled_at desc limit 1";
    let output = baton(places, &["query", sql, "--format", "json"])?.output()?;
    let rows: Value = serde_json::from_slice(&output.stdout)?;
    let flight = rows[0].as_object().ok_or("the project has no flights")?;
    let keys: Vec<_> = flight.iter().map(|(name, value)| tensor(name, "BYTES", value)).collect();
    let server = Server::start(places)?;
    median_request(&mut Connection::open(&server.address)?, &json!({"inputs": keys}))
}

/// The stored model's call alone, in the process.
pub(crate) fn bare(places: &Places) -> Outcome<f64> {
    let files = champion(places.get("project")?)?;
    let model = load(&StoredModel::from_files(&files)?, &RuntimeOptions::default())?;
    let row = vec![1.0_f32; model.n_features()];
    let start = Instant::now();
    for _ in 0..CALLS {
        black_box(model.predict(black_box(&row), 1)?);
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(CALLS))
}

fn median_request(connection: &mut Connection, request: &Value) -> Outcome<f64> {
    let (path, body) = (format!("{MODEL}/infer"), request.to_string());
    let mut seconds = Vec::with_capacity(REQUESTS);
    for number in 0..WARM_UP + REQUESTS {
        let start = Instant::now();
        black_box(connection.send("POST", &path, &body)?);
        if number >= WARM_UP {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[REQUESTS / 2])
}

fn any_value(input: &Value) -> Value {
    let (name, datatype) = (input["name"].as_str().unwrap_or_default(), input["datatype"].as_str().unwrap_or("FP64"));
    let value = match datatype {
        "BYTES" => json!("AA"),
        "BOOL" => json!(true),
        _ => json!(1),
    };
    tensor(name, datatype, &value)
}

fn tensor(name: &str, datatype: &str, value: &Value) -> Value {
    json!({"name": name, "shape": [1], "datatype": datatype, "data": [value]})
}

/// The files of the only model that the project has stored.
fn champion(project: &Path) -> Outcome<BTreeMap<String, Vec<u8>>> {
    let folder = artifact(&project.join(".baton/warehouse/artifacts"))?;
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path())?);
    }
    Ok(files)
}

fn artifact(artifacts: &Path) -> Outcome<PathBuf> {
    for entry in std::fs::read_dir(artifacts)? {
        let folder = entry?.path();
        if folder.join("model.ubj").is_file() {
            return Ok(folder);
        }
    }
    Err(format!("no folder of {} holds a `model.ubj`", artifacts.display()).into())
}
