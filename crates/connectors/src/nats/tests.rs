//! What connector `nats` takes from a real server.

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;
use baton_testkit::nats::TestNats;
use expect_test::expect;
use serde_json::json;

use super::*;
use crate::pull_suite::{Pulls, pull_all, pull_once, source_of};
use crate::{Contract, Mode};

fn source(server: &TestNats, stream: &str, options: Value) -> PullSource {
    let mut all = json!({"url": server.url(), "stream": stream});
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    PullSource { lineage: stream.to_owned(), cursor: None, ..source_of("readings", Mode::Incremental, &all) }
}

fn numbered(from: u64, to: u64) -> Vec<String> {
    (from..=to).map(|id| format!(r#"{{"id": {id}}}"#)).collect()
}

async fn all(source: &PullSource, position: Option<Position>) -> Pulls {
    pull_all(&NatsPuller, source, position, Limits::default(), Contract::default()).await.unwrap()
}

#[tokio::test]
async fn messages_come_once_with_what_is_known_of_them() {
    let server = TestNats::shared();
    let stream = server.stream("");
    server.publish(&format!("{stream}.a"), &numbered(1, 2));
    server.publish_with_headers(&format!("{stream}.b"), &["Trace: 7", "Tag: x", "Tag: y"], r#"{"id": 3, "t": 21.5}"#);
    let source = source(server, &stream, json!({}));
    let first = all(&source, None).await;
    let shown = arrow::compute::concat_batches(&first.batches[0].schema(), &first.batches).unwrap();
    let shown = shown.project(&[0, 1, 3, 5]).unwrap();
    expect![[r#"
        +----+------+---------------+-------------------------------+
        | id | t    | nats_sequence | nats_headers                  |
        +----+------+---------------+-------------------------------+
        | 1  |      | 1             |                               |
        | 2  |      | 2             |                               |
        | 3  | 21.5 | 3             | {"Tag":["x","y"],"Trace":"7"} |
        +----+------+---------------+-------------------------------+"#]]
    .assert_eq(&pretty_format_batches(&[shown]).unwrap().to_string());
    let subject = |row: usize| first.batches[0].column_by_name("nats_subject").unwrap().as_string::<i32>().value(row);
    assert_eq!((subject(0), subject(2)), (format!("{stream}.a").as_str(), format!("{stream}.b").as_str()));
    NatsPuller.confirm(&source, &first.last.position).await.unwrap();
    let consumer = server.api(&format!("CONSUMER.INFO.{stream}.baton_readings_{stream}"), "");
    assert!(consumer.contains(r#""ack_floor":{"consumer_seq":3,"stream_seq":3"#), "{consumer}");
    assert!(all(&source, Some(first.last.position.clone())).await.ids().is_empty());
    server.publish(&format!("{stream}.a"), &numbered(4, 5));
    assert_eq!(all(&source, Some(first.last.position)).await.ids(), [4, 5]);
}

#[tokio::test]
async fn a_pull_that_has_collected_for_as_long_as_was_promised_ends_and_the_next_one_goes_on() {
    let server = TestNats::shared();
    let stream = server.stream("");
    let last = BATCH + 10;
    server.publish(&format!("{stream}.a"), &numbered(1, last));
    let source = source(server, &stream, json!({}));
    let limits = Limits { latency_ms: Some(0), ..Limits::default() };
    let first = pull_once(&NatsPuller, &source, None, limits, Contract::default()).await.unwrap();
    assert_eq!((first.ids().len() as u64, first.last.complete), (BATCH, false));
    let patient = Limits { latency_ms: Some(60_000), ..Limits::default() };
    let rest = pull_once(&NatsPuller, &source, Some(first.last.position), patient, Contract::default()).await.unwrap();
    assert_eq!((rest.ids().len(), rest.last.complete), (10, true));
    let at_once = pull_once(&NatsPuller, &source, None, patient, Contract::default()).await.unwrap();
    assert_eq!((at_once.ids().len() as u64, at_once.last.complete), (last, true), "it has not collected for so long");
}

#[tokio::test]
async fn the_position_alone_says_what_is_asked_for() {
    let server = TestNats::shared();
    let stream = server.stream("");
    let subject = format!("{stream}.a");
    server.publish(&subject, &numbered(1, 10));
    let source = source(server, &stream, json!({}));
    let limits = Limits { rows: 4, ..Limits::default() };
    let first = pull_once(&NatsPuller, &source, None, limits, Contract::default()).await.unwrap();
    assert_eq!((first.ids(), first.last.complete), (vec![1, 2, 3, 4], false));
    // Pulled, confirmed, and never recorded: a table that was set back asks again.
    let again = pull_all(&NatsPuller, &source, None, limits, Contract::default()).await.unwrap();
    assert_eq!((again.ids(), again.n_pulls), ((1..=10).collect(), 3));
    NatsPuller.confirm(&source, &again.last.position).await.unwrap();
    let rest = all(&source, Some(first.last.position)).await;
    assert_eq!(rest.ids(), (5..=10).collect::<Vec<_>>());
    let consumers = server.api(&format!("STREAM.INFO.{stream}"), "");
    assert!(consumers.contains(r#""consumer_count":1"#), "{consumers}");
}

#[tokio::test]
async fn messages_of_other_subjects_are_passed_over() {
    let server = TestNats::shared();
    let stream = server.stream("");
    let source = source(server, &stream, json!({"subject": format!("{stream}.wanted.>")}));
    server.publish(&format!("{stream}.wanted.x"), &numbered(1, 1));
    server.publish(&format!("{stream}.other"), &numbered(2, 5));
    let first = all(&source, None).await;
    assert_eq!(first.ids(), [1]);
    // The others may leave the stream without being missed.
    server.api(&format!("STREAM.PURGE.{stream}"), "");
    server.publish(&format!("{stream}.wanted.y"), &numbered(6, 6));
    let second = all(&source, Some(first.last.position)).await;
    assert_eq!((second.ids(), second.report.rejected_total), (vec![6], 0));
}

#[tokio::test]
async fn messages_that_left_the_stream_are_named_and_the_rest_lands() {
    let server = TestNats::shared();
    let stream = server.stream(r#""max_msgs": 3"#);
    let source = source(server, &stream, json!({}));
    server.publish(&format!("{stream}.a"), &numbered(1, 2));
    let first = all(&source, None).await;
    server.publish(&format!("{stream}.a"), &numbered(3, 9));
    let second = all(&source, Some(first.last.position)).await;
    assert_eq!(second.ids(), [7, 8, 9]);
    assert_eq!(
        second.report.rejected[0].reason,
        "4 messages, sequences 3 to 6, left the stream before they were landed; give it more room, or run more often"
    );
    assert_eq!(all(&source, Some(second.last.position)).await.report.rejected_total, 0);
}

#[tokio::test]
async fn a_stream_that_was_made_anew_is_not_taken_for_the_old_one() {
    let server = TestNats::shared();
    let stream = server.stream("");
    server.publish(&format!("{stream}.a"), &numbered(1, 2));
    let source = source(server, &stream, json!({}));
    let first = all(&source, None).await;
    server.api(&format!("STREAM.DELETE.{stream}"), "");
    server.make_stream(&stream, "");
    server.publish(&format!("{stream}.a"), &numbered(1, 3));
    let position = Some(first.last.position);
    let error = pull_once(&NatsPuller, &source, position, Limits::default(), Contract::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::PositionLost { .. }));
    assert!(error.to_string().contains("the stream was removed and made anew"), "{error}");
}

#[tokio::test]
async fn columns_are_seen_before_anything_is_landed() {
    let server = TestNats::shared();
    let stream = server.stream("");
    let source = source(server, &stream, json!({}));
    let names = |schema: SchemaRef| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let facts = ["nats_subject", "nats_sequence", "nats_published_at", "nats_headers"];
    assert_eq!(names(NatsPuller.describe(&source).await.unwrap()), facts);
    server.publish(&format!("{stream}.a"), &[r#"{"id": 1, "t": 2.5}"#]);
    let described = names(NatsPuller.describe(&source).await.unwrap());
    assert_eq!(described[..2], ["id", "t"]);
    let pulled = all(&source, None).await;
    assert_eq!(names(pulled.report.schema), described);
    let sequences = pulled.batches[0].column_by_name("nats_sequence").unwrap().as_primitive::<Int64Type>().value(0);
    assert_eq!(sequences, 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let server = TestNats::shared();
    let told = async |source: &PullSource| NatsPuller.check(source).await.unwrap_err().to_string();
    let place = server.url().replace("nats://", "");
    assert_eq!(
        told(&source(server, "nowhere", json!({}))).await,
        format!(
            "nats at {place}, stream nowhere does not answer for the stream: stream not found (code 404, error code \
             10059); mend `stream`, or the user's rights"
        )
    );
    let queue = server.stream(r#""retention": "workqueue""#);
    let error = told(&source(server, &queue, json!({}))).await;
    assert!(error.contains("forgets messages once they are acknowledged"), "{error}");
    let mut gone = source(server, "s", json!({}));
    gone.options.insert("url".to_owned(), "nats://127.0.0.1:1".into());
    let error = NatsPuller.check(&gone).await.unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("nats at 127.0.0.1:1, stream s cannot be reached"),
        "{error}"
    );
    let examined = |options: Value| NatsPuller.examine(&source(server, "s", options)).unwrap_err().to_string();
    expect!["options of source `readings` are wrong: format `csv` needs `fields`, as messages have no header; name them in order: `fields: [device, at, value]`"].assert_eq(&examined(json!({"format": "csv"})));
    expect!["options of source `readings` are wrong: `username` goes with `password`, and not with `token` or `credentials`, nor those with each other; leave out what the server does not ask for"].assert_eq(&examined(json!({"username": "x"})));
    expect!["options of source `readings` are wrong: unknown field `topic`, expected one of `url`, `stream`, `subject`, `consumer`, `username`, `password`, `token`, `credentials`, `format`, `fields`, `malformed`; see connector `nats` in the reference of connectors"].assert_eq(&examined(json!({"topic": "x"})));
}

#[tokio::test]
async fn users_log_in() {
    let server = TestNats::start(&["--user", "reader", "--pass", "s3cret"]);
    let right = source(&server, "s", json!({"username": "reader", "password": "s3cret"}));
    let error = NatsPuller.check(&right).await.unwrap_err().to_string();
    assert!(error.contains("stream not found"), "{error}");
    let wrong = source(&server, "s", json!({"username": "reader", "password": "guess"}));
    let error = NatsPuller.check(&wrong).await.unwrap_err();
    let told = error.to_string();
    assert!(!error.is_transient() && told.contains("authorization violation") && !told.contains("guess"), "{told}");
}

/// Makes operator, account and user, signed as NATS asks (its ADR 14): the server's configuration, then the user's
/// credentials after a line of `=`.
const SIGN: &str = r##"
import base64, json
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
def checked(raw):
    crc = 0
    for byte in raw:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return base64.b32encode(raw + crc.to_bytes(2, "little")).decode().rstrip("=")
class Key:
    def __init__(self, prefix):
        self.key, self.prefix = Ed25519PrivateKey.generate(), prefix
        self.name = checked(bytes([prefix]) + self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    def seed(self):
        raw = self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return checked(bytes([18 << 3 | self.prefix >> 5, (self.prefix & 31) << 3]) + raw)
    def sign(self, subject, nats):
        part = lambda value: base64.urlsafe_b64encode(value).decode().rstrip("=")
        claims = {"jti": "1", "iat": 1700000000, "iss": self.name, "name": "test", "sub": subject, "nats": {**nats, "version": 2}}
        text = part(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode()) + "." + part(json.dumps(claims).encode())
        return text + "." + part(self.key.sign(text.encode()))
operator, system, account, user = Key(14 << 3), Key(0), Key(0), Key(20 << 3)
basic = {"wildcards": True, **dict.fromkeys(["subs", "data", "payload", "imports", "exports", "conn", "leaf"], -1)}
streams = dict.fromkeys(["mem_storage", "disk_storage", "streams", "consumer"], -1)
signed = lambda account, limits: f'{account.name}: {operator.sign(account.name, {"type": "account", "limits": limits})}'
print("operator:", operator.sign(operator.name, {"type": "operator"}))
print(f"system_account: {system.name}\nresolver: MEMORY\nresolver_preload: {{")
print(signed(system, basic), signed(account, {**basic, **streams}), "}", sep="\n")
print("=")
print("-----BEGIN NATS USER JWT-----\n" + account.sign(user.name, {"type": "user", "subs": -1, "data": -1, "payload": -1}))
print("------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n" + user.seed() + "\n------END USER NKEY SEED------")
"##;

#[tokio::test]
async fn credentials_files_let_in() {
    let made = baton_testkit::python::printed::<&str>(SIGN, &[]);
    let (settings, credentials) = made.split_once("\n=\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats.conf");
    std::fs::write(&file, settings).unwrap();
    let server = TestNats::start(&["-c", file.to_str().unwrap()]);
    let told = async |credentials: &str| {
        let source = source(&server, "s", json!({"credentials": credentials}));
        NatsPuller.check(&source).await.unwrap_err().to_string()
    };
    let known = told(credentials).await;
    assert!(known.contains("does not answer for the stream"), "{known}");
    let others = baton_testkit::python::printed::<&str>(SIGN, &[]);
    let stranger = told(others.split_once("\n=\n").unwrap().1).await;
    assert!(stranger.contains("authorization violation"), "{stranger}");
    let nothing = told("s3cret").await;
    assert!(nothing.contains("is not the text of a credentials file") && !nothing.contains("s3cret"), "{nothing}");
}
