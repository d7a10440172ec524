//! What the inbox takes and connector `push` lands of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::ipc::writer::StreamWriter;
use arrow::util::pretty::pretty_format_batches;
use expect_test::expect;
use serde_json::json;

use super::*;
use crate::pull_suite::{Pulls, pull_all, pull_once, source_of};
use crate::{Contract, Limits, Mode};

fn source(folder: &std::path::Path, options: Value) -> PullSource {
    PullSource { root: folder.to_owned(), cursor: None, ..source_of("readings", Mode::Incremental, &options) }
}

async fn pulls(source: &PullSource, position: Option<Position>) -> Result<Pulls, ConnectorError> {
    pull_all(&PushPuller, source, position, Limits::default(), Contract::default()).await
}

fn lines(ids: std::ops::Range<i64>) -> Vec<u8> {
    ids.map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>().into_bytes()
}

fn arrow(ids: std::ops::Range<i64>) -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    let batch = RecordBatch::try_from_iter([("id", column)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn sent(inbox: &Inbox, body: &[u8], key: Option<&str>) -> Receipt {
    inbox.receive(DeliveryFormat::JsonLines, body, key, 1).unwrap()
}

#[tokio::test]
async fn deliveries_land_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), json!({}));
    let (inbox, _) = push_inbox(&source).unwrap();
    sent(&inbox, &lines(0..3), None);
    inbox.receive(DeliveryFormat::ArrowStream, &arrow(3..5), None, 1).unwrap();
    inbox.receive(DeliveryFormat::ArrowStream, &arrow(5..6), None, 1).unwrap();
    sent(&inbox, b"{\"id\": 6, \"deep\": {\"x\": 1}}\n\n{broken\r\n7\n{\"id\": 7}", None);
    let first = pulls(&source, None).await.unwrap();
    // Another kind of rows is another landing.
    assert_eq!((first.ids(), first.n_pulls), ((0..8).collect::<Vec<i64>>(), 3));
    expect![[r#"
        +----+--------+
        | id | deep   |
        +----+--------+
        | 6  | {x: 1} |
        | 7  |        |
        +----+--------+"#]]
    .assert_eq(&pretty_format_batches(&first.batches[3..]).unwrap().to_string());
    let told: Vec<String> = first.report.rejected.iter().map(ToString::to_string).collect();
    expect![[r#"
        row 2: the line is not JSON, see its character 2 (delivery 4, line 3)
        row 3: the line is not a JSON object (delivery 4, line 4)"#]]
    .assert_eq(&told.join("\n"));
    sent(&inbox, &lines(8..9), None);
    let second = pull_once(&PushPuller, &source, Some(first.last.position), Limits::default(), Contract::default());
    assert_eq!(second.await.unwrap().ids(), [8]);
}

#[tokio::test]
async fn limits_part_deliveries_and_never_one() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), json!({}));
    let (inbox, _) = push_inbox(&source).unwrap();
    for first in 0..4 {
        sent(&inbox, &lines(first * 10..first * 10 + 10), None);
    }
    let limits = Limits { rows: 15, ..Limits::default() };
    let pulled = pull_all(&PushPuller, &source, None, limits, Contract::default()).await.unwrap();
    assert_eq!((pulled.ids(), pulled.n_pulls), ((0..40).collect::<Vec<i64>>(), 2));
}

#[test]
fn the_same_key_gets_the_same_receipt_and_lands_once() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(folder.path().join("inbox"));
    let first = sent(&inbox, b"{}\nx\n", Some("a"));
    expect![[r#"{"sequence":1,"received_at":1,"bytes":5,"rows":1,"broken":1,"broken_lines":[{"line":2,"reason":"the line is not JSON, see its character 1"}],"hash":"506ce9fac506bfb84ef377174ebefb6b68b5e006435f3f1ab9905aa83399ae3b"}"#]].assert_eq(&serde_json::to_string(&first).unwrap());
    assert_eq!(sent(&inbox, b"{}\nx\n", Some("a")), first);
    // Another server on the same folder, and one that is started anew.
    let other = Inbox::new(folder.path().join("inbox"));
    assert_eq!(sent(&other, b"{}\nx\n", Some("a")), first);
    assert_eq!(sent(&other, b"{}", None).sequence, 2);
    assert_eq!(sent(&inbox, b"{}", None).sequence, 3, "without a key it is another delivery");
    let reused = inbox.receive(DeliveryFormat::JsonLines, b"{\"other\": 1}", Some("a"), 1).unwrap_err();
    assert_eq!(reused.to_string(), "idempotency key `a` came before with another body");
    // Landed and gone, the key is known still.
    inbox.let_go(3, 0).unwrap();
    assert_eq!(inbox.entries().unwrap().iter().filter(|entry| entry.format.is_some()).count(), 0);
    assert_eq!(sent(&inbox, b"{}\nx\n", Some("a")), first);
    assert_eq!(sent(&Inbox::new(folder.path().join("inbox")), b"{}\nx\n", Some("a")), first);
    assert_eq!(sent(&Inbox::new(folder.path().join("inbox")), b"{}", None).sequence, 4);
}

#[test]
fn what_cannot_land_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(folder.path().join("inbox"));
    let told = |format, body: &[u8]| inbox.receive(format, body, None, 1).unwrap_err().to_string();
    let refused = [
        told(DeliveryFormat::JsonLines, b""),
        told(DeliveryFormat::JsonLines, b"[{\"id\": 1}]"),
        told(DeliveryFormat::JsonLines, b"\xff\xfe"),
        told(DeliveryFormat::ArrowStream, b"{}"),
        told(DeliveryFormat::ArrowStream, &arrow(0..100)[..300]),
    ];
    expect![[r#"
        no line is a JSON object; the body is empty
        no line is a JSON object; line 1: the line is not a JSON object
        no line is a JSON object; line 1: the text is not UTF-8; save the file as UTF-8
        the body is not a stream of Arrow's IPC format: Ipc error: Expected schema message, found empty stream.
        the body is not a stream of Arrow's IPC format: Io error: failed to fill whole buffer"#]]
    .assert_eq(&refused.join("\n"));
    assert!(inbox.entries().unwrap().is_empty());
}

#[test]
fn many_senders_get_a_number_each() {
    let folder = tempfile::tempdir().unwrap();
    let inboxes = [(); 2].map(|()| Inbox::new(folder.path().join("inbox")));
    let mut numbers: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let inbox = &inboxes[thread % 2];
                scope.spawn(move || {
                    // Half of the keys are sent by two of them at once.
                    let key = |number: usize| format!("{}-{number}", thread / 2);
                    (0..10).map(|number| sent(inbox, b"{}", Some(&key(number))).sequence).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    let expected: Vec<u64> = (1..=40).flat_map(|number| [number, number]).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn landed_deliveries_go_and_a_gap_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), json!({"keep_mib": 0}));
    let (inbox, _) = push_inbox(&source).unwrap();
    let nothing = pulls(&source, None).await.unwrap_err().to_string();
    assert!(nothing.contains("has received nothing yet") && nothing.contains("POST /ingest/readings"), "{nothing}");
    sent(&inbox, &lines(0..2), None);
    sent(&inbox, &lines(2..4), None);
    let limits = Limits { rows: 1, ..Limits::default() };
    let first = pull_once(&PushPuller, &source, None, limits, Contract::default()).await.unwrap();
    PushPuller.confirm(&source, &first.last.position).await.unwrap();
    assert_eq!(inbox.entries().unwrap().len(), 1);
    let second = pulls(&source, Some(first.last.position)).await.unwrap();
    assert_eq!(second.ids(), [2, 3]);
    PushPuller.confirm(&source, &second.last.position).await.unwrap();
    sent(&inbox, &lines(4..5), None);
    // A changed contract begins anew, and what is gone is not passed over in silence.
    let lost = pulls(&source, None).await.unwrap_err();
    assert!(matches!(lost, ConnectorError::PositionLost { .. }) && lost.to_string().contains("begin_at: 3"), "{lost}");
    let again = tests::source(folder.path(), json!({"keep_mib": 0, "begin_at": 3}));
    assert_eq!(pulls(&again, None).await.unwrap().ids(), [4]);
}

#[tokio::test]
async fn a_delivery_that_was_altered_is_not_landed() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), json!({}));
    let (inbox, _) = push_inbox(&source).unwrap();
    sent(&inbox, &lines(0..2), None);
    let file = std::fs::read_dir(folder.path().join(".baton/inbox/readings")).unwrap().flatten();
    let file = file.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    let text = std::fs::read_to_string(file.as_ref().unwrap()).unwrap();
    std::fs::write(file.unwrap(), text.replace("{\"id\": 1}", "{\"id\": 9}")).unwrap();
    let altered = pulls(&source, None).await.unwrap_err().to_string();
    assert!(altered.contains("is not what was received"), "{altered}");
}
