//! The options of connector `kafka`; its doc comments are the reference documentation.

use chrono::DateTime;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::messages::{MalformedMessages, Payload, PayloadFormat};
use crate::relation::{parse_options, wrong};
use crate::{ConnectorError, PullSource};

/// Topics of Apache Kafka, or of a broker that speaks its protocol; each message lands once.
///
/// Where a landing goes on is the offset of each partition, recorded in the same commit as the rows. Messages of
/// transactions that were aborted never land. Compressed messages (gzip, Snappy, LZ4, Zstandard) are read as they come.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KafkaOptions {
    /// The brokers to begin with: `kafka://kafka.example.com:9092`, or encrypted `kafkas://…:9093`; several are parted by
    /// commas.
    url: String,
    /// The topics.
    topics: Vec<String>,
    /// The consumer group to join: its members share the partitions, and what other members have committed is not landed
    /// here. When left out, all partitions are landed here.
    #[serde(default)]
    group: Option<String>,
    /// For `group`: the name of this member, which takes its partitions up again when it comes back. Default: a name of its
    /// own for each landing.
    #[serde(default)]
    member: Option<String>,
    /// For `group`: after so many seconds without a sign of life the other members take its partitions over; default 45.
    #[serde(default = "usual_session")]
    session_seconds: u64,
    /// Where the first landing begins: `earliest` (default), `latest`, or a time such as `2024-01-01T00:00:00Z`.
    /// Partitions that come later are landed from their first message.
    #[serde(default)]
    begin: Option<String>,
    /// The user.
    #[serde(default)]
    username: Option<String>,
    /// The user's password.
    #[serde(default)]
    password: Option<String>,
    /// How user and password are shown to the broker.
    #[serde(default)]
    sasl: Sasl,
    /// For `kafkas`: who must have signed the brokers' certificates, as text in PEM, such as `${file:ca.pem}`. Default: those
    /// whom the system trusts.
    #[serde(default)]
    certificate_authority: Option<String>,
    /// For `kafkas`: the certificate that shows who asks, as text in PEM, with `certificate_key`.
    #[serde(default)]
    certificate: Option<String>,
    /// The key of `certificate`, as text in PEM.
    #[serde(default)]
    certificate_key: Option<String>,
    /// What messages carry.
    #[serde(default)]
    format: KafkaFormat,
    /// For `csv`: the names of the fields, in order.
    #[serde(default)]
    fields: Vec<String>,
    /// For `avro`: the schema of all messages, as text, such as `${file:schemas/order.avsc}`.
    #[serde(default)]
    schema: Option<String>,
    /// For `avro`: the registry that knows the schema of each message by the number before it.
    #[serde(default)]
    schema_registry: Option<Registry>,
    /// What becomes of messages that cannot be read: `quarantine` (default) sets them aside, `stop` lands nothing.
    #[serde(default)]
    malformed: MalformedMessages,
    /// A topic that messages which cannot be read, or whose values do not fit the declared columns, are sent to as well, as
    /// they came, with the reason in their headers.
    #[serde(default)]
    dead_letters: Option<String>,
}

/// How user and password are shown to the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Sasl {
    /// As they are; over `kafkas` only they are not seen by others.
    #[default]
    #[serde(rename = "plain")]
    Plain,
    /// By a challenge, SCRAM-SHA-256.
    #[serde(rename = "scram-sha-256")]
    Scram256,
    /// By a challenge, SCRAM-SHA-512.
    #[serde(rename = "scram-sha-512")]
    Scram512,
}

/// What messages of a topic carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum KafkaFormat {
    /// A JSON object, or a list of them: a row each. The number of a schema before it is passed over.
    #[default]
    Json,
    /// Avro's binary form, with a `schema` or a `schema_registry`.
    Avro,
    /// Records of CSV without a header.
    Csv,
    /// Text, as column `payload`.
    Text,
    /// Bytes, as column `payload`.
    Raw,
}

/// A schema registry with the interface of Confluent's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registry {
    /// Where it answers: `https://registry.example.com`.
    pub(super) url: String,
    /// The user.
    #[serde(default)]
    pub(super) username: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub(super) password: Option<String>,
    /// Who must have signed its certificate, as text in PEM. Default: those whom the system trusts.
    #[serde(default)]
    pub(super) certificate_authority: Option<String>,
}

/// Where a partition begins that was never landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Earliest,
    Latest,
    /// At the first message of this time or later, in milliseconds since 1970-01-01 UTC.
    At(i64),
}

/// Where schemas of Avro are.
pub(super) enum Schemas {
    /// Messages carry no Avro.
    None,
    /// One for all.
    One(String),
    Registry(Registry),
}

/// How a group is joined.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) group: String,
    pub(super) member: String,
    pub(super) session_seconds: u64,
}

/// The options, and what follows from them.
pub(super) struct KafkaSource {
    /// Host and port of each broker, parted by commas.
    pub(super) brokers: String,
    pub(super) is_encrypted: bool,
    pub(super) topics: Vec<String>,
    pub(super) membership: Option<Membership>,
    /// The name under which the brokers are told how far Baton is.
    pub(super) shown_as: String,
    pub(super) begin: Begin,
    pub(super) login: Option<(Sasl, String, String)>,
    pub(super) certificate_authority: Option<String>,
    pub(super) identity: Option<(String, String)>,
    pub(super) is_json: bool,
    pub(super) payload: Payload,
    pub(super) schemas: Schemas,
    pub(super) dead_letters: Option<String>,
    /// What messages call it.
    pub(super) origin: String,
}

fn usual_session() -> u64 {
    45
}

impl KafkaSource {
    pub(super) fn parse(source: &PullSource) -> Result<Self, ConnectorError> {
        let options: KafkaOptions = parse_options("kafka", source)?;
        let (brokers, is_encrypted) = brokers(source, &options.url)?;
        check_topics(source, &options)?;
        let schemas = schemas(source, &options)?;
        let own_name = format!("baton-{}-{}", source.name, source.lineage);
        let format = match options.format {
            KafkaFormat::Json | KafkaFormat::Avro => PayloadFormat::Json,
            KafkaFormat::Csv => PayloadFormat::Csv,
            KafkaFormat::Text => PayloadFormat::Text,
            KafkaFormat::Raw => PayloadFormat::Raw,
        };
        Ok(Self {
            origin: format!("kafka at {brokers}, {}", options.topics.join(", ")),
            brokers,
            is_encrypted,
            begin: begin(source, options.begin.as_deref())?,
            login: login(source, &options)?,
            identity: identity(source, &options)?,
            membership: membership(source, &options, &own_name)?,
            shown_as: own_name,
            is_json: options.format == KafkaFormat::Json,
            payload: Payload::new(source, format, options.fields, options.malformed)?,
            topics: options.topics,
            certificate_authority: options.certificate_authority,
            schemas,
            dead_letters: options.dead_letters,
        })
    }
}

/// Host and port of each broker, and whether to encrypt.
fn brokers(source: &PullSource, url: &str) -> Result<(String, bool), ConnectorError> {
    // The URL is not shown: somebody may have written a password into it.
    let hint = "write `kafka://host:9092` or `kafkas://host:9093`; who asks goes into `username` and `password`";
    let (is_encrypted, rest) = match url.split_once("://") {
        Some(("kafka", rest)) => (false, rest),
        Some(("kafkas", rest)) => (true, rest),
        // References to secrets are resolved later.
        _ if url.starts_with("${") => return Ok((url.to_owned(), false)),
        _ => return Err(wrong(source, "`url` does not begin with `kafka://` or `kafkas://`", hint)),
    };
    let brokers: Vec<&str> = rest.trim_end_matches('/').split(',').map(str::trim).collect();
    let is_place = |broker: &&str| {
        broker.contains("${")
            || broker.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if rest.contains('@') || !brokers.iter().all(is_place) {
        return Err(wrong(source, "`url` is not a host with a port, or several", hint));
    }
    Ok((brokers.join(","), is_encrypted))
}

fn check_topics(source: &PullSource, options: &KafkaOptions) -> Result<(), ConnectorError> {
    if options.topics.is_empty() {
        return Err(wrong(source, "`topics` is empty", "name topics, such as `[orders]`"));
    }
    let is_plain = |topic: &&String| {
        let fits = (1..=249).contains(&topic.len()) && *topic != "." && *topic != "..";
        fits && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match options.topics.iter().chain(&options.dead_letters).find(|topic| !is_plain(topic)) {
        Some(topic) => {
            let reason = format!("`{topic}` is no topic's name, which has letters, digits, `.`, `_` and `-`");
            Err(wrong(source, &reason, "mend `topics`"))
        }
        None => Ok(()),
    }
}

fn begin(source: &PullSource, text: Option<&str>) -> Result<Begin, ConnectorError> {
    match text {
        None | Some("earliest") => Ok(Begin::Earliest),
        Some("latest") => Ok(Begin::Latest),
        Some(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Begin::At(time.timestamp_millis())),
            Err(_) => {
                let hint = "write `earliest`, `latest`, or a time such as `2024-01-01T00:00:00Z`";
                Err(wrong(source, &format!("`begin: {text}` is no place to begin"), hint))
            }
        },
    }
}

fn login(source: &PullSource, options: &KafkaOptions) -> Result<Option<(Sasl, String, String)>, ConnectorError> {
    match (&options.username, &options.password) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => Ok(Some((options.sasl, user.clone(), password.clone()))),
        _ => Err(wrong(source, "`username` goes with `password`", "give both, or leave out both")),
    }
}

fn identity(source: &PullSource, options: &KafkaOptions) -> Result<Option<(String, String)>, ConnectorError> {
    match (&options.certificate, &options.certificate_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
        _ => Err(wrong(source, "`certificate` goes with `certificate_key`", "give both, or leave out both")),
    }
}

fn membership(
    source: &PullSource,
    options: &KafkaOptions,
    own_name: &str,
) -> Result<Option<Membership>, ConnectorError> {
    let Some(group) = &options.group else {
        return match options.member {
            Some(_) => Err(wrong(source, "`member` without `group`", "add `group`")),
            None => Ok(None),
        };
    };
    if options.session_seconds < 6 {
        return Err(wrong(source, "`session_seconds` is less than 6", "brokers allow 6 to 1800 unless told otherwise"));
    }
    let member = options.member.clone().unwrap_or_else(|| own_name.to_owned());
    Ok(Some(Membership { group: group.clone(), member, session_seconds: options.session_seconds }))
}

fn schemas(source: &PullSource, options: &KafkaOptions) -> Result<Schemas, ConnectorError> {
    match (options.format, &options.schema, &options.schema_registry) {
        (KafkaFormat::Avro, Some(schema), None) => Ok(Schemas::One(schema.clone())),
        (KafkaFormat::Avro, None, Some(registry)) => Ok(Schemas::Registry(registry.clone())),
        (KafkaFormat::Avro, ..) => {
            let hint = "write `schema: ${file:order.avsc}`, or `schema_registry: {url: …}`";
            Err(wrong(source, "format `avro` needs a `schema` or a `schema_registry`, not both", hint))
        }
        (_, None, None) => Ok(Schemas::None),
        _ => Err(wrong(source, "schemas are those of format `avro`", "leave them out, or set `format: avro`")),
    }
}
