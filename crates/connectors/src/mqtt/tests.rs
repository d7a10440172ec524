//! What connector `mqtt` takes from a real broker.

use arrow::util::pretty::pretty_format_batches;
use baton_testkit::certificate::self_signed;
use baton_testkit::mosquitto::TestMosquitto;
use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::pull_suite::{Pulls, pull_once, source_of};
use crate::{Contract, Mode};

fn source(broker: &TestMosquitto, name: &str, options: Value) -> PullSource {
    let mut all = json!({"url": broker.url(), "topics": [format!("{name}/+/t")]});
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    PullSource { lineage: name.to_owned(), cursor: None, ..source_of("readings", Mode::Incremental, &all) }
}

fn numbered(from: u64, to: u64) -> Vec<String> {
    (from..=to).map(|id| format!(r#"{{"id": {id}}}"#)).collect()
}

async fn pull(source: &PullSource, position: Option<&Position>) -> Pulls {
    pull_once(&MqttPuller, source, position.cloned(), Limits::default(), Contract::default()).await.unwrap()
}

/// Pulls and confirms until the end, as a run does.
async fn follow(source: &PullSource, mut position: Option<Position>) -> (Vec<i64>, Position) {
    let mut ids = Vec::new();
    loop {
        let pulls = pull(source, position.as_ref()).await;
        ids.extend(pulls.ids());
        MqttPuller.confirm(source, &pulls.last.position).await.unwrap();
        if pulls.last.complete {
            return (ids, pulls.last.position);
        }
        position = Some(pulls.last.position);
    }
}

#[tokio::test]
async fn what_is_published_while_nobody_asks_is_kept() {
    let broker = TestMosquitto::shared();
    let source = source(broker, "kept", json!({}));
    let (ids, position) = follow(&source, None).await;
    assert!(ids.is_empty());
    broker.publish("kept/a/t", &[r#"{"id": 1, "t": 20.5}"#, "oops"]);
    broker.publish("kept/b/t", &[r#"[{"id": 2}, {"id": 3}]"#]);
    broker.publish("kept/b/other", &numbered(4, 4));
    let pulls = pull(&source, Some(&position)).await;
    let shown: Vec<_> = pulls.batches.iter().map(|batch| batch.project(&[0, 1, 2]).unwrap()).collect();
    expect![[r#"
        +----+------+------------+
        | id | t    | mqtt_topic |
        +----+------+------------+
        | 1  | 20.5 | kept/a/t   |
        | 2  |      | kept/b/t   |
        | 3  |      | kept/b/t   |
        +----+------+------------+"#]]
    .assert_eq(&pretty_format_batches(&shown).unwrap().to_string());
    assert_eq!(pulls.report.rejected[0].raw["mqtt_topic"], "kept/a/t");
    MqttPuller.confirm(&source, &pulls.last.position).await.unwrap();
    assert!(follow(&source, Some(pulls.last.position)).await.0.is_empty());
}

#[tokio::test]
async fn messages_that_were_not_recorded_come_again_and_recorded_ones_do_not() {
    let broker = TestMosquitto::shared();
    let source = source(broker, "again", json!({}));
    let (_, start) = follow(&source, None).await;
    // Equal messages that were published twice are two rows.
    broker.publish("again/a/t", &[r#"{"id": 1}"#, r#"{"id": 1}"#, r#"{"id": 2}"#]);
    let lost = pull(&source, Some(&start)).await;
    assert_eq!(lost.ids(), [1, 1, 2]);
    // Never recorded: from the position before, all come again.
    let recorded = pull(&source, Some(&start)).await;
    assert_eq!(recorded.ids(), [1, 1, 2]);
    // Recorded, and killed before the broker heard of it.
    broker.publish("again/a/t", &[r#"{"id": 2}"#, r#"{"id": 3}"#]);
    let next = pull(&source, Some(&recorded.last.position)).await;
    assert_eq!(next.ids(), [2, 3]);
    // Twice in a row.
    let after = pull(&source, Some(&next.last.position)).await;
    assert!(after.ids().is_empty());
    let (ids, _) = follow(&source, Some(after.last.position)).await;
    assert!(ids.is_empty());
}

#[tokio::test]
async fn more_than_a_broker_sends_at_once_comes_in_several_landings() {
    let broker = TestMosquitto::shared();
    let source = source(broker, "many", json!({}));
    let (_, start) = follow(&source, None).await;
    let number = u64::from(MOST_UNACKNOWLEDGED) * 2 + 100;
    broker.publish("many/a/t", &numbered(1, number));
    let first = pull(&source, Some(&start)).await;
    assert_eq!((first.ids().len(), first.last.complete), (usize::from(MOST_UNACKNOWLEDGED), false));
    MqttPuller.confirm(&source, &first.last.position).await.unwrap();
    let (rest, _) = follow(&source, Some(first.last.position.clone())).await;
    let mut ids = first.ids();
    ids.extend(rest);
    assert_eq!(ids, (1..=i64::try_from(number).unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broker_that_sends_a_few_at_a_time_is_followed_to_the_end() {
    let broker = TestMosquitto::start("allow_anonymous true\nmax_inflight_messages 7\n", &[]);
    let source = source(&broker, "few", json!({}));
    let (_, start) = follow(&source, None).await;
    broker.publish("few/a/t", &numbered(1, 40));
    let (ids, _) = follow(&source, Some(start)).await;
    assert_eq!(ids, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broker_that_forgot_the_session_is_named() {
    let broker = TestMosquitto::shared();
    let source = source(broker, "forgot", json!({}));
    let (_, start) = follow(&source, None).await;
    let other = PullSource { lineage: "forgot-too".to_owned(), ..source };
    let pulls = pull(&other, Some(&start)).await;
    assert!(
        pulls.report.rejected[0].reason.starts_with("the broker no longer knew client `baton-readings-forgot-too`")
    );
}

#[tokio::test]
async fn columns_are_those_of_retained_messages() {
    let broker = TestMosquitto::shared();
    broker.publish_as("retained/a/t", &[r#"{"id": 1}"#], &["-q", "1", "-r"]);
    let source = source(broker, "retained", json!({}));
    let schema = MqttPuller.describe(&source).await.unwrap();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["id", "mqtt_topic", "mqtt_received_at"]);
    // Looking takes nothing away.
    let (ids, position) = follow(&source, None).await;
    assert_eq!(ids, [1]);
    assert!(follow(&source, Some(position)).await.0.is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let broker = TestMosquitto::shared();
    let gone = source(broker, "gone", json!({"url": "mqtt://127.0.0.1:1"}));
    let error = MqttPuller.check(&gone).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().starts_with("mqtt at 127.0.0.1:1 cannot be reached"), "{error}");
    let examined = |options: Value| MqttPuller.examine(&source(broker, "s", options)).unwrap_err().to_string();
    let told = [
        json!({"url": "https://broker"}),
        json!({"url": "mqtt://me:secret@broker:1883"}),
        json!({"topics": []}),
        json!({"topics": ["a/#/b"]}),
        json!({"password": "x"}),
        json!({"qos": 2}),
    ]
    .map(examined);
    assert!(!told.join("").contains("secret@"), "{told:?}");
    expect![[r#"
        options of source `readings` are wrong: `url` does not begin with `mqtt://` or `mqtts://`; write `mqtt://host:1883` or `mqtts://host:8883`; who asks goes into `username` and `password`
        options of source `readings` are wrong: `url` is not a host with a port; write `mqtt://host:1883` or `mqtts://host:8883`; who asks goes into `username` and `password`
        options of source `readings` are wrong: `topics` is empty; name topics, such as `[sensors/+/temperature]`
        options of source `readings` are wrong: topic `a/#/b` is none: `+` stands for a whole part, `#` at the end only; mend `topics`
        options of source `readings` are wrong: `password` without `username`; add `username`
        options of source `readings` are wrong: unknown field `qos`, expected one of `url`, `topics`, `client_id`, `username`, `password`, `certificate_authority`, `format`, `fields`, `malformed`; see connector `mqtt` in the reference of connectors"#]].assert_eq(&told.join("\n"));
}

#[tokio::test]
async fn users_log_in_and_connections_are_encrypted() {
    let (certificate, key) = self_signed();
    let settings = "allow_anonymous true\ncertfile FOLDER/server.pem\nkeyfile FOLDER/server.key\n";
    let broker = TestMosquitto::start(settings, &[("server.pem", &certificate), ("server.key", &key)]);
    let url = format!("mqtts://localhost:{}", broker.port());
    let trusted = source(&broker, "tls", json!({"url": url, "certificate_authority": certificate}));
    assert!(MqttPuller.check(&trusted).await.unwrap().starts_with("MQTT broker at localhost:"));
    let stranger = source(&broker, "tls", json!({"url": url}));
    let error = MqttPuller.check(&stranger).await.unwrap_err().to_string();
    assert!(error.contains("cannot be reached") && error.contains("certificate"), "{error}");
}
