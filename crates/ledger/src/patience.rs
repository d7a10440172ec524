//! Waiting for a server that is not there: it is asked again and again, less often each time, and people are told once.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::said;
use crate::location::Server;

/// Time between the first two tries; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest time between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// For how long a server that is not there is tried again, and who is told so.
#[derive(Clone, Copy)]
pub struct Patience<'p> {
    /// From the first try on; zero tries once.
    pub limit: Duration,
    /// Takes a line for people when the waiting begins and when it is over.
    pub say: &'p (dyn Fn(&str) + Send + Sync),
}

/// A wait for a server.
pub(crate) struct Waiting<'p> {
    patience: Patience<'p>,
    server: String,
    until: Instant,
    pause: Duration,
    has_told: bool,
}

impl<'p> Waiting<'p> {
    pub(crate) fn begin(patience: Patience<'p>, server: &Server) -> Self {
        let until = Instant::now() + patience.limit;
        Self { patience, server: server.to_string(), until, pause: FIRST_PAUSE, has_told: false }
    }

    /// Waits until the next try; answers false when there is none any more.
    pub(crate) async fn wait(&mut self, error: &sqlx::Error) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        if !std::mem::replace(&mut self.has_told, true) {
            let (server, limit) = (&self.server, self.patience.limit.as_secs());
            let line =
                format!("ledger `{server}` cannot be reached, trying again for up to {limit} s ({})", said(error));
            (self.patience.say)(&line);
        }
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }

    /// Says that the server is there, if it was said that it is not.
    pub(crate) fn is_over(&self) {
        if self.has_told {
            (self.patience.say)(&format!("ledger `{}` is there again", self.server));
        }
    }
}
