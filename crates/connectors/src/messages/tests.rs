//! What messages come to as rows.

use arrow::datatypes::DataType;
use arrow::util::pretty::pretty_format_batches;
use expect_test::{Expect, expect};

use super::*;
use crate::{ContractColumn, ReadReport};

const FACTS: &[FactColumn] = &[("topic", FactKind::Text), ("number", FactKind::Number), ("at", FactKind::Instant)];

fn payload(format: PayloadFormat, fields: &[&str], malformed: MalformedMessages) -> Payload {
    Payload { format, fields: fields.iter().map(|name| (*name).to_owned()).collect(), malformed, avro: None }
}

async fn landed(
    payload: &Payload,
    contract: Contract,
    payloads: &[&[u8]],
) -> Result<(Vec<RecordBatch>, ReadReport), ConnectorError> {
    let mut messages = Messages::new("readings (test)", payload, FACTS);
    for (number, text) in payloads.iter().enumerate() {
        let facts = vec![
            Fact::Text(Some(format!("t/{number}"))),
            Fact::Number(number as i64),
            Fact::Instant(number as i64 * 1_000_000),
        ];
        messages.push(Message { facts, payload: Some(Bytes::copy_from_slice(text)) });
    }
    let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
    let mut sink = PullSink::new("readings (test)", contract, sender);
    messages.land(&mut sink).await?;
    let report = sink.finish().unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = receiver.recv().await {
        batches.push(batch);
    }
    Ok((batches, report))
}

async fn check(payload: &Payload, contract: Contract, payloads: &[&str], expected: Expect) {
    let payloads: Vec<&[u8]> = payloads.iter().map(|text| text.as_bytes()).collect();
    let (batches, report) = landed(payload, contract, &payloads).await.unwrap();
    let mut shown = pretty_format_batches(&batches).unwrap().to_string();
    for row in &report.rejected {
        shown += &format!("\n{} | {row}", row.raw["topic"].as_str().unwrap());
    }
    expected.assert_eq(&shown);
}

fn promises(columns: &[(&str, DataType)]) -> Contract {
    let column = |(name, data_type): &(&str, DataType)| ContractColumn {
        name: (*name).to_owned(),
        data_type: data_type.clone(),
        nullable: true,
    };
    Contract { columns: columns.iter().map(column).collect(), ..Contract::default() }
}

#[tokio::test]
async fn objects_and_lists_of_objects_are_rows() {
    let json = Payload::default();
    let payloads = [
        r#"{"device": "a", "value": 1.5, "where": {"room": 7}}"#,
        r#"[{"device": "b", "value": 2}, {"device": "c", "tags": ["x"]}, 4]"#,
        "not json",
        "{\n  \"device\": \"d\",\n  \"topic\": \"mine\"\n}",
        "5",
    ];
    let expected = expect![[r#"
        +--------+-------+-----------+------+-------+--------+----------------------+
        | device | value | where     | tags | topic | number | at                   |
        +--------+-------+-----------+------+-------+--------+----------------------+
        | a      | 1.5   | {room: 7} |      | t/0   | 0      | 1970-01-01T00:00:00Z |
        | b      | 2.0   |           |      | t/1   | 1      | 1970-01-01T00:00:01Z |
        | c      |       |           | [x]  | t/1   | 1      | 1970-01-01T00:00:01Z |
        | d      |       |           |      | t/3   | 3      | 1970-01-01T00:00:03Z |
        +--------+-------+-----------+------+-------+--------+----------------------+
        t/1 | row 1: an item of the list is not a JSON object
        t/2 | row 2: the payload is not JSON, see its character 2
        t/4 | row 3: the payload is not a JSON object"#]];
    check(&json, Contract::default(), &payloads, expected).await;
}

#[tokio::test]
async fn what_no_longer_fits_the_landed_columns_is_set_aside_row_by_row() {
    let instant = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
    let room = Field::new("room", DataType::Int64, true);
    let contract = promises(&[
        ("device", DataType::Utf8),
        ("value", DataType::Float64),
        ("time", instant),
        ("where", DataType::Struct(vec![room].into())),
    ]);
    let payloads = [
        r#"{"device": "a", "value": 1, "time": "2024-01-01T00:00:00Z", "where": {"room": 1, "floor": 2}}"#,
        r#"{"device": 5, "value": "high", "time": "2024-01-01T00:00:00Z"}"#,
        r#"{"device": "c", "time": 1704067200}"#,
        r#"{"device": "d", "value": {"deep": 1}}"#,
        r#"{"device": "e", "where": "here"}"#,
        r#"{"device": "f", "value": "2.5", "new": true}"#,
    ];
    check(
        &Payload::default(),
        contract,
        &payloads,
        expect![[r#"
        +--------+-------+----------------------+-----------+------+-------+--------+----------------------+
        | device | value | time                 | where     | new  | topic | number | at                   |
        +--------+-------+----------------------+-----------+------+-------+--------+----------------------+
        | a      | 1.0   | 2024-01-01T00:00:00Z | {room: 1} |      | t/0   | 0      | 1970-01-01T00:00:00Z |
        | f      | 2.5   |                      |           | true | t/5   | 5      | 1970-01-01T00:00:05Z |
        +--------+-------+----------------------+-----------+------+-------+--------+----------------------+
        t/3 | row 1, column `value`: `{"deep":1}` is not a single value
        t/4 | row 2, column `where`: `"here"` is not struct("room": int64), as the column is
        t/1 | row 4, column `value`: `high` is not a number (float64)
        t/2 | row 5, column `time`: `1704067200` is not a timestamp (ISO 8601)"#]],
    )
    .await;
}

#[tokio::test]
async fn records_of_csv_get_their_names_from_the_source() {
    let csv = payload(PayloadFormat::Csv, &["device", "at_minute", "value"], MalformedMessages::Quarantine);
    let payloads = ["a,1,1.5", "b,2,NA\nc,3,\"2\"\n", "too,few", "", "x,\"open"];
    check(
        &csv,
        Contract::default(),
        &payloads,
        expect![[r#"
        +--------+-----------+-------+-------+--------+----------------------+
        | device | at_minute | value | topic | number | at                   |
        +--------+-----------+-------+-------+--------+----------------------+
        | a      | 1         | 1.5   | t/0   | 0      | 1970-01-01T00:00:00Z |
        | b      | 2         |       | t/1   | 1      | 1970-01-01T00:00:01Z |
        | c      | 3         | 2.0   | t/1   | 1      | 1970-01-01T00:00:01Z |
        +--------+-----------+-------+-------+--------+----------------------+
        t/2 | row 1: the record has 2 fields, the source says 3
        t/3 | row 2: the payload is empty
        t/4 | row 3: the payload opens a quote that is never closed"#]],
    )
    .await;
    let contract = promises(&[("value", DataType::Int64)]);
    let contract = Contract { select: Some(vec!["device".to_owned(), "value".to_owned()]), ..contract };
    check(
        &csv,
        contract,
        &["a,1,1.5", "b,2,3"],
        expect![[r#"
        +-------+--------+
        | value | device |
        +-------+--------+
        | 3     | b      |
        +-------+--------+
        t/0 | row 1, column `value`: `1.5` is not a whole number (int64)"#]],
    )
    .await;
}

#[tokio::test]
async fn text_and_bytes_are_taken_as_they_are() {
    let text = payload(PayloadFormat::Text, &[], MalformedMessages::Quarantine);
    let (batches, report) = landed(&text, Contract::default(), &[b"one", b"\xff\xfe"]).await.unwrap();
    assert_eq!((batches[0].num_rows(), report.rejected_total), (1, 1));
    let raw = payload(PayloadFormat::Raw, &[], MalformedMessages::Quarantine);
    let (batches, report) = landed(&raw, Contract::default(), &[b"one", b"\xff\xfe"]).await.unwrap();
    assert_eq!((batches[0].num_rows(), report.rejected_total), (2, 0));
}

#[tokio::test]
async fn a_source_may_stop_at_what_it_cannot_read() {
    let strict = payload(PayloadFormat::Json, &[], MalformedMessages::Stop);
    let error = landed(&strict, Contract::default(), &[b"{}", b"oops"]).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot read `readings (test)`: the payload is not JSON, see its character 1 (`oops`); mend its sender, or set \
         `malformed: quarantine` to land the others"
    );
}

#[tokio::test]
async fn no_message_is_no_row() {
    let (batches, report) = landed(&Payload::default(), promises(&[("a", DataType::Int64)]), &[]).await.unwrap();
    assert!(batches.is_empty());
    let names: Vec<&str> = report.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["a", "topic", "number", "at"]);
}
