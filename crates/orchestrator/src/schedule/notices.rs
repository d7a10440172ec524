//! What is told of a run of a schedule: each first failure once, with what it keeps from running, and its end. Pure.

use std::collections::BTreeMap;

use baton_core::channel::{Channel, Occasion};
use baton_core::ports::{NewMessage, Request};
use baton_core::schedule::Schedule;
use baton_core::{AssetName, Timestamp};
use baton_notify::{Notice, Severity};
use serde_json::{Value, json};

use crate::report::{RunReport, StepReport, StepState};

/// What notices say of the project around a run.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Its name.
    pub project: String,
    /// Who answers for its assets.
    pub owners: BTreeMap<AssetName, String>,
    /// Its channels.
    pub channels: Vec<Channel>,
}

/// What a run that ended has to tell.
pub(super) fn of_report(
    about: &About,
    schedule: &Schedule,
    request: &Request,
    report: &RunReport,
    now: Timestamp,
) -> Vec<Notice> {
    let of = |cause: &str, ends: bool| Notice {
        run: Some(report.run.clone()),
        ..notice(about, schedule, request, cause, ends, now)
    };
    let mut notices = vec![of(&not_begun(schedule), true), of(&late(schedule), true)];
    for step in &report.steps {
        let about_step = |ends: bool| {
            let owner = about.owners.get(step.asset.as_str()).or(schedule.owner.as_ref()).cloned();
            Notice { asset: Some(step.asset.clone()), owner, ..of(&step.asset, ends) }
        };
        match step.state {
            StepState::Failed => {
                let title = format!("{} {} failed: {}", step.verb, step.asset, step.detail);
                notices.push(Notice { title, details: kept_from(report, step), ..about_step(false) });
            }
            StepState::Done | StepState::Reused | StepState::UpToDate => {
                let title = format!("{} is well again", step.asset);
                notices.push(Notice { title, ..about_step(true) });
            }
            StepState::Skipped => {}
        }
    }
    notices
}

/// A run that could not be begun.
pub(super) fn of_refusal(
    about: &About,
    schedule: &Schedule,
    request: &Request,
    reason: &str,
    now: Timestamp,
) -> Notice {
    let title = format!("schedule {} could not be run: {}", schedule.name, reason.lines().next().unwrap_or_default());
    let details = reason.lines().skip(1).take(20).map(str::to_owned).collect();
    Notice { title, details, ..notice(about, schedule, request, &not_begun(schedule), false, now) }
}

/// A run that has not ended in time.
pub(super) fn of_lateness(about: &About, schedule: &Schedule, request: &Request, now: Timestamp) -> Notice {
    let due = request.asked.due_at.format("%Y-%m-%d %H:%M UTC");
    Notice {
        occasion: Occasion::Late,
        severity: Severity::Warning,
        title: format!("schedule {} is late: it was due at {due} and is {}", schedule.name, request.state.word()),
        details: request.reason.iter().cloned().collect(),
        ..notice(about, schedule, request, &late(schedule), false, now)
    }
}

fn not_begun(schedule: &Schedule) -> String {
    format!("schedule/{}", schedule.name)
}

fn late(schedule: &Schedule) -> String {
    format!("late/{}", schedule.name)
}

fn notice(about: &About, schedule: &Schedule, request: &Request, cause: &str, ends: bool, now: Timestamp) -> Notice {
    Notice {
        occasion: if ends { Occasion::Recovery } else { Occasion::Failure },
        ends,
        cause: cause.to_owned(),
        severity: Severity::Error,
        project: about.project.clone(),
        environment: request.environment.clone(),
        schedule: schedule.name.to_string(),
        run: None,
        asset: None,
        owner: schedule.owner.clone(),
        title: format!("schedule {} is well again", schedule.name),
        details: Vec::new(),
        since: request.asked.due_at,
        at: now,
    }
}

/// The assets that a failed step keeps from running, directly or through others.
fn kept_from(report: &RunReport, failed: &StepReport) -> Vec<String> {
    let mut broken = vec![failed.asset.as_str()];
    for step in report.steps.iter().filter(|step| step.state == StepState::Skipped) {
        let input = step.detail.strip_suffix(" failed");
        if input.is_some_and(|input| broken.contains(&input)) {
            broken.push(&step.asset);
        }
    }
    broken.remove(0);
    if broken.is_empty() { Vec::new() } else { vec![format!("not run because of it: {}", broken.join(", "))] }
}

/// The messages of notices for the channels of a schedule. A channel that does not hear of an occasion gets a message
/// without content, so that the outbox knows that the cause has ended.
pub(super) fn messages(about: &About, schedule: &Schedule, notices: &[Notice]) -> Vec<NewMessage> {
    let told = about.channels.iter().filter(|channel| channel.way.hears_notices());
    let channels = told.filter(|channel| schedule.notify.iter().any(|name| *name == *channel.name));
    let of_channel = |channel: &Channel| {
        let hears = |notice: &Notice| channel.hears.is_empty() || channel.hears.contains(&notice.occasion);
        let heard = notices.iter().filter(|notice| notice.ends || hears(notice));
        let message = |notice: &Notice| NewMessage {
            environment: notice.environment.clone(),
            channel: channel.name.to_string(),
            cause: notice.cause.clone(),
            ends: notice.ends,
            at: notice.at,
            body: if hears(notice) { json!(notice) } else { Value::Null },
        };
        heard.map(message).collect::<Vec<_>>()
    };
    channels.flat_map(of_channel).collect()
}
