//! The real files of the example project; row counts are those of the published data set (nycflights13).

use std::path::Path;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Int64Type;
use expect_test::expect;

use super::*;

/// The landing folder of the example project.
const LANDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/flights/landing");

fn read_landing(location: &str, contract: &Contract) -> (u64, Outcome) {
    let request = DiscoverRequest {
        root: Path::new(LANDING).to_owned(),
        location: location.to_owned(),
        options: Default::default(),
    };
    let units = FileConnector.discover(&request).unwrap();
    let mut outcomes: Vec<Outcome> = units.iter().map(|unit| read_unit(unit, contract).unwrap()).collect();
    assert!(outcomes.iter().all(|outcome| outcome.report.rejected_total == 0));
    (outcomes.iter().map(|outcome| outcome.report.rows).sum(), outcomes.pop().unwrap())
}

fn types(outcome: &Outcome) -> String {
    let field =
        |field: &Arc<arrow::datatypes::Field>| format!("{} {}", field.name(), crate::type_name(field.data_type()));
    outcome.report.schema.fields().iter().map(field).collect::<Vec<_>>().join(", ")
}

fn n_nulls(outcome: &Outcome, column: &str) -> usize {
    outcome.batches.iter().map(|batch| batch.column_by_name(column).unwrap().null_count()).sum()
}

#[test]
fn the_csv_files_land_with_their_types_and_nulls() {
    let (n_rows, airlines) = read_landing("airlines.csv", &Contract::default());
    assert_eq!((n_rows, types(&airlines).as_str()), (16, "carrier string, name string"));
    let (n_rows, airports) = read_landing("airports.csv", &Contract::default());
    expect![
        "1458 rows: faa string, name string, lat float64, lon float64, alt int64, tz int64, dst string, tzone string"
    ]
    .assert_eq(&format!("{n_rows} rows: {}", types(&airports)));
    let (n_rows, planes) = read_landing("planes.csv", &Contract::default());
    expect!["3322 rows: tailnum string, year int64, type string, manufacturer string, model string, engines int64, seats int64, speed int64, engine string"].assert_eq(&format!("{n_rows} rows: {}", types(&planes)));
    expect!["70 3299"].assert_eq(&format!("{} {}", n_nulls(&planes, "year"), n_nulls(&planes, "speed")));
}

#[test]
fn the_parquet_files_land_with_their_values() {
    let request = DiscoverRequest {
        root: Path::new(LANDING).to_owned(),
        location: "flights/*.parquet".to_owned(),
        options: Default::default(),
    };
    let (mut delay, mut n_tailnums) = (0, 0);
    for unit in FileConnector.discover(&request).unwrap() {
        for batch in read_unit(&unit, &Contract::default()).unwrap().batches {
            delay += arrow::compute::sum(batch["dep_delay"].as_primitive::<Int64Type>()).unwrap_or(0);
            n_tailnums += batch.num_rows() - batch["tailnum"].null_count();
        }
    }
    // From DuckDB: select sum(dep_delay), count(tailnum) from 'flights/*.parquet'.
    assert_eq!((delay, n_tailnums), (4_152_200, 334_264));
}

#[test]
fn the_parquet_files_land_under_a_contract_that_types_their_times() {
    let contract = contract(&[("time_hour", timestamp()), ("dep_delay", DataType::Int32)]);
    let (n_rows, december) = read_landing("flights/*.parquet", &contract);
    assert_eq!(n_rows, 336_776);
    assert_eq!(n_nulls(&december, "time_hour"), 0);
    let (n_rows, weather) = read_landing("weather.parquet", &super::contract(&[("time_hour", timestamp())]));
    assert_eq!((n_rows, n_nulls(&weather, "time_hour")), (26_115, 0));
}
