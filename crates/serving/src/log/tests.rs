//! Durability, torn lines, segments and look-ups.

use std::collections::BTreeMap;
use std::io::Write as _;

use baton_core::scalar::Scalar;
use baton_core::time::timestamp_from_micros;
use proptest::prelude::*;

use super::*;
use crate::router::{FeatureStatus, Variant};

fn record(endpoint: &str, id: &str, at: i64) -> PredictionRecord {
    let fresh = ViewFreshness { status: FeatureStatus::Present, event_at: Some(at - 7) };
    PredictionRecord {
        id: id.to_owned(),
        at,
        endpoint: endpoint.to_owned(),
        revision: 5,
        commit: Some("c-1".to_owned()),
        variant: Variant::Main,
        model: "arrival_delay".to_owned(),
        version: 3,
        keys: BTreeMap::from([("carrier".to_owned(), Scalar::Text("UA".to_owned()))]),
        features: BTreeMap::from([
            ("distance".to_owned(), Scalar::Float(1000.5)),
            ("flights".to_owned(), Scalar::Int(3)),
            ("wind".to_owned(), Scalar::Null),
        ]),
        score: 0.25,
        request_id: None,
        freshness: BTreeMap::from([("carrier_delays".to_owned(), fresh)]),
        shadow_of: None,
    }
}

fn segments(folder: &Path, endpoint: &str) -> Vec<PathBuf> {
    segment::list(&folder.join(endpoint)).unwrap().into_iter().map(|(_, path)| path).collect()
}

fn ids(records: &[PredictionRecord]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

#[test]
fn record_is_one_line_that_begins_with_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog::open(folder.path()).unwrap();
    log.append_blocking(&[record("delay", "p-1", 100)]).unwrap();
    let text = std::fs::read_to_string(&segments(folder.path(), "delay")[0]).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"id":"p-1","at":100,"endpoint":"delay","revision":5,"commit":"c-1","variant":"main","model":"arrival_delay","version":3,"#,
            r#""keys":{"carrier":"UA"},"features":{"distance":1000.5,"flights":3,"wind":null},"score":0.25,"#,
            r#""freshness":{"carrier_delays":{"status":"PRESENT","event_at":93}}}"#,
            "\n"
        )
    );
    assert_eq!(log.read_all("delay").unwrap(), [record("delay", "p-1", 100)]);
    assert_eq!(log.read_all("other").unwrap(), []);
}

#[test]
fn predictions_are_found_by_id_in_any_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog::open(folder.path()).unwrap();
    let records: Vec<_> = (0..20).map(|n| record(["a", "b"][n % 2], &format!("p-{n}"), n as i64)).collect();
    log.append_blocking(&records).unwrap();
    assert_eq!(log.find("p-13").unwrap().as_ref(), Some(&records[13]));
    assert_eq!(log.find("p-1").unwrap().as_ref(), Some(&records[1]));
    assert_eq!(log.find("p-").unwrap(), None);
}

#[test]
fn window_reads_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog::open(folder.path()).unwrap();
    for day in 0..4 {
        let records: Vec<_> = (0..3).map(|n| record("delay", &format!("p-{day}-{n}"), day * 10 + n)).collect();
        log.append_blocking(&records).unwrap();
        log.rotate().unwrap();
    }
    let window = |from, until| {
        let found = log.read_between("delay", timestamp_from_micros(from), timestamp_from_micros(until)).unwrap();
        ids(&found).join(" ")
    };
    for _again_with_known_spans in 0..2 {
        assert_eq!(window(2, 12), "p-0-2 p-1-0 p-1-1");
        assert_eq!(window(13, 20), "");
        assert_eq!(window(30, 99), "p-3-0 p-3-1 p-3-2");
    }
    assert_eq!(segments(folder.path(), "delay").len(), 4);
    log.append_blocking(&[record("delay", "late", 11)]).unwrap();
    assert_eq!(window(11, 12), "p-1-1 late");
}

#[test]
fn torn_last_line_is_skipped_and_cut_off_before_more_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog::open(folder.path()).unwrap();
    log.append_blocking(&[record("delay", "p-1", 1), record("delay", "p-2", 2)]).unwrap();
    drop(log);
    let path = segments(folder.path(), "delay").remove(0);
    let torn = format!("{{\"id\":\"torn\",\"features\":\"{}", "x".repeat(100_000));
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();

    let log = PredictionLog::open(folder.path()).unwrap();
    assert_eq!(ids(&log.read_all("delay").unwrap()), ["p-1", "p-2"]);
    log.append_blocking(&[record("delay", "p-3", 3)]).unwrap();
    assert_eq!(ids(&log.read_all("delay").unwrap()), ["p-1", "p-2", "p-3"]);
    assert_eq!(segments(folder.path(), "delay"), [path]);
}

#[test]
fn second_writer_takes_the_next_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (PredictionLog::open(folder.path()).unwrap(), PredictionLog::open(folder.path()).unwrap());
    for turn in 0..3 {
        first.append_blocking(&[record("delay", &format!("first-{turn}"), turn)]).unwrap();
        second.append_blocking(&[record("delay", &format!("second-{turn}"), turn)]).unwrap();
    }
    assert_eq!(segments(folder.path(), "delay").len(), 2);
    let found = first.read_all("delay").unwrap();
    assert_eq!(ids(&found), ["first-0", "first-1", "first-2", "second-0", "second-1", "second-2"]);
}

#[test]
fn full_segment_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog::open_with(folder.path(), 1000).unwrap();
    for number in 0..10 {
        log.append_blocking(&[record("delay", &format!("p-{number}"), number)]).unwrap();
    }
    assert!(segments(folder.path(), "delay").len() > 2);
    assert_eq!(log.read_all("delay").unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_are_all_logged() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::sync::Arc::new(PredictionLog::open(folder.path()).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..50 {
        let log = log.clone();
        tasks.spawn(async move {
            for number in 0..20 {
                log.append(&[record("delay", &format!("p-{task}-{number}"), number)]).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let found = log.read_all("delay").unwrap();
    let distinct: std::collections::BTreeSet<&str> = ids(&found).into_iter().collect();
    assert_eq!((found.len(), distinct.len()), (1000, 1000));
}

#[test]
fn failed_write_is_said_and_the_log_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = PredictionLog::open(folder.path()).unwrap();
    let blocked = folder.path().join("delay");
    std::fs::write(&blocked, "a file where the folder should be").unwrap();
    let error = log.append_blocking(&[record("delay", "p-1", 1)]).unwrap_err().to_string();
    assert!(error.starts_with(&format!("prediction log cannot create `{}`:", blocked.display())), "{error}");
    std::fs::remove_file(&blocked).unwrap();
    log.append_blocking(&[record("delay", "p-2", 2)]).unwrap();
    assert_eq!(ids(&log.read_all("delay").unwrap()), ["p-2"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn cut_anywhere_the_log_holds_whole_records_in_order(cut in 0_u64..2000) {
        let folder = tempfile::tempdir().unwrap();
        let log = PredictionLog::open(folder.path()).unwrap();
        log.append_blocking(&(0..5).map(|n| record("delay", &n.to_string(), n)).collect::<Vec<_>>()).unwrap();
        drop(log);
        let path = segments(folder.path(), "delay").remove(0);
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(cut % (length + 1)).unwrap();
        let log = PredictionLog::open(folder.path()).unwrap();
        let whole = log.read_all("delay").unwrap().len();
        prop_assert_eq!(whole as u64, (cut % (length + 1)) / (length / 5));
        log.append_blocking(&[record("delay", "next", 9)]).unwrap();
        let expected: Vec<String> = (0..whole).map(|n| n.to_string()).chain(["next".to_owned()]).collect();
        let found = log.read_all("delay").unwrap();
        prop_assert_eq!(ids(&found), expected);
    }
}
