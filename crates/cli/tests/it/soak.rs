//! A minute of what `cargo xtask bench soak` does for half an hour: servers and workers are killed, the database ends and
//! crashes, an API is slow and fails, and in the end nothing is missing and nothing is there twice.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the package `pyarrow`. How soon things are done is not asserted: the machine may be
//! busy.

use std::path::Path;
use std::time::Duration;

use baton_testkit::python::interpreter;
use baton_testkit::soak::{self, Wish};

/// Far above what a server of this project needs: a leak is seen by the long soak.
const MOST_MEMORY_MIB: f64 = 1_500.0;

#[test]
fn relay_soak_loses_nothing_and_does_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let wish = Wish {
        length: Duration::from_secs(60),
        rate: 2,
        environments: 2,
        ..Wish::of(Path::new(env!("CARGO_BIN_EXE_baton")), &interpreter(), &folder.path().join("soak"))
    };
    let findings = soak::run(&wish).unwrap();
    let table = findings.table();
    assert!(findings.wrong().is_empty(), "{table}");
    for happened in ["ticks_due", "servers_killed", "database_restarts", "rows_delivered", "events_offered"] {
        assert!(findings.get(happened).as_i64() > Some(0), "`{happened}` shows nothing:\n{table}");
    }
    assert!(findings.get("memory_mib_most").as_f64() < Some(MOST_MEMORY_MIB), "{table}");
}
