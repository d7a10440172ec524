//! What a scheduler does when it is elected, and when another one is.

use std::sync::Arc;

use baton_core::ports::{Lease, LedgerError};

use super::election::{Candidate, Election, Standing};
use super::{Lead, Scheduler};

impl Lead {
    /// Whether this process was elected and could not take over yet.
    pub(super) fn has_to_take_over(&self) -> bool {
        let elected = self.election.as_ref().and_then(Election::token);
        elected.is_some() && elected != self.lease.as_ref().map(|lease| lease.token)
    }
}

impl Scheduler {
    /// Takes part in the election where there is something to run.
    pub(super) fn stand(&self, lead: &mut Lead, is_wanted: bool) {
        if !is_wanted {
            lead.election = None;
        } else if lead.election.is_none() {
            lead.election = Some(Election::begin(Candidate {
                lease: format!("scheduler/{}", self.environment),
                holder: self.holder.clone(),
                operations: Arc::clone(&self.operations),
                clock: Arc::clone(&self.clock),
            }));
        }
    }

    /// Takes in who was elected; answers whether this process has the lease.
    pub(super) async fn leads(&self, lead: &mut Lead) -> Result<bool, LedgerError> {
        let Some(heard) = lead.election.as_mut().map(Election::heard) else { return Ok(false) };
        if let Some(trouble) = heard.trouble {
            self.say_once(lead, &trouble);
        }
        match heard.standing {
            Standing::Unknown => Ok(false),
            Standing::Follows(holder) => {
                self.follow(lead, holder);
                Ok(false)
            }
            Standing::Leads(lease) => self.take_over(lead, lease).await.map(|()| true),
        }
    }

    /// Leaves everything to another server.
    fn follow(&self, lead: &mut Lead, holder: String) {
        if lead.follows.as_ref() == Some(&holder) {
            return;
        }
        self.host.say(&format!("schedules of `{}` are run by {holder}", self.environment));
        if let Some((_, running)) = lead.active.take() {
            running.abort();
        }
        *lead = Lead {
            election: lead.election.take(),
            follows: Some(holder),
            declared: std::mem::take(&mut lead.declared),
            about: std::mem::take(&mut lead.about),
            stores: std::mem::take(&mut lead.stores),
            read_at: lead.read_at,
            trouble: std::mem::take(&mut lead.trouble),
            ..Lead::default()
        };
    }

    /// Goes on where another server ended, if the lease is new.
    async fn take_over(&self, lead: &mut Lead, lease: Lease) -> Result<(), LedgerError> {
        if lead.lease.as_ref().is_none_or(|known| known.token != lease.token) {
            let taken_over = self.operations.recover_requests(&lease, &self.environment).await?;
            let with = if taken_over > 0 {
                format!("; {taken_over} begun by another server start again")
            } else {
                String::new()
            };
            self.host.say(&format!("runs the schedules of `{}`{with}", self.environment));
            lead.follows = None;
            lead.watched.clear();
        }
        lead.lease = Some(lease);
        Ok(())
    }
}

/// Until another standing is heard.
pub(super) async fn change(election: &mut Option<Election>) {
    match election {
        Some(election) => election.change().await,
        None => std::future::pending().await,
    }
}
