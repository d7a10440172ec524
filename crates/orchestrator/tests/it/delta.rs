//! Every published table version is a Delta Lake table that the Python package `deltalake` reads, with the same rows.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the packages `deltalake` and `pyarrow`.

use std::collections::BTreeMap;
use std::path::Path;

use baton_core::{Commit, Kind, TableVersion};
use baton_orchestrator::{history, query};
use baton_testkit::python::answered;
use serde_json::{Value, json};

use crate::flights::{Flights, day, days, lines};

/// Columns whose sum is compared, by table.
const SUMMED: [(&str, &str); 7] = [
    ("departures", "dep_delay"),
    ("weather", "temp"),
    ("flights", "distance"),
    ("outcomes", "arr_delay"),
    ("origin_congestion", "departures_1h"),
    ("carrier_daily", "late_share_1d"),
    ("delay_predictions", "score"),
];

const READER: &str = r"
import json, sys
import pyarrow.compute as pc
from deltalake import DeltaTable
answers = []
for ask in json.load(sys.stdin):
    table = DeltaTable(ask['path'], version=ask['version']).to_pyarrow_table()
    total = pc.sum(table[ask['sum']]).as_py() if ask['sum'] else None
    answers.append({'rows': table.num_rows, 'sum': total})
json.dump(answers, sys.stdout)
";

#[tokio::test(flavor = "multi_thread")]
async fn relay_deltalake_reads_every_published_version() {
    let flights = Flights::small(&["2013-02", "2013-03"]).await;
    let prepared = flights.applied("prod", day("2013-02-27")).await;
    flights.ticks(&prepared, "prod", &days("2013-02-27", "2013-03-03", 1)).await;
    let commits = history(&flights.services, "prod", u32::MAX).await.unwrap();
    let mut published: BTreeMap<TableVersion, (String, Commit)> = BTreeMap::new();
    for commit in commits {
        for (name, pin) in &commit.assets {
            if let (Kind::Source | Kind::Table, Some(table)) = (pin.kind, pin.version.table()) {
                published.insert(table.clone(), (name.to_string(), commit.clone()));
            }
        }
    }
    assert!(published.len() > 30, "{} versions", published.len());
    let asks: Vec<Value> = published.iter().map(|(table, (name, _))| ask(&flights, table, name)).collect();
    let answers = python(&json!(asks));
    assert_eq!(answers.len(), published.len());
    for ((table, (name, commit)), answer) in published.iter().zip(&answers) {
        // An environment that points at the commit, and a clock after which everything is known.
        flights.services.ledger.point("then", &commit.id, Vec::new()).await.unwrap();
        let sum = summed(name).map_or("null".to_owned(), |column| format!("sum(cast({column} as double))"));
        let sql = format!("select count(*), {sum} from {name}");
        let row = lines(query(&flights.services, "then", Some(day("2030-01-01")), &sql).await.unwrap()).remove(0);
        let (rows, total) = row.split_once(',').unwrap();
        assert_eq!(answer["rows"].to_string(), rows, "{table}");
        assert_eq!(commit.assets[name.as_str()].rows, answer["rows"].as_u64(), "{table}");
        if let (Some(theirs), Ok(ours)) = (answer["sum"].as_f64(), total.parse::<f64>()) {
            assert!((theirs - ours).abs() <= 1e-9 * ours.abs().max(1.0), "{table}: {theirs} and {ours}");
        }
        assert_eq!(answer["sum"].is_null(), total.is_empty(), "{table}");
    }
    println!("{} versions of {} tables", published.len(), prepared.schemas.len() + 1);
}

fn summed(name: &str) -> Option<&'static str> {
    SUMMED.iter().find(|(table, _)| *table == name).map(|(_, column)| *column)
}

fn ask(flights: &Flights, table: &TableVersion, name: &str) -> Value {
    let path: &Path = &flights.services.lake.warehouse().join(&table.location);
    json!({"path": path, "version": table.version, "sum": summed(name)})
}

fn python(asks: &Value) -> Vec<Value> {
    serde_json::from_str(&answered::<&str>(READER, &[], &asks.to_string())).unwrap()
}
