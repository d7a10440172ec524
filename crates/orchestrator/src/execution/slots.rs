//! Slots of pools: how many steps of all runs on one ledger, in whatever environment and process, do something at once.
//!
//! A slot is a lease. A step whose process ends gives its slot back when the lease ends.

use std::sync::Arc;
use std::time::Duration;

use baton_core::AssetName;
use baton_core::ports::{Lease, Operations, Waiter};
use chrono::TimeDelta;
use tokio::task::JoinHandle;

use super::Execution;
use crate::error::RunError;

/// How long a slot is kept by a process that says nothing.
const LEASE: TimeDelta = TimeDelta::seconds(15);
/// How often it is kept.
const KEEP: Duration = Duration::from_secs(5);
/// How often a step that waits asks.
const ASK: Duration = Duration::from_millis(200);

/// A slot that a step has.
pub(super) struct Slot {
    operations: Arc<dyn Operations>,
    lease: Lease,
    keeper: JoinHandle<()>,
}

impl Slot {
    /// Gives the slot back at once; dropped without it, it comes free by itself.
    pub(super) async fn give_back(self) {
        // One that cannot be given back ends soon.
        let _ends_anyway = self.operations.release_lease(&self.lease).await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Execution<'_> {
    /// Waits for a slot of `pool` for the step of `asset`, or for a part of it that is called `label`: those with the greater priority come first, then those that wait
    /// longer.
    pub(super) async fn slot(&self, pool: &str, asset: &AssetName, label: &str) -> Result<Slot, RunError> {
        let since = self.services.clock.now();
        let priority = self.policy(asset).priority;
        let waiter = Waiter { holder: format!("{}/{label}", self.run), priority, since };
        let mut has_waited = false;
        loop {
            let slots = self.slots_of(pool).await?;
            if let Some(slot) = self.take_slot(pool, slots, &waiter).await? {
                return Ok(slot);
            }
            if !has_waited {
                let behind = if priority == 0 { String::new() } else { format!(", with priority {priority}") };
                self.log_as(label, "info", format!("waits for a slot of pool `{pool}`, which has {slots}{behind}"));
                has_waited = true;
            }
            tokio::time::sleep(ASK).await;
        }
    }

    /// How many slots a pool has: as somebody scaled it, else as it is declared.
    async fn slots_of(&self, pool: &str) -> Result<usize, RunError> {
        let adjustments = self.services.operations.adjustments("", self.services.clock.now()).await?;
        let subject = format!("pool/{pool}");
        let scaled = adjustments.iter().find(|found| found.subject == subject);
        let scaled = scaled.and_then(|found| usize::try_from(found.value.get("slots")?.as_u64()?).ok());
        Ok(scaled.or_else(|| self.prepared.project.pools.get(pool).copied()).unwrap_or(1))
    }

    async fn take_slot(&self, pool: &str, slots: usize, waiter: &Waiter) -> Result<Option<Slot>, RunError> {
        let (operations, clock) = (Arc::clone(&self.services.operations), Arc::clone(&self.services.clock));
        let now = clock.now();
        let Some(lease) = operations.take_slot(pool, slots, waiter, now, now + LEASE).await? else { return Ok(None) };
        let (keeping, kept) = (Arc::clone(&operations), lease.clone());
        let keeper = tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEEP).await;
                let now = clock.now();
                // A ledger that does not answer now may do so before the lease ends.
                let _kept_or_not = keeping.take_lease(&kept.name, &kept.holder, now, now + LEASE).await;
            }
        });
        Ok(Some(Slot { operations, lease, keeper }))
    }
}
