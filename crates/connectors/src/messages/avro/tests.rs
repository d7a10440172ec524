//! What messages of Avro come to; they are written by fastavro.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow::util::pretty::pretty_format_batches;
use baton_testkit::python::answered;
use bytes::Bytes;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::messages::Fact;
use crate::{ContractColumn, OnSchemaChange};

/// Writes records without a header: lines of schema and record in, hexadecimal digits out.
const WRITE: &str = r#"
import datetime, decimal, io, json, sys, uuid, fastavro
def revived(value):
    if isinstance(value, dict) and "$" in value:
        return eval(value["$"])
    if isinstance(value, dict):
        return {name: revived(inner) for name, inner in value.items()}
    return value
for line in sys.stdin:
    schema, record = json.loads(line)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), revived(record))
    print(buffer.getvalue().hex())
"#;

fn written(records: &[(&Value, Value)]) -> Vec<Bytes> {
    let lines: String = records.iter().map(|(schema, record)| format!("{}\n", json!([schema, record]))).collect();
    let digits = answered::<&str>(WRITE, &[], &lines);
    digits.lines().map(|line| hex::decode(line).unwrap().into()).collect()
}

fn framed(id: u32, payload: &Bytes) -> Bytes {
    [&[0][..], &id.to_be_bytes(), payload].concat().into()
}

fn message(payload: Option<Bytes>) -> Message {
    Message { facts: vec![Fact::Number(0)], payload }
}

fn check(messages: &[Message], schemas: &AvroSchemas, contract: &Contract, expected: Expect) -> Rows {
    let rows = read(messages, schemas, contract, |name| name == "kafka_key");
    let Content::Columns(columns) = &rows.content else { unreachable!("Avro comes as columns") };
    let batch = RecordBatch::try_new(Schema::new(rows.stored.clone()).into(), columns.clone()).unwrap();
    let mut shown = pretty_format_batches(&[batch]).unwrap().to_string();
    shown += &format!("\nmessages {:?}", rows.message_of);
    for fault in &rows.faults {
        shown += &format!("\n{}: {}", fault.message, fault.reason);
    }
    expected.assert_eq(&shown);
    rows
}

fn order(fields: Value) -> Value {
    json!({"type": "record", "name": "order", "fields": fields})
}

#[test]
fn every_type_that_tables_have_is_read() {
    let schema = order(json!([
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": null},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "known_by", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "state", "type": {"type": "enum", "name": "state", "symbols": ["open", "paid"]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "place", "type": {"type": "record", "name": "place", "fields": [{"name": "city", "type": "string"}]}},
        {"name": "kafka_key", "type": "string"},
    ]));
    let record = json!({
        "id": 1, "note": null, "price": {"$": "decimal.Decimal('12.50')"},
        "at": {"$": "datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)"}, "day": {"$": "datetime.date(2024, 1, 2)"},
        "known_by": {"$": "uuid.UUID('f81d4fae-7dec-11d0-a765-00a0c91e6bf6')"}, "state": "paid", "tags": ["a", "b"],
        "place": {"city": "Oslo"}, "kafka_key": "not taken: it is what is known of the message",
    });
    let payload = written(&[(&schema, record)]).remove(0);
    let rows = check(
        &[message(Some(payload)), message(None)],
        &AvroSchemas::One(schema.to_string()),
        &Contract::default(),
        expect![[r#"
            +----+------+-------+----------------------+------------+--------------------------------------+-------+--------+--------------+
            | id | note | price | at                   | day        | known_by                             | state | tags   | place        |
            +----+------+-------+----------------------+------------+--------------------------------------+-------+--------+--------------+
            | 1  |      | 12.50 | 2024-01-01T00:00:00Z | 2024-01-02 | f81d4fae-7dec-11d0-a765-00a0c91e6bf6 | paid  | [a, b] | {city: Oslo} |
            |    |      |       |                      |            |                                      |       |        |              |
            +----+------+-------+----------------------+------------+--------------------------------------+-------+--------+--------------+
            messages [0, 1]"#]],
    );
    assert_eq!(rows.natural[2].data_type(), &DataType::Decimal128(9, 2));
    assert_eq!(rows.natural[3].data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
}

#[test]
fn messages_of_several_schemas_come_together_in_their_order() {
    let first = order(json!([{"name": "id", "type": "int"}, {"name": "old", "type": "string"}]));
    let second = order(json!([{"name": "id", "type": "long"}, {"name": "new", "type": ["null", "double"]}]));
    let payloads = written(&[
        (&second, json!({"id": 4_000_000_000_u64, "new": 1.5})),
        (&first, json!({"id": 2, "old": "b"})),
        (&second, json!({"id": 3, "new": null})),
    ]);
    let known = [(7, first), (9, second)].map(|(id, schema)| (id, Ok(schema.to_string())));
    let mut known: BTreeMap<u32, Result<String, String>> = known.into_iter().collect();
    known.insert(8, Err("the registry has no schema 8".to_owned()));
    known.insert(10, Ok("{}".to_owned()));
    let messages = [
        message(Some(framed(9, &payloads[0]))),
        message(Some(framed(7, &payloads[1]))),
        message(Some(framed(8, &payloads[1]))),
        message(Some(Bytes::from_static(b"{}"))),
        message(Some(framed(9, &payloads[2]))),
        message(Some(framed(11, &payloads[2]))),
        message(Some(framed(10, &payloads[2]))),
    ];
    check(
        &messages,
        &AvroSchemas::Registered(known),
        &Contract::default(),
        expect![[r#"
        +------------+-----+-----+
        | id         | new | old |
        +------------+-----+-----+
        | 4000000000 | 1.5 |     |
        | 2          |     | b   |
        | 3          |     |     |
        +------------+-----+-----+
        messages [0, 1, 4]
        3: the payload does not begin with the number of a schema
        5: nobody knows schema 11
        6: its schema cannot be used: Parser error: Invalid Avro schema JSON: data did not match any variant of untagged enum Schema
        2: the registry has no schema 8"#]],
    );
}

#[test]
fn broken_messages_are_set_aside_alone() {
    let schema = order(json!([{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]));
    let record = |id: u64| json!({"id": id, "name": format!("name {id}")});
    let records: Vec<(&Value, Value)> = (0..200).map(|id| (&schema, record(id))).collect();
    let mut messages: Vec<Message> = written(&records).into_iter().map(|payload| message(Some(payload))).collect();
    let cut = messages[17].payload.as_ref().map(|payload| payload.slice(..payload.len() - 1));
    messages[17].payload = cut;
    messages[90].payload = Some(Bytes::from_static(b""));
    let longer = messages[150].payload.as_ref().map(|payload| [payload, &b"more"[..]].concat().into());
    messages[150].payload = longer;
    let rows = read(&messages, &AvroSchemas::One(schema.to_string()), &Contract::default(), |_| false);
    let expected: Vec<usize> = (0..200).filter(|index| ![17, 90, 150].contains(index)).collect();
    assert_eq!(rows.message_of, expected);
    let told: Vec<usize> = rows.faults.iter().map(|fault| fault.message).collect();
    assert_eq!(told, [17, 90, 150]);
    let Content::Columns(columns) = &rows.content else { unreachable!("Avro comes as columns") };
    assert_eq!(columns[0].as_primitive::<arrow::datatypes::Int64Type>().value(17), 18);
}

#[test]
fn what_a_promise_does_not_hold_is_taken_as_text() {
    let schema = order(json!([{"name": "id", "type": "long"}, {"name": "flag", "type": "boolean"}]));
    let payload = written(&[(&schema, json!({"id": 1, "flag": true}))]).remove(0);
    let promised = |name: &str, data_type| ContractColumn { name: name.to_owned(), data_type, nullable: true };
    let contract = Contract {
        columns: vec![promised("id", DataType::Int32), promised("flag", DataType::Date32)],
        on_schema_change: OnSchemaChange::Evolve,
        ..Contract::default()
    };
    let rows = read(&[message(Some(payload))], &AvroSchemas::One(schema.to_string()), &contract, |_| false);
    let types = |fields: &[Field]| fields.iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
    assert_eq!(types(&rows.natural), [DataType::Int64, DataType::Date32]);
    assert_eq!(types(&rows.stored), [DataType::Int64, DataType::Utf8]);
}
