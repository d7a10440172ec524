//! What connector `kafka` takes from real brokers; messages are published by librdkafka, Avro is written by fastavro.

mod dead_letters;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;
use baton_testkit::certificate::self_signed;
use baton_testkit::kafka::TestKafka;
use baton_testkit::python::answered;
use expect_test::expect;
use serde_json::json;

use super::*;
use crate::pull_suite::{Pulls, pull_all, pull_once, source_of};
use crate::{Contract, Mode};

fn source(broker: &TestKafka, topic: &str, options: Value) -> PullSource {
    let mut all = json!({"url": broker.url(), "topics": [topic]});
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    PullSource { lineage: topic.to_owned(), cursor: None, ..source_of("orders", Mode::Incremental, &all) }
}

fn numbered(from: u64, to: u64) -> Vec<String> {
    (from..=to).map(|id| format!(r#"{{"id": {id}}}"#)).collect()
}

async fn all(source: &PullSource, position: Option<Position>) -> Pulls {
    pull_all(&KafkaPuller, source, position, Limits::default(), Contract::default()).await.unwrap()
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn messages_come_once_with_what_is_known_of_them() {
    let broker = TestKafka::shared();
    let topic = broker.topic(1);
    broker.ask(json!({"ask": "produce", "topic": topic, "messages": [
        {"partition": 0, "key": "a", "value": r#"{"id": 1, "t": 21.5}"#, "timestamp": 1_704_067_200_000_i64,
         "headers": [["trace", "7"], ["tag", "x"], ["tag", "y"]]},
        {"partition": 0, "key": "a", "timestamp": 1_704_067_201_000_i64},
        {"partition": 0, "value": "oops", "timestamp": 1_704_067_202_000_i64},
        {"partition": 0, "value": r#"[{"id": 2}, {"id": 3}]"#, "timestamp": 1_704_067_203_000_i64},
    ]}));
    let source = source(broker, &topic, json!({}));
    let first = all(&source, None).await;
    let shown = arrow::compute::concat_batches(&first.batches[0].schema(), &first.batches).unwrap();
    let shown = shown.project(&[0, 1, 3, 4, 5, 6, 7, 8]).unwrap();
    expect![[r#"
        +----+------+-----------------+--------------+----------------------+-----------+-------------------------------+-----------------+
        | id | t    | kafka_partition | kafka_offset | kafka_published_at   | kafka_key | kafka_headers                 | kafka_tombstone |
        +----+------+-----------------+--------------+----------------------+-----------+-------------------------------+-----------------+
        | 1  | 21.5 | 0               | 0            | 2024-01-01T00:00:00Z | a         | {"tag":["x","y"],"trace":"7"} | false           |
        |    |      | 0               | 1            | 2024-01-01T00:00:01Z | a         |                               | true            |
        | 2  |      | 0               | 3            | 2024-01-01T00:00:03Z |           |                               | false           |
        | 3  |      | 0               | 3            | 2024-01-01T00:00:03Z |           |                               | false           |
        +----+------+-----------------+--------------+----------------------+-----------+-------------------------------+-----------------+"#]].assert_eq(&pretty_format_batches(&[shown]).unwrap().to_string());
    assert_eq!(first.batches[0].column_by_name("kafka_topic").unwrap().as_string::<i32>().value(0), topic);
    assert_eq!(first.report.rejected[0].raw["kafka_offset"], 2);
    KafkaPuller.confirm(&source, &first.last.position).await.unwrap();
    let group = format!("baton-orders-{topic}");
    let committed = broker.ask(json!({"ask": "committed", "group": group, "topic": topic, "partitions": 1}));
    assert_eq!(committed, json!([4]));
    assert!(all(&source, Some(first.last.position.clone())).await.ids().is_empty());
    broker.publish(&topic, 1, &numbered(4, 5));
    assert_eq!(all(&source, Some(first.last.position)).await.ids(), [4, 5]);
}

#[tokio::test]
async fn the_position_alone_says_what_is_asked_for() {
    let broker = TestKafka::shared();
    let topic = broker.topic(3);
    broker.publish(&topic, 3, &numbered(1, 3000));
    let source = source(broker, &topic, json!({}));
    let limits = Limits { rows: 700, ..Limits::default() };
    let first = pull_once(&KafkaPuller, &source, None, limits, Contract::default()).await.unwrap();
    // Pulled, confirmed, and never recorded: a table that was set back asks again.
    let again = pull_all(&KafkaPuller, &source, None, limits, Contract::default()).await.unwrap();
    assert_eq!(sorted(again.ids()), (1..=3000).collect::<Vec<_>>());
    KafkaPuller.confirm(&source, &again.last.position).await.unwrap();
    let rest = all(&source, Some(first.last.position.clone())).await;
    let both = [first.ids(), rest.ids()].concat();
    assert_eq!(sorted(both), (1..=3000).collect::<Vec<_>>());
    KafkaPuller.confirm(&source, &first.last.position).await.unwrap();
}

#[tokio::test]
async fn whatever_messages_are_compressed_with() {
    let broker = TestKafka::shared();
    let topic = broker.topic(1);
    for (number, codec) in ["gzip", "snappy", "lz4", "zstd"].iter().enumerate() {
        let messages: Vec<Value> = (0..100)
            .map(|id| json!({"partition": 0, "value": format!("{{\"id\": {}, \"pad\": \"{}\"}}", number * 100 + id, "x".repeat(200))}))
            .collect();
        broker.ask(json!({"ask": "produce", "topic": topic, "messages": messages, "codec": codec}));
    }
    assert_eq!(all(&source(broker, &topic, json!({})), None).await.ids(), (0..400).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_landing_begins_where_its_source_says() {
    let broker = TestKafka::shared();
    let topic = broker.topic(2);
    broker.publish(&topic, 2, &numbered(1, 4));
    let latest = source(broker, &topic, json!({"begin": "latest"}));
    let first = all(&latest, None).await;
    assert!(first.ids().is_empty());
    broker.publish(&topic, 2, &numbered(5, 6));
    assert_eq!(sorted(all(&latest, Some(first.last.position)).await.ids()), [5, 6]);
    // A time that is still to come: what comes next is the first.
    let later = source(broker, &topic, json!({"begin": "2100-01-01T00:00:00Z"}));
    let first = all(&later, None).await;
    assert!(first.ids().is_empty());
}

#[tokio::test]
async fn messages_that_brokers_forgot_are_named_and_the_rest_lands() {
    let broker = TestKafka::shared();
    let topic = broker.topic(2);
    broker.publish(&topic, 2, &numbered(1, 4));
    let source = source(broker, &topic, json!({}));
    let first = all(&source, None).await;
    broker.publish(&topic, 2, &numbered(5, 20));
    broker.ask(json!({"ask": "forget", "name": topic, "partition": 1, "before": 6}));
    let second = all(&source, Some(first.last.position)).await;
    let expected: Vec<i64> = (5..=20).filter(|id| id % 2 == 1 || *id > 12).collect();
    assert_eq!(sorted(second.ids()), expected);
    assert_eq!(
        second.report.rejected[0].reason,
        format!(
            "offsets 2 to 5 of partition 1 of `{topic}`, at most 4 messages, left the topic before they were landed; let it \
             keep them longer, or run more often"
        )
    );
    assert_eq!(all(&source, Some(second.last.position)).await.report.rejected_total, 0);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_not_taken_for_the_old_one() {
    let broker = TestKafka::shared();
    let topic = broker.topic(1);
    broker.publish(&topic, 1, &numbered(1, 3));
    let source = source(broker, &topic, json!({}));
    let first = all(&source, None).await;
    broker.ask(json!({"ask": "drop", "name": topic}));
    broker.make(&topic, 1);
    broker.publish(&topic, 1, &numbered(1, 1));
    let position = Some(first.last.position);
    let error = pull_once(&KafkaPuller, &source, position, Limits::default(), Contract::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::PositionLost { .. }), "{error}");
}

#[tokio::test]
async fn partitions_that_come_later_are_landed_from_their_beginning() {
    let broker = TestKafka::shared();
    let topic = broker.topic(1);
    broker.publish(&topic, 1, &numbered(1, 2));
    let source = source(broker, &topic, json!({"begin": "latest"}));
    // As if the topic had had a partition less when it was landed first.
    let first = all(&source, None).await;
    let grown = broker.topic(2);
    broker.publish(&grown, 2, &numbered(3, 6));
    let mut position: KafkaPosition = first.last.position.read().unwrap();
    position.know(&grown, "");
    position.go_on(&(grown.clone(), 0), 1);
    let source = PullSource { options: source_options(&source, &grown), ..source };
    assert_eq!(sorted(all(&source, Some(Position::of(&position).unwrap())).await.ids()), [4, 5, 6]);
}

fn source_options(source: &PullSource, topic: &str) -> serde_json::Map<String, Value> {
    let mut options = source.options.clone();
    options.insert("topics".to_owned(), json!([topic]));
    options
}

#[tokio::test]
async fn members_of_a_group_share_its_partitions() {
    let broker = TestKafka::shared();
    let topic = broker.topic(4);
    let group = format!("shared-{topic}");
    let source = source(broker, &topic, json!({"group": group, "session_seconds": 6}));
    broker.publish(&topic, 4, &numbered(1, 40));
    // Alone, this member has all partitions; what it took is committed when it is recorded.
    let first = pull_once(&KafkaPuller, &source, None, Limits::default(), Contract::default()).await.unwrap();
    assert_eq!(sorted(first.ids()), (1..=40).collect::<Vec<_>>());
    KafkaPuller.confirm(&source, &first.last.position).await.unwrap();
    let committed = broker.ask(json!({"ask": "committed", "group": group, "topic": topic, "partitions": 4}));
    assert_eq!(committed, json!([10, 10, 10, 10]));
    // Another one comes, and takes and commits what it is given.
    broker.ask(json!({"ask": "join", "group": group, "topics": [topic]}));
    broker.ask(json!({"ask": "has_partitions", "group": group}));
    broker.publish(&topic, 4, &numbered(41, 80));
    let second = all(&source, Some(first.last.position)).await;
    KafkaPuller.confirm(&source, &second.last.position).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let others = broker.ask(json!({"ask": "leave", "group": group}));
    let id = |text: &Value| {
        let row: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        row["id"].as_i64().unwrap()
    };
    let others: Vec<i64> = others.as_array().unwrap().iter().map(id).collect();
    // It has gone: its partitions are this member's again, from where it had come to.
    broker.publish(&topic, 4, &numbered(81, 84));
    let third = all(&source, Some(second.last.position.clone())).await;
    KafkaPuller.confirm(&source, &third.last.position).await.unwrap();
    assert!(!others.is_empty(), "the other member took nothing");
    let together = [second.ids(), others, third.ids()].concat();
    assert_eq!(sorted(together), (41..=84).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_member_that_was_killed_before_it_committed_goes_by_what_is_recorded() {
    let broker = TestKafka::shared();
    let topic = broker.topic(2);
    let group = format!("killed-{topic}");
    let source = source(broker, &topic, json!({"group": group, "session_seconds": 6}));
    broker.publish(&topic, 2, &numbered(1, 10));
    let first = all(&source, None).await;
    // Recorded, and never confirmed.
    drop(Reader::waiting(&source.lineage, Some(&first.last.position)).await);
    broker.publish(&topic, 2, &numbered(11, 12));
    let second = all(&source, Some(first.last.position)).await;
    assert_eq!(sorted(second.ids()), [11, 12]);
}

/// A registry that knows schema 7, to whoever says that he is `reader`.
fn registry(schema: &Value) -> String {
    answering([("/schemas/ids/7".to_owned(), json!({"schema": schema.to_string()}))].into())
}

/// A registry with these answers by path.
fn answering(answers: BTreeMap<String, Value>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let is_known =
                head.iter().any(|line| line.eq_ignore_ascii_case("authorization: basic cmVhZGVyOnMzY3JldA=="));
            let path = head[0].split(' ').nth(1).unwrap_or_default();
            let (status, body) = match answers.get(path) {
                _ if !is_known => ("401 Unauthorized", "{}".to_owned()),
                Some(body) => ("200 OK", body.to_string()),
                None => ("404 Not Found", r#"{"error_code": 40403}"#.to_owned()),
            };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

const WRITE_AVRO: &str = r"
import base64, io, json, sys, fastavro
schema = fastavro.parse_schema(json.loads(sys.argv[1]))
for id in json.loads(sys.argv[2]):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, {'id': id, 'note': None if id % 2 else f'n{id}'})
    print(base64.b64encode(bytes.fromhex(sys.argv[3]) + buffer.getvalue()).decode())
";

fn avro(schema: &Value, ids: &[u32], frame: &str) -> Vec<Value> {
    let written = answered(WRITE_AVRO, &[schema.to_string(), json!(ids).to_string(), frame.to_owned()], "");
    written.lines().map(|line| json!({"partition": 0, "bytes": line})).collect()
}

#[tokio::test]
async fn avro_is_read_by_the_schemas_of_a_registry() {
    let schema = json!({"type": "record", "name": "order", "fields": [
        {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"]}]});
    let broker = TestKafka::shared();
    let topic = broker.topic(1);
    let mut messages = avro(&schema, &[1, 2], "0000000007");
    messages.extend(avro(&schema, &[3], "0000000008"));
    messages.push(json!({"partition": 0, "key": "gone"}));
    messages.push(json!({"partition": 0, "value": "not avro"}));
    broker.ask(json!({"ask": "produce", "topic": topic, "messages": messages}));
    let url = registry(&schema);
    let options =
        json!({"format": "avro", "schema_registry": {"url": url, "username": "reader", "password": "s3cret"}});
    let reading = source(broker, &topic, options);
    let pulls = all(&reading, None).await;
    let shown = arrow::compute::concat_batches(&pulls.batches[0].schema(), &pulls.batches).unwrap();
    expect![[r#"
        +----+------+--------------+-----------+-----------------+
        | id | note | kafka_offset | kafka_key | kafka_tombstone |
        +----+------+--------------+-----------+-----------------+
        | 1  |      | 0            |           | false           |
        | 2  | n2   | 1            |           | false           |
        |    |      | 3            | gone      | true            |
        +----+------+--------------+-----------+-----------------+"#]]
    .assert_eq(&pretty_format_batches(&[shown.project(&[0, 1, 4, 6, 8]).unwrap()]).unwrap().to_string());
    let told: Vec<&str> = pulls.report.rejected.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(told, ["the payload does not begin with the number of a schema", "the registry has no schema 8"]);
    let stranger = json!({"format": "avro", "schema_registry": {"url": format!("{url}/"), "username": "x"}});
    let error = KafkaPuller.check(&source(broker, &topic, stranger)).await.unwrap_err();
    let told = error.to_string();
    assert!(!error.is_transient() && told.contains("refuses with 401") && told.contains("`schema_registry`"), "{told}");
}

#[tokio::test]
async fn what_a_schema_refers_to_is_asked_for_and_written_out() {
    let refers = |schema: Value, references: &[(&str, u32)]| {
        let references: Vec<Value> = references
            .iter()
            .map(|(subject, version)| json!({"name": "any", "subject": subject, "version": version}))
            .collect();
        json!({"schema": schema.to_string(), "references": references})
    };
    let field = |name: &str, kind: Value| json!({"name": name, "type": kind});
    let order = json!({"type": "record", "name": "shop.Order", "fields": [
        field("total", json!("Money")), field("tip", json!(["null", "Money"])), field("at", json!("geo.Place"))]});
    let money = json!({"type": "record", "name": "Money", "namespace": "shop", "fields": [
        field("cents", json!("long")), field("currency", json!("Currency"))]});
    let currency = json!({"type": "enum", "name": "Currency", "namespace": "shop", "symbols": ["CHF", "EUR"]});
    let place = json!({"type": "fixed", "name": "geo.Place", "size": 2});
    let url = answering(
        [
            ("/schemas/ids/7".to_owned(), refers(order.clone(), &[("money", 3), ("a place/b", 1)])),
            ("/schemas/ids/8".to_owned(), refers(order, &[("gone", 1)])),
            ("/subjects/money/versions/3".to_owned(), refers(money, &[("currency", 1)])),
            ("/subjects/currency/versions/1".to_owned(), refers(currency, &[])),
            ("/subjects/a%20place%2Fb/versions/1".to_owned(), refers(place, &[])),
        ]
        .into(),
    );
    let registry = json!({"url": url, "username": "reader", "password": "s3cret"});
    let registry: config::Registry = serde_json::from_value(registry).unwrap();
    let found = registry::schemas(&registry, &[7, 8].into()).await.unwrap();
    // An implementation of Avro's reads it, and what was written with it.
    let script = "import io, json, sys, fastavro
schema, buffer = fastavro.parse_schema(json.loads(sys.argv[1])), io.BytesIO()
money = {'cents': 5, 'currency': 'EUR'}
fastavro.schemaless_writer(buffer, schema, {'total': money, 'tip': None, 'at': b'ab'})
print(buffer.getvalue().hex())";
    assert_eq!(answered(script, &[found[&7].clone().unwrap()], "").trim(), "0a02006162");
    let missing = "schema 8 refers to version 1 of `gone`, which the registry does not have";
    assert_eq!(found[&8], Err(missing.to_owned()));
}

#[tokio::test]
async fn avro_is_read_by_a_schema_in_a_file() {
    let schema = json!({"type": "record", "name": "order", "fields": [
        {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"]}]});
    let broker = TestKafka::shared();
    let topic = broker.topic(1);
    broker.ask(json!({"ask": "produce", "topic": topic, "messages": avro(&schema, &[1, 2, 3], "")}));
    let source = source(broker, &topic, json!({"format": "avro", "schema": schema.to_string()}));
    assert_eq!(all(&source, None).await.ids(), [1, 2, 3]);
    let described = KafkaPuller.describe(&source).await.unwrap();
    assert_eq!(described.field(0).name(), "id");
}

#[tokio::test]
async fn connections_are_encrypted_and_certificates_asked_for() {
    let (certificate, key) = self_signed();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.pem");
    std::fs::write(&file, format!("{certificate}{key}")).unwrap();
    let broker = TestKafka::encrypted(file.to_str().unwrap());
    let topic = broker.topic(1);
    broker.publish(&topic, 1, &numbered(1, 3));
    let url = format!("kafkas://{}", broker.place());
    let trusted = source(&broker, &topic, json!({"url": url, "certificate_authority": certificate}));
    assert_eq!(all(&trusted, None).await.ids(), [1, 2, 3]);
    let stranger = source(&broker, &topic, json!({"url": url}));
    let error = KafkaPuller.check(&stranger).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn users_log_in() {
    let broker = TestKafka::asking_for("reader", "s3cret");
    let topic = broker.topic(1);
    broker.publish(&topic, 1, &numbered(1, 3));
    for sasl in ["plain", "scram-sha-256", "scram-sha-512"] {
        let user =
            |password: &str| source(&broker, &topic, json!({"username": "reader", "password": password, "sasl": sasl}));
        assert_eq!(all(&user("s3cret"), None).await.ids(), [1, 2, 3], "{sasl}");
        let error = KafkaPuller.check(&user("guess")).await.unwrap_err();
        let told = error.to_string();
        assert!(!error.is_transient() && told.contains("does not let us in") && !told.contains("guess"), "{told}");
    }
}

#[tokio::test]
async fn another_broker_is_read_as_well() {
    let broker = TestKafka::tansu();
    let topic = broker.topic(2);
    broker.publish(&topic, 2, &numbered(1, 500));
    let source = source(broker, &topic, json!({}));
    let first = all(&source, None).await;
    assert_eq!(sorted(first.ids()), (1..=500).collect::<Vec<_>>());
    KafkaPuller.confirm(&source, &first.last.position).await.unwrap();
    broker.publish(&topic, 2, &numbered(501, 700));
    let second = all(&source, Some(first.last.position)).await;
    assert_eq!(sorted(second.ids()), (501..=700).collect::<Vec<_>>());
    assert!(all(&source, Some(second.last.position)).await.ids().is_empty());
}

#[tokio::test]
async fn columns_are_seen_before_anything_is_landed() {
    let broker = TestKafka::shared();
    let topic = broker.topic(2);
    let source = source(broker, &topic, json!({}));
    let names = |schema: SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let facts: Vec<&str> = FACTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(KafkaPuller.describe(&source).await.unwrap()), facts);
    broker.publish(&topic, 2, &[r#"{"id": 1, "t": 2.5}"#]);
    let described = names(KafkaPuller.describe(&source).await.unwrap());
    assert_eq!(described[..2], ["id", "t"]);
    let pulled = all(&source, None).await;
    assert_eq!(names(pulled.report.schema), described);
    let offsets = pulled.batches[0].column_by_name("kafka_offset").unwrap().as_primitive::<Int64Type>().value(0);
    assert_eq!(offsets, 0);
    let answer = KafkaPuller.check(&source).await.unwrap();
    assert_eq!(answer, format!("Kafka, 1 broker, {topic}: 2 partitions, 1 messages"));
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let broker = TestKafka::shared();
    let gone = source(broker, "t", json!({"url": "kafka://127.0.0.1:1"}));
    let error = KafkaPuller.check(&gone).await.unwrap_err();
    assert!(
        error.is_transient() && error.to_string().starts_with("kafka at 127.0.0.1:1, t cannot be reached"),
        "{error}"
    );
    let examined = |options: Value| KafkaPuller.examine(&source(broker, "s", options)).unwrap_err().to_string();
    let told = [
        json!({"url": "https://broker"}),
        json!({"url": "kafka://me:secret@broker:9092"}),
        json!({"topics": []}),
        json!({"topics": ["a/b"]}),
        json!({"begin": "yesterday"}),
        json!({"password": "x"}),
        json!({"certificate": "x"}),
        json!({"member": "x"}),
        json!({"group": "g", "session_seconds": 1}),
        json!({"format": "avro"}),
        json!({"schema": "{}"}),
        json!({"format": "csv"}),
        json!({"sasl": "kerberos"}),
    ]
    .map(examined);
    assert!(!told.join("").contains("secret@"), "{told:?}");
    expect![[r#"
        options of source `orders` are wrong: `url` does not begin with `kafka://` or `kafkas://`; write `kafka://host:9092` or `kafkas://host:9093`; who asks goes into `username` and `password`
        options of source `orders` are wrong: `url` is not a host with a port, or several; write `kafka://host:9092` or `kafkas://host:9093`; who asks goes into `username` and `password`
        options of source `orders` are wrong: `topics` is empty; name topics, such as `[orders]`
        options of source `orders` are wrong: `a/b` is no topic's name, which has letters, digits, `.`, `_` and `-`; mend `topics`
        options of source `orders` are wrong: `begin: yesterday` is no place to begin; write `earliest`, `latest`, or a time such as `2024-01-01T00:00:00Z`
        options of source `orders` are wrong: `username` goes with `password`; give both, or leave out both
        options of source `orders` are wrong: `certificate` goes with `certificate_key`; give both, or leave out both
        options of source `orders` are wrong: `member` without `group`; add `group`
        options of source `orders` are wrong: `session_seconds` is less than 6; brokers allow 6 to 1800 unless told otherwise
        options of source `orders` are wrong: format `avro` needs a `schema` or a `schema_registry`, not both; write `schema: ${file:order.avsc}`, or `schema_registry: {url: …}`
        options of source `orders` are wrong: schemas are those of format `avro`; leave them out, or set `format: avro`
        options of source `orders` are wrong: format `csv` needs `fields`, as messages have no header; name them in order: `fields: [device, at, value]`
        options of source `orders` are wrong: unknown variant `kerberos`, expected one of `plain`, `scram-sha-256`, `scram-sha-512`; see connector `kafka` in the reference of connectors"#]].assert_eq(&told.join("\n"));
}
