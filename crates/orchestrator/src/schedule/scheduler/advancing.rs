//! How schedules move on: what is due becomes requests, together with the cursor that says that they were told. Pure.

use std::collections::BTreeMap;

use baton_core::Timestamp;
use baton_core::ports::{Advance, NewRequest};
use baton_core::schedule::{CatchUp, Schedule};
use serde_json::json;

use super::Watched;
use crate::schedule::due::{Cursor, Due, Tick, Trigger};

/// Requests of one transaction; one schedule's are never parted.
const TOGETHER: usize = 500;

/// A schedule that was looked at.
pub(super) struct Move {
    schedule: String,
    due: Due,
    /// What the ledger must take in first; `None` when nothing is due.
    pub(super) advance: Option<Advance>,
}

impl Move {
    /// What is `due` of a schedule.
    pub(super) fn of(name: &str, watched: &Watched, due: Due, now: Timestamp) -> Self {
        let requests: Vec<NewRequest> = due.ticks.iter().map(|tick| request(&watched.schedule, tick, now)).collect();
        let is_kept = !requests.is_empty() || is_worth_storing(watched, &due.cursor);
        let advance = is_kept.then(|| Advance { schedule: name.to_owned(), cursor: json!(due.cursor), requests });
        Self { schedule: name.to_owned(), due, advance }
    }

    /// Takes note of it, now that the ledger holds it.
    pub(super) fn done(self, watched: &mut BTreeMap<String, Watched>, now: Timestamp) {
        let Some(watched) = watched.get_mut(&self.schedule) else { return };
        if let Some(advance) = self.advance {
            watched.stored = Some(advance.cursor);
        }
        // What was told in part is due again at once.
        watched.wake_at = if self.due.ticks.len() > 1 { Some(now) } else { self.due.wake_at };
        watched.cursor = self.due.cursor;
    }
}

/// How many of the first moves go into one transaction.
pub(super) fn count_together(moves: &[Move]) -> usize {
    let mut requests = 0;
    let fits = moves.iter().take_while(|each| {
        let is_first = requests == 0;
        requests += each.due.ticks.len();
        is_first || requests <= TOGETHER
    });
    fits.count()
}

/// A cursor whose loss would only make the same instants be looked at again is not worth a write.
fn is_worth_storing(watched: &Watched, now: &Cursor) -> bool {
    let before = &watched.cursor;
    watched.stored.is_none()
        || before.through.is_some() != now.through.is_some()
        || Cursor { through: now.through, ..before.clone() } != *now
}

/// The request of a tick.
fn request(schedule: &Schedule, tick: &Tick, now: Timestamp) -> NewRequest {
    let each = tick.trigger == Trigger::Cron && schedule.catch_up == CatchUp::All;
    NewRequest {
        schedule: schedule.name.to_string(),
        trigger: tick.trigger.word().to_owned(),
        key: tick.key.clone(),
        due_at: tick.at,
        as_of: each.then_some(tick.at),
        requested_at: now,
        priority: schedule.priority,
        parameters: BTreeMap::new(),
        coalesces: !each,
    }
}
