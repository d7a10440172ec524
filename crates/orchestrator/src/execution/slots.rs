//! Slots of pools: how many steps of all runs on one ledger, in whatever environment and process, do something at once.
//!
//! A slot is a lease. A step whose process ends gives its slot back when the lease ends.

use std::sync::Arc;
use std::time::Duration;

use baton_core::AssetName;
use baton_core::ports::{Lease, Operations};
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
    /// Waits for a slot of `pool` for the step of `asset`.
    pub(super) async fn slot(&self, pool: &str, asset: &AssetName) -> Result<Slot, RunError> {
        let slots = self.prepared.project.pools.get(pool).copied().unwrap_or(1);
        let holder = format!("{}/{asset}", self.run);
        let mut has_waited = false;
        loop {
            for number in 0..slots {
                if let Some(slot) = self.take_slot(&format!("pool/{pool}/{number}"), &holder).await? {
                    return Ok(slot);
                }
            }
            if !has_waited {
                self.log(asset, "info", format!("waits for a slot of pool `{pool}`, which has {slots}"));
                has_waited = true;
            }
            tokio::time::sleep(ASK).await;
        }
    }

    async fn take_slot(&self, name: &str, holder: &str) -> Result<Option<Slot>, RunError> {
        let (operations, clock) = (Arc::clone(&self.services.operations), Arc::clone(&self.services.clock));
        let now = clock.now();
        let lease = operations.take_lease(name, holder, now, now + LEASE).await?;
        if lease.holder != holder {
            return Ok(None);
        }
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
