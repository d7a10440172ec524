//! Approvals of saved plans by the owners of what they break.

use std::collections::BTreeSet;

use baton_core::event::EventFilter;
use baton_core::{EventKind, NewEvent};
use baton_plan::{NeededApproval, SavedPlan};
use serde_json::json;

use crate::error::RunError;
use crate::services::Services;

/// Records that `owner` agrees to a plan, and answers with whose approval is still missing. Doing it twice is doing it once.
///
/// # Errors
/// [`RunError::Project`] when the plan does not ask them; those of the ledger.
pub async fn approve(services: &Services, saved: &SavedPlan, owner: &str) -> Result<Vec<NeededApproval>, RunError> {
    let needed = &saved.plan.approvals;
    if !needed.iter().any(|found| found.owner == owner) {
        let names: Vec<&str> = needed.iter().map(|found| found.owner.as_str()).collect();
        let who = if names.is_empty() { "nobody's".to_owned() } else { format!("that of {}", names.join(", ")) };
        return Err(RunError::Project(format!("the plan does not need the approval of `{owner}`, but {who}")));
    }
    if !approvals(services, saved).await?.contains(owner) {
        let event = NewEvent {
            at: services.clock.now(),
            as_of: saved.plan.as_of,
            environment: saved.plan.environment.clone(),
            run: None,
            asset: None,
            kind: EventKind::PlanApproved,
            key: saved.digest.as_str().to_owned(),
            body: json!({"by": owner, "author": services.author, "base": saved.plan.base}),
        };
        services.ledger.append(vec![event]).await?;
    }
    missing_approvals(services, saved).await
}

/// The owners who have not agreed to a plan yet, with what of theirs it breaks.
///
/// # Errors
/// Those of the ledger.
pub async fn missing_approvals(services: &Services, saved: &SavedPlan) -> Result<Vec<NeededApproval>, RunError> {
    let given = approvals(services, saved).await?;
    Ok(saved.plan.approvals.iter().filter(|needed| !given.contains(&needed.owner)).cloned().collect())
}

async fn approvals(services: &Services, saved: &SavedPlan) -> Result<BTreeSet<String>, RunError> {
    let filter = EventFilter {
        kinds: vec![EventKind::PlanApproved],
        key: Some(saved.digest.as_str().to_owned()),
        ..EventFilter::default()
    };
    let events = services.ledger.events(&filter).await?;
    let by = |body: &serde_json::Value| body.get("by").and_then(|by| by.as_str()).map(str::to_owned);
    Ok(events.iter().filter_map(|found| by(&found.event.body)).collect())
}
