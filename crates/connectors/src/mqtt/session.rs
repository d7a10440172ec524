//! A connection to a broker: messages one by one, acknowledgements, and errors in words.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, ConnectReturnCode, Filter, Packet, Publish, RetainForwardRule, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

use super::config::MqttSource;
use crate::{ConnectorError, Position};

/// Messages that the broker sends before it waits for acknowledgements; also those of one landing.
pub(super) const MOST_UNACKNOWLEDGED: u16 = 8192;
/// The largest message that is taken, in bytes.
const MOST_BYTES: u32 = 64 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the broker may hear nothing, as rows are written.
const KEEP_ALIVE: Duration = Duration::from_secs(600);

/// Sessions that wait to hear that what they took is recorded, by lineage. A session that is lost here is no loss: the
/// broker sends again what was not acknowledged.
static WAITING: Mutex<BTreeMap<String, Session>> = Mutex::new(BTreeMap::new());

/// A session.
pub(super) struct Session {
    client: AsyncClient,
    events: EventLoop,
    origin: String,
    filters: Vec<Filter>,
    /// Messages that came while an answer was awaited.
    early: VecDeque<Publish>,
    /// Whether the broker knew this client, and so kept messages for it.
    pub(super) is_known: bool,
    /// Numbers of messages that were taken and not acknowledged.
    taken: Vec<u16>,
    /// The position that stands for them.
    position: Option<Position>,
}

impl Session {
    /// Connects under the source's name, and the broker keeps messages from then on.
    pub(super) async fn open(mqtt: &MqttSource) -> Result<Self, ConnectorError> {
        Self::connect(mqtt, &mqtt.client_id, true).await
    }

    /// Connects under another name for a look; the broker forgets it afterwards.
    pub(super) async fn open_briefly(mqtt: &MqttSource) -> Result<Self, ConnectorError> {
        Self::connect(mqtt, &format!("{}-look-{}", mqtt.client_id, std::process::id()), false).await
    }

    async fn connect(mqtt: &MqttSource, client_id: &str, is_kept: bool) -> Result<Self, ConnectorError> {
        let origin = mqtt.origin.clone();
        let options = options(mqtt, client_id, is_kept)?;
        let (client, events) = AsyncClient::new(options, 2 * usize::from(MOST_UNACKNOWLEDGED) + 16);
        let retained = if is_kept { RetainForwardRule::OnNewSubscribe } else { RetainForwardRule::OnEverySubscribe };
        let filter = |topic: &String| Filter {
            retain_forward_rule: retained.clone(),
            ..Filter::new(topic.clone(), QoS::AtLeastOnce)
        };
        let mut session = Self {
            client,
            events,
            origin,
            filters: mqtt.topics.iter().map(filter).collect(),
            early: VecDeque::new(),
            is_known: false,
            taken: Vec::new(),
            position: None,
        };
        session.is_known = session
            .until(|event| match event {
                Event::Incoming(Packet::ConnAck(answer)) => Some(answer.session_present),
                _ => None,
            })
            .await?;
        session.subscribe().await?;
        Ok(session)
    }

    /// Subscribes. The broker answers in order, so its answer also says that it has heard all that was said before.
    async fn subscribe(&mut self) -> Result<(), ConnectorError> {
        let asked = self.client.try_subscribe_many(self.filters.clone());
        asked.map_err(|error| self.unreachable(&error.to_string()))?;
        let answers = self
            .until(|event| match event {
                Event::Incoming(Packet::SubAck(answer)) => Some(answer.return_codes.clone()),
                _ => None,
            })
            .await?;
        let refused =
            self.filters.iter().zip(&answers).find(|(_, code)| !matches!(code, SubscribeReasonCode::Success(_)));
        let Some((filter, code)) = refused else { return Ok(()) };
        let reason = format!("refuses topic `{}`: {code:?}", filter.path);
        Err(self.error(reason, "mend `topics`, or the user's rights", false))
    }

    /// The next message; `None` when none comes for that long.
    pub(super) async fn next(&mut self, wait: Duration) -> Result<Option<Publish>, ConnectorError> {
        if let Some(early) = self.early.pop_front() {
            return Ok(Some(early));
        }
        let arriving = async {
            loop {
                match self.events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => return Ok(publish),
                    Ok(_) => {}
                    Err(error) => return Err(error),
                }
            }
        };
        match tokio::time::timeout(wait, arriving).await {
            Err(_) => Ok(None),
            Ok(Ok(publish)) => Ok(Some(publish)),
            Ok(Err(error)) => Err(self.failed(&error)),
        }
    }

    /// Says that a message need not be sent again; it goes out with what follows.
    pub(super) fn acknowledge(&self, number: u16) -> Result<(), ConnectorError> {
        let message = Publish { pkid: number, qos: QoS::AtLeastOnce, ..Publish::default() };
        self.client.try_ack(&message).map_err(|error| self.unreachable(&error.to_string()))
    }

    /// Waits until the broker has heard all acknowledgements.
    pub(super) async fn settle(&mut self) -> Result<(), ConnectorError> {
        self.subscribe().await
    }

    /// Takes leave; messages that were not acknowledged come again.
    pub(super) async fn close(mut self) {
        if self.client.try_disconnect().is_err() {
            return;
        }
        // Whoever goes while the broker is still sending takes what it was told along.
        let leaving = async { while self.events.poll().await.is_ok() {} };
        let _gone_anyway = tokio::time::timeout(Duration::from_secs(1), leaving).await;
    }

    /// Waits with these messages until `position`, which stands for them, is confirmed.
    pub(super) fn wait(mut self, lineage: &str, taken: Vec<u16>, position: &Position) {
        self.taken = taken;
        self.position = Some(position.clone());
        WAITING.lock().unwrap_or_else(PoisonError::into_inner).insert(lineage.to_owned(), self);
    }

    /// The session that waits for `position` to be confirmed.
    pub(super) fn waiting_for(lineage: &str, position: &Position) -> Option<Self> {
        let session = WAITING.lock().unwrap_or_else(PoisonError::into_inner).remove(lineage)?;
        (session.position.as_ref() == Some(position)).then_some(session)
    }

    /// Acknowledges what was taken.
    pub(super) async fn confirm(&mut self) -> Result<(), ConnectorError> {
        for number in std::mem::take(&mut self.taken) {
            self.acknowledge(number)?;
        }
        self.settle().await
    }

    /// A session that goes on after `position`, all before it acknowledged; `None` when there is none.
    pub(super) fn settled_at(lineage: &str, position: Option<&Position>) -> Option<Self> {
        let session = Self::waiting_for(lineage, position?)?;
        session.taken.is_empty().then_some(session)
    }

    /// Drives the connection until `found` finds what it looks for; messages that come meanwhile are kept.
    async fn until<T>(&mut self, mut found: impl FnMut(&Event) -> Option<T>) -> Result<T, ConnectorError> {
        let driving = async {
            loop {
                let event = self.events.poll().await?;
                if let Some(found) = found(&event) {
                    return Ok(found);
                }
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    self.early.push_back(publish);
                }
            }
        };
        match tokio::time::timeout(PATIENCE, driving).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.unreachable(&format!("no answer for {} seconds", PATIENCE.as_secs()))),
        }
    }

    fn failed(&self, error: &ConnectionError) -> ConnectorError {
        match error {
            ConnectionError::ConnectionRefused(
                code @ (ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized),
            ) => self.error(format!("refuses: {code:?}"), "mend `username` and `password`", false),
            ConnectionError::ConnectionRefused(
                code @ (ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion),
            ) => self.error(format!("refuses: {code:?}"), "use a broker that speaks MQTT 5", false),
            other => self.unreachable(&other.to_string()),
        }
    }

    fn unreachable(&self, reason: &str) -> ConnectorError {
        self.error(format!("cannot be reached: {reason}"), "look whether it runs and `url` leads there", true)
    }

    fn error(&self, reason: String, hint: &str, is_transient: bool) -> ConnectorError {
        ConnectorError::Origin { origin: self.origin.clone(), reason, hint: hint.to_owned(), is_transient }
    }
}

fn options(mqtt: &MqttSource, client_id: &str, is_kept: bool) -> Result<MqttOptions, ConnectorError> {
    let mut options = MqttOptions::new(client_id, mqtt.host.as_str(), mqtt.port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_start(!is_kept).set_manual_acks(true);
    options.set_outgoing_inflight_upper_limit(16);
    options.set_connect_properties(ConnectProperties {
        // For as long as the broker allows.
        session_expiry_interval: Some(if is_kept { u32::MAX } else { 0 }),
        receive_maximum: Some(MOST_UNACKNOWLEDGED),
        max_packet_size: Some(MOST_BYTES),
        ..ConnectProperties::new()
    });
    if let Some((user, password)) = &mqtt.login {
        options.set_credentials(user, password);
    }
    if mqtt.is_encrypted {
        let tls = crate::tls::verifying(mqtt.certificate_authority.as_deref()).map_err(|reason| {
            let hint = "mend `certificate_authority`, or install the system's certificates".to_owned();
            ConnectorError::Origin { origin: mqtt.origin.clone(), reason, hint, is_transient: false }
        })?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::from(tls)));
    }
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    Ok(options)
}
