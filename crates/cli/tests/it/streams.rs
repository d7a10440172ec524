//! Sources from real brokers and stores: each message and object landed once, whatever is killed when. Needs the programs
//! of NATS and mosquitto, and moto and librdkafka in Python.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use baton_testkit::kafka::TestKafka;
use baton_testkit::mosquitto::TestMosquitto;
use baton_testkit::moto::TestMoto;
use baton_testkit::nats::TestNats;
use baton_testkit::project::TestProject;
use baton_testkit::python::printed;

use crate::answers::{json, rows};

/// Kills of one broker's test, unless `BATON_TEST_KILLS` says another number.
const KILLS: u64 = 200;
/// The same for MQTT, whose broker is waited for at the end of each run.
const MQTT_KILLS: u64 = 30;
/// The small files that a table may have: 32, and one that has just come.
const FILES: usize = 33;
/// Points at which a run of the project can be killed, and a few behind the last.
const POINTS: u64 = 24;
/// Kills between two looks at the whole.
const LOOK_EVERY: u64 = 10;

const TOTALS: &str = "select count(*) as n, count(distinct id) as ids, sum(id) as s from readings";

/// Where messages come from.
enum Origin {
    Kafka { topic: String },
    Nats { stream: String },
    Mqtt { topic: String },
}

impl Origin {
    /// A topic of three partitions.
    fn kafka() -> Self {
        Self::Kafka { topic: TestKafka::shared().topic(3) }
    }

    fn nats() -> Self {
        Self::Nats { stream: TestNats::shared().stream("") }
    }

    fn mqtt(topic: &str) -> Self {
        Self::Mqtt { topic: topic.to_owned() }
    }

    fn url(&self) -> String {
        match self {
            Self::Kafka { .. } => TestKafka::shared().url(),
            Self::Nats { .. } => TestNats::shared().url(),
            Self::Mqtt { .. } => TestMosquitto::shared().url(),
        }
    }

    fn source(&self) -> String {
        let options = match self {
            Self::Kafka { topic } => format!("connector: kafka\n    options: {{topics: [{topic}]}}"),
            Self::Nats { stream } => format!("connector: nats\n    options: {{stream: {stream}}}"),
            Self::Mqtt { topic } => format!("connector: mqtt\n    options: {{topics: ['{topic}/#']}}"),
        };
        format!(
            "sources:\n  - name: readings\n    url: ${{env:TEST_BROKER}}\n    {options}\n    columns:\n      - {{name: id, type: int}}\n      - {{name: value, type: float}}\n"
        )
    }

    fn publish(&self, payloads: &[String]) {
        match self {
            Self::Kafka { topic } => TestKafka::shared().publish(topic, 3, payloads),
            Self::Nats { stream } => TestNats::shared().publish(&format!("{stream}.a"), payloads),
            Self::Mqtt { topic } => TestMosquitto::shared().publish(&format!("{topic}/a"), payloads),
        }
    }

    fn project(&self) -> TestProject {
        TestProject::new(env!("CARGO_BIN_EXE_baton"))
            .file("baton.yml", "project: devices\n")
            .file("sources.yml", &self.source())
            .file("tables/totals.sql", TOTALS)
    }
}

/// A project, its broker, and what was published so far.
struct Devices {
    origin: Origin,
    project: TestProject,
    published: u64,
}

impl Devices {
    fn new(origin: Origin) -> Self {
        let project = origin.project();
        let devices = Self { origin, project, published: 0 };
        devices.run_well(&["apply", "--yes"]);
        devices
    }

    fn start(&self, arguments: &[&str], failpoint: Option<&str>) -> Child {
        let mut command = self.project.command(arguments);
        command.env("TEST_BROKER", self.origin.url()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(failpoint) = failpoint {
            command.env("BATON_FAILPOINT", failpoint);
        }
        command.spawn().unwrap()
    }

    /// What a command says that ends well.
    fn run_well(&self, arguments: &[&str]) -> String {
        let output = self.start(arguments, None).wait_with_output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    }

    /// Publishes so many messages more; every other one has a value like the one before.
    fn publish(&mut self, number: u64) {
        let ids = self.published + 1..=self.published + number;
        let payloads: Vec<String> = ids.map(|id| format!(r#"{{"id": {id}, "value": {}.5}}"#, id / 2)).collect();
        self.origin.publish(&payloads);
        self.published += number;
    }

    /// How many files the table of messages has: landings are a few rows each.
    fn n_files(&self) -> usize {
        let tables = std::fs::read_dir(self.project.path(".baton/warehouse/tables/readings")).unwrap();
        let folders: Vec<_> = tables.map(|folder| folder.unwrap().path()).collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        let count = "import sys\nfrom deltalake import DeltaTable\nprint(len(DeltaTable(sys.argv[1]).file_uris()))";
        printed(count, &folders).trim().parse().unwrap()
    }

    fn check(&self, when: &str) {
        self.run_well(&["run"]);
        let answer = json(&self.project, &["query", "select n, ids, s from totals", "-o", "json"]);
        let text = answer.to_string();
        let (n, sum) = (self.published, self.published * (self.published + 1) / 2);
        let wanted = [("n", n), ("ids", n), ("s", sum)];
        let holds = wanted.iter().all(|(_, number)| text.contains(&number.to_string()));
        assert!(holds, "{when}: {wanted:?} was published, {text} is there");
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Kills runs at random moments, and at random points of their work, while messages come.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how long to try")]
fn kill(origin: Origin, kills: u64) {
    let kills = std::env::var("BATON_TEST_KILLS").map_or(kills, |number| number.parse().unwrap());
    let mut devices = Devices::new(origin);
    devices.publish(30);
    let began = Instant::now();
    devices.check("before the first kill");
    let usual = u64::try_from(began.elapsed().as_millis()).unwrap();
    let mut dice = Dice(kills);
    let (mut killed, mut round) = (0, 0);
    while killed < kills {
        round += 1;
        assert!(round < kills * 4, "only {killed} of {round} runs were killed");
        devices.publish(1 + dice.below(60));
        let is_by_time = dice.below(2) == 0;
        let point = (!is_by_time).then(|| format!("@{}", dice.below(POINTS) + 1));
        let mut run = devices.start(&["run"], point.as_deref());
        if is_by_time {
            std::thread::sleep(Duration::from_millis(dice.below(usual)));
            run.kill().unwrap();
        }
        if dice.below(3) == 0 {
            devices.publish(1 + dice.below(20));
        }
        killed += u64::from(!run.wait_with_output().unwrap().status.success());
        if round % LOOK_EVERY == 0 {
            devices.check(&format!("after {killed} kills"));
        }
    }
    devices.check("at the end");
    let files = devices.n_files();
    assert!(files <= FILES, "{files} files");
}

#[test]
fn kills_lose_and_double_no_message_of_kafka() {
    kill(Origin::kafka(), KILLS);
}

#[test]
fn kills_lose_and_double_no_message_of_nats() {
    kill(Origin::nats(), KILLS);
}

#[test]
fn kills_lose_and_double_no_message_of_mqtt() {
    kill(Origin::mqtt("killed"), MQTT_KILLS);
}

#[test]
fn messages_at_fault_are_set_aside_and_the_rest_lands() {
    for origin in [Origin::kafka(), Origin::nats(), Origin::mqtt("fault")] {
        let mut devices = Devices::new(origin);
        devices.publish(3);
        devices.origin.publish(&["not json".to_owned(), r#"{"id": "four", "value": 1}"#.to_owned()]);
        devices.publish(2);
        let told = devices.run_well(&["run"]);
        assert!(told.contains("2 rows set aside"), "{told}");
        devices.check("with two messages at fault");
        let folder = devices.project.path(".baton/warehouse/quarantine/readings");
        let kept: String = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        assert!(kept.contains("the payload is not JSON") && kept.contains("four"), "{kept}");
    }
}

#[test]
fn doctor_says_who_answers_and_a_stream_takes_no_keys_of_tables() {
    let devices = Devices::new(Origin::nats());
    let mut doctor = devices.project.command(&["doctor"]);
    let told = doctor.env("TEST_BROKER", devices.origin.url()).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("NATS 2.") && told.contains("0 messages"), "{told}");
    let wrong = devices.origin.source().replace("    columns:", "    mode: full\n    cursor: id\n    columns:");
    devices.project.write("sources.yml", &wrong);
    let check = devices.project.output(&["check"]);
    let told = format!("{}{}", check.stdout, check.stderr);
    assert!(told.contains("`mode` of source `readings` means nothing for connector `nats`"), "{told}");
}

/// The guide whose examples are run here.
const GUIDE: &str = include_str!("../../../../docs/guide/streams-and-stores.md");

/// The sources of all examples of the guide, as one file.
fn examples() -> String {
    let blocks = GUIDE.split("```yaml\nsources:\n").skip(1);
    let sources: String = blocks.map(|block| block.split("```").next().unwrap()).collect();
    format!("sources:\n{sources}")
}

#[test]
fn the_examples_of_the_guide_land_what_they_say() {
    let (nats, broker, store) = (TestNats::start(&[]), TestMosquitto::shared(), TestMoto::shared());
    let kafka = TestKafka::shared();
    kafka.make("payments", 2);
    kafka.publish("payments", 2, &[r#"{"id": 1, "amount": 9.5}"#, r#"{"id": 2, "amount": 3}"#]);
    kafka.make("clicks", 1);
    kafka.publish("clicks", 1, &[r#"{"page": "/"}"#]);
    kafka.make("customers", 1);
    let customer =
        |name: &str| serde_json::json!({"partition": 0, "key": "7", "value": format!("{{\"name\": \"{name}\"}}")});
    kafka.ask(
        serde_json::json!({"ask": "produce", "topic": "customers", "messages": [customer("Ada"), customer("Ada B")]}),
    );
    nats.make_stream("ORDERS", "");
    nats.publish("ORDERS.placed", &[r#"{"id": 1, "amount": 2.5, "placed_at": "2024-01-01T10:00:00Z"}"#]);
    nats.publish("ORDERS.cancelled", &[r#"{"id": 1}"#]);
    store.make_bucket("landing");
    store.put("landing", "invoices/2024/a.csv", b"number,total\nA1,10\nA2,20\n");
    let project = TestProject::new(env!("CARGO_BIN_EXE_baton"))
        .file("baton.yml", "project: guide\n")
        .file("sources.yml", &examples())
        .file("tables/totals.sql", "select count(*) as n, sum(total) as total from invoices");
    let run = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command
            .env("KAFKA_URL", kafka.url())
            .env("NATS_URL", nats.url())
            .env("MQTT_URL", broker.url())
            .env("MQTT_USER", "u")
            .env("MQTT_PASSWORD", "p");
        command.env("S3_ENDPOINT", store.url()).env("S3_KEY", "k").env("S3_SECRET", "s3cret");
        let output = command.output().unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    };
    run(&["apply", "--yes"]);
    broker.publish("sensors/kitchen/temperature", &[r#"{"device": "kitchen", "celsius": 21.5}"#, r#"{"device": "x"}"#]);
    broker.publish("meters/1", &["m1,2024-01-01T00:00:00Z,5", "m1,2024-01-01T00:00:00Z,6"]);
    // One object is new, one has changed, one is as it was.
    store.put("landing", "invoices/2024/b.csv", b"number,total\nB1,1\n");
    run(&["run"]);
    store.put("landing", "invoices/2024/b.csv", b"number,total\nB1,3\n");
    let told = run(&["run"]);
    assert!(told.contains("1 delivery, 1 row"), "{told}");
    assert!(!run(&["run"]).contains("delivery"), "nothing has come since");
    let rows = |sql: &str| rows(&project, sql);
    assert_eq!(rows("select id, amount, nats_subject from orders"), "id,amount,nats_subject\n1,2.5,ORDERS.placed\n");
    assert_eq!(
        rows("select device, celsius, mqtt_topic from readings order by device desc"),
        "device,celsius,mqtt_topic\nx,,sensors/kitchen/temperature\nkitchen,21.5,sensors/kitchen/temperature\n"
    );
    assert_eq!(rows("select id, amount from payments order by id"), "id,amount\n1,9.5\n2,3.0\n");
    assert_eq!(
        rows("select kafka_key, name, kafka_tombstone from customers"),
        "kafka_key,name,kafka_tombstone\n7,Ada B,false\n"
    );
    assert_eq!(rows("select page from clicks"), "page\n/\n");
    assert_eq!(rows("select meter, kwh from meters"), "meter,kwh\nm1,6.0\n");
    assert_eq!(rows("select n, total from totals"), "n,total\n3,33.0\n");
    assert!(run(&["doctor"]).contains("bucket landing: 2 objects match"));
    let stored = std::fs::read(project.path(".baton/ledger.db")).unwrap();
    assert!(!stored.windows(6).any(|window| window == b"s3cret"), "a secret is stored");
}
