//! What Baton reads from and tells: an API that is slow and fails, and a receiver of alerts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::web::{Answer, Asked, TestWeb};
use serde_json::{Value, json};

use super::chance::Chance;

/// Events that the API has more each second.
const EVENTS_A_SECOND: u128 = 50;
/// Events in one answer at most.
const PAGE: u64 = 1_000;
/// How often the API fails for good, and for how long.
const OUTAGE_EVERY: u64 = 170;
const OUTAGE: u64 = 45;
/// How long it is well in the beginning.
const WELL: Duration = Duration::from_secs(20);

/// The API and the receiver.
pub(super) struct Origin {
    api: TestWeb,
    receiver: TestWeb,
    state: Arc<State>,
}

struct State {
    began: OnceLock<Instant>,
    length: Duration,
    is_well: OnceLock<()>,
    chance: Mutex<Chance>,
    answers: Mutex<BTreeMap<&'static str, usize>>,
    received: Mutex<Vec<Value>>,
}

impl Origin {
    /// Both; the API grows for so long once it has begun.
    pub(super) fn start(length: Duration) -> Self {
        let state = Arc::new(State {
            began: OnceLock::new(),
            length,
            is_well: OnceLock::new(),
            chance: Mutex::new(Chance::of(7)),
            answers: Mutex::default(),
            received: Mutex::default(),
        });
        let (of_api, of_receiver) = (Arc::clone(&state), Arc::clone(&state));
        let api = TestWeb::start(move |asked| of_api.answer(asked));
        let receiver = TestWeb::start(move |asked| of_receiver.receive(asked));
        Self { api, receiver, state }
    }

    /// From now on there are events.
    pub(super) fn begin(&self) {
        self.state.began.get_or_init(Instant::now);
    }

    /// From now on nothing fails.
    pub(super) fn be_well(&self) {
        self.state.is_well.get_or_init(|| ());
    }

    pub(super) fn api_url(&self) -> String {
        format!("{}/events", self.api.url)
    }

    pub(super) fn receiver_url(&self) -> String {
        format!("{}/alerts", self.receiver.url)
    }

    /// How many events there are in the end.
    pub(super) fn events(&self) -> u64 {
        self.state.events()
    }

    /// How often the API answered how.
    pub(super) fn answers(&self) -> BTreeMap<&'static str, usize> {
        self.state.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The alerts that the receiver took, in order.
    pub(super) fn received(&self) -> Vec<Value> {
        self.state.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn elapsed(&self) -> Duration {
        self.began.get().map(Instant::elapsed).unwrap_or_default().min(self.length)
    }

    fn events(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis() * EVENTS_A_SECOND / 1_000).unwrap_or(u64::MAX)
    }

    fn share(&self) -> f64 {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).share()
    }

    /// The events from the one that is asked for on; sometimes late, sometimes broken, sometimes not at all.
    fn answer(&self, asked: &Asked) -> Answer {
        let (word, answer) = self.weather(asked);
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default() += 1;
        answer
    }

    fn weather(&self, asked: &Asked) -> (&'static str, Answer) {
        let good = || Answer::ok(self.page(asked));
        // Everybody has to get to know it first.
        if self.is_well.get().is_some() || self.elapsed() < WELL {
            return ("good", good());
        }
        if self.elapsed().as_secs() % OUTAGE_EVERY > OUTAGE_EVERY - OUTAGE {
            return ("outage", Answer::status(500, "down"));
        }
        match self.share() {
            share if share < 0.10 => ("503", Answer::status(503, "busy")),
            share if share < 0.13 => ("cut short", good().cut_short_by(40)),
            share if share < 0.20 => ("late", good().after(Duration::from_secs(2))),
            share if share < 0.22 => ("too late", good().after(Duration::from_secs(7))),
            share if share < 0.25 => ("429", Answer::status(429, "slow down").with("retry-after", "1")),
            _ => ("good", good()),
        }
    }

    fn page(&self, asked: &Asked) -> String {
        let since = asked.param("since").parse::<u64>().unwrap_or(1).max(1);
        let page = asked.param("page").parse::<u64>().unwrap_or(1).max(1);
        let first = since + (page - 1) * PAGE;
        let last = self.events().min(first + PAGE - 1);
        let kind = |id: u64| ["a", "b", "c"][(id % 3) as usize];
        let event = |id: u64| json!({"id": id, "kind": kind(id), "value": id * 7 % 1_000});
        Value::Array((first..=last).map(event).collect()).to_string()
    }

    /// Takes an alert; now and then only at the second try.
    fn receive(&self, asked: &Asked) -> Answer {
        if self.is_well.get().is_none() && self.share() < 0.2 {
            return Answer::status(503, "busy");
        }
        let alert = serde_json::from_str(&asked.body).unwrap_or(Value::Null);
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push(alert);
        Answer::ok("")
    }
}
