//! Messages that go to a topic of their own: those that cannot be read, and those that do not fit the declared columns.

use arrow::datatypes::DataType;

use super::*;
use crate::ContractColumn;

#[tokio::test]
async fn messages_that_cannot_be_read_go_to_a_topic_of_their_own() {
    let broker = TestKafka::shared();
    let (topic, dead) = (broker.topic(1), broker.topic(1));
    broker.ask(json!({"ask": "produce", "topic": topic, "messages": [
        {"partition": 0, "value": r#"{"id": 1}"#},
        {"partition": 0, "key": "k", "value": "oops", "headers": [["trace", "7"]]},
    ]}));
    let source = source(broker, &topic, json!({"dead_letters": dead}));
    let pulls = all(&source, None).await;
    assert_eq!((pulls.ids(), pulls.report.rejected_total), (vec![1], 1));
    let buried = broker.ask(json!({"ask": "read", "topic": dead}));
    let expected = json!([{"key": "k", "value": "oops", "headers": {
        "trace": "7",
        "__krafka.dlq.original.topic": topic,
        "__krafka.dlq.original.partition": "0",
        "__krafka.dlq.original.offset": "1",
        "__krafka.dlq.exception.message": "the payload is not JSON, see its character 1",
    }}]);
    assert_eq!(buried, expected);
}

#[tokio::test]
async fn messages_that_do_not_fit_the_declared_columns_go_there_with_the_reason_and_the_others_land() {
    let broker = TestKafka::shared();
    let (topic, dead) = (broker.topic(1), broker.topic(1));
    broker.ask(json!({"ask": "produce", "topic": topic, "messages": [
        {"partition": 0, "value": r#"{"id": 1, "t": 20.5}"#},
        {"partition": 0, "key": "k", "value": r#"{"id": "seven", "t": 21.5}"#},
        {"partition": 0, "value": r#"[{"id": 2, "t": 22.5}, {"id": 3, "t": "warm"}, {"id": 4.5, "t": 1.0}]"#},
        {"partition": 0, "value": r#"{"id": 5, "t": null}"#},
    ]}));
    let source = source(broker, &topic, json!({"dead_letters": dead}));
    let column =
        |(name, data_type): (&str, DataType)| ContractColumn { name: name.to_owned(), data_type, nullable: true };
    let columns = [("id", DataType::Int64), ("t", DataType::Float64)].map(column).to_vec();
    let contract = Contract { columns, ..Contract::default() };
    let pulls = pull_all(&KafkaPuller, &source, None, Limits::default(), contract.clone()).await.unwrap();
    assert_eq!((pulls.ids(), pulls.report.rejected_total), (vec![1, 2, 5], 3));
    let buried = broker.ask(json!({"ask": "read", "topic": dead}));
    let told = |message: &Value| {
        let headers = &message["headers"];
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let [offset, reason] = ["original.offset", "exception.message"].map(|name| format!("__krafka.dlq.{name}"));
        format!(
            "{} {} {}: {}",
            text(&headers[offset]),
            text(&message["key"]),
            text(&message["value"]),
            text(&headers[reason])
        )
    };
    let told: Vec<String> = buried.as_array().unwrap().iter().map(told).collect();
    // A message of several rows goes there once and as a whole; its rows that fit have landed.
    expect![[r#"
        1 k {"id": "seven", "t": 21.5}: column `id`: `seven` is not a whole number (int64)
        2 - [{"id": 2, "t": 22.5}, {"id": 3, "t": "warm"}, {"id": 4.5, "t": 1.0}]: column `t`: `warm` is not a number (float64)"#]].assert_eq(&told.join("\n"));
    // The position is past them: they neither land nor are buried again.
    let again = pull_all(&KafkaPuller, &source, Some(pulls.last.position), Limits::default(), contract).await.unwrap();
    assert_eq!((again.ids(), again.report.rejected_total), (Vec::new(), 0));
    assert_eq!(broker.ask(json!({"ask": "read", "topic": dead})), buried);
}
