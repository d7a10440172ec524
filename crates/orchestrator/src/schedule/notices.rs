//! What is told of a run of a schedule: each first failure once, with what it keeps from running, and its end. Pure.

use std::collections::BTreeMap;

use baton_core::channel::{Channel, Occasion};
use baton_core::incident::{Incident, IncidentState, Signal};
use baton_core::ports::{NewMessage, Request};
use baton_core::schedule::Schedule;
use baton_core::{AssetName, Runbook, Timestamp};
use baton_notify::{Notice, Severity};
use serde_json::{Value, json};

use crate::approvals::{APPROVAL, Awaited, Expired};
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
    /// Its runbooks.
    pub runbooks: Vec<Runbook>,
    /// Whether steps of its runs wait for somebody's word.
    pub asks: bool,
    /// The runbooks that its monitors name.
    pub of_monitors: BTreeMap<AssetName, String>,
}

impl About {
    /// The runbooks that an incident runs by itself.
    pub(super) fn runbooks_for(&self, incident: &Incident) -> Vec<&Runbook> {
        let is_of_monitor = |runbook: &&Runbook| {
            let named = incident.assets.iter().filter_map(|asset| self.of_monitors.get(asset));
            named.into_iter().any(|name| *name == *runbook.name)
        };
        let is_for =
            |runbook: &&Runbook| runbook.on.as_ref().is_some_and(|on| on.is_for(incident)) || is_of_monitor(runbook);
        self.runbooks.iter().filter(is_for).collect()
    }
}

/// What was run: a schedule or a runbook.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    /// `nightly`, or `runbook/mend`.
    pub(super) name: String,
    owner: Option<String>,
    /// The channels that hear of it.
    notify: Vec<String>,
}

impl From<&Schedule> for Subject {
    fn from(schedule: &Schedule) -> Self {
        Self { name: schedule.name.to_string(), owner: schedule.owner.clone(), notify: schedule.notify.clone() }
    }
}

impl From<&Runbook> for Subject {
    fn from(runbook: &Runbook) -> Self {
        let name = format!("runbook/{}", runbook.name);
        Self { name, owner: runbook.owner.clone(), notify: runbook.notify.clone() }
    }
}

/// What a run that ended has to tell.
pub(super) fn of_report(
    about: &About,
    subject: &Subject,
    request: &Request,
    report: &RunReport,
    now: Timestamp,
) -> Vec<Notice> {
    let of = |cause: &str, ends: bool| Notice {
        run: Some(report.run.clone()),
        ..notice(about, subject, request, cause, ends, now)
    };
    let mut notices = vec![of(&not_begun(subject), true), of(&late(subject), true)];
    for step in &report.steps {
        let about_step = |ends: bool| {
            let owner = about.owners.get(step.asset.as_str()).or(subject.owner.as_ref()).cloned();
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
            StepState::Skipped | StepState::Waiting => {}
        }
    }
    notices.extend(measured(about, report, &of));
    notices.extend(report.awaits.iter().map(|awaited| of_waiting(of(&asked(awaited), false), awaited)));
    notices.extend(answered(request).map(|cause| of(&cause, true)));
    notices
}

/// What was found of data and models beside the steps: lateness, volume, drift, performance, and that it has ended. A failed
/// step, and a check that keeps a version back, are told as the step.
fn measured(about: &About, report: &RunReport, of: &dyn Fn(&str, bool) -> Notice) -> Vec<Notice> {
    let named = |signal: Signal, asset: &AssetName, ends: bool| {
        let notice = of(&format!("{}/{asset}", word_of(signal)?), ends);
        let owner = about.owners.get(asset.as_str()).cloned().or_else(|| notice.owner.clone());
        Some(Notice { asset: Some(asset.to_string()), owner, ..notice })
    };
    let begun = report.alerts.iter().filter_map(|alert| {
        let occasion = if alert.signal == Signal::Freshness { Occasion::Late } else { Occasion::Failure };
        let notice = named(alert.signal, &alert.asset, false)?;
        Some(Notice { occasion, title: alert.message.clone(), since: alert.at, ..notice })
    });
    let resolved = report.incidents.iter().filter(|incident| incident.state == IncidentState::Resolved);
    // A source says in each run whether it is late; what is measured otherwise has ended with its incident.
    let resolved = resolved.filter(|incident| incident.signal != Signal::Freshness);
    let ended = resolved.map(|incident| (incident.signal, &incident.asset));
    let ended = ended.chain(report.in_time.iter().map(|asset| (Signal::Freshness, asset)));
    let ended = ended.filter_map(|(signal, asset)| {
        let title = format!("{asset} is well again");
        Some(Notice { title, ..named(signal, asset, true)? })
    });
    begun.chain(ended).collect()
}

/// What alerts of measures are known by; `None` for what steps tell.
fn word_of(signal: Signal) -> Option<&'static str> {
    match signal {
        Signal::Freshness => Some("freshness"),
        Signal::Volume => Some("volume"),
        Signal::Drift => Some("drift"),
        Signal::Performance => Some("performance"),
        Signal::Check | Signal::Failure => None,
    }
}

/// What a request that goes on with a run says was waited for.
fn answered(request: &Request) -> Option<String> {
    Some(format!("approval/{}", request.asked.parameters.get(APPROVAL)?))
}

/// A step, or the whole run, that waits for somebody's word.
fn of_waiting(notice: Notice, awaited: &Awaited) -> Notice {
    let (name, by) = (awaited.name(), awaited.approval.by.first().map_or("", String::as_str));
    Notice {
        occasion: Occasion::Approval,
        title: awaited.line(),
        details: vec![
            format!("`baton approve {name} --as {by}` lets it go on"),
            format!("`baton approve {name} --as {by} --reject --reason WHY` does not"),
        ],
        since: awaited.since,
        ..notice
    }
}

fn asked(awaited: &Awaited) -> String {
    format!("approval/{}", awaited.name())
}

/// A run that waited too long.
pub(super) fn of_expiry(about: &About, subject: &Subject, expired: &Expired, now: Timestamp) -> Vec<Notice> {
    let Expired { run, awaited, reason } = expired;
    let of = |cause: &str, ends: bool| Notice {
        run: Some(run.id.clone()),
        ..notice_of(about, subject, &run.environment, cause, ends, now)
    };
    let title = format!("run {} of {}: {reason}", run.id, subject.name);
    let failed = Notice { title, ..of(&format!("expired/{}", run.id), false) };
    awaited.iter().map(|awaited| of(&asked(awaited), true)).chain([failed]).collect()
}

/// A run that could not be begun, or not be gone on with.
pub(super) fn of_refusal(
    about: &About,
    subject: &Subject,
    request: &Request,
    reason: &str,
    now: Timestamp,
) -> Vec<Notice> {
    let title = format!("schedule {} could not be run: {}", subject.name, reason.lines().next().unwrap_or_default());
    let details = reason.lines().skip(1).take(20).map(str::to_owned).collect();
    let refused = Notice { title, details, ..notice(about, subject, request, &not_begun(subject), false, now) };
    let answered = answered(request).map(|cause| notice(about, subject, request, &cause, true, now));
    [refused].into_iter().chain(answered).collect()
}

/// A run that has not ended in time.
pub(super) fn of_lateness(about: &About, subject: &Subject, request: &Request, now: Timestamp) -> Notice {
    let due = request.asked.due_at.format("%Y-%m-%d %H:%M UTC");
    Notice {
        occasion: Occasion::Late,
        title: format!("schedule {} is late: it was due at {due} and is {}", subject.name, request.state.word()),
        details: request.reason.iter().cloned().collect(),
        ..notice(about, subject, request, &late(subject), false, now)
    }
}

fn not_begun(subject: &Subject) -> String {
    format!("schedule/{}", subject.name)
}

fn late(subject: &Subject) -> String {
    format!("late/{}", subject.name)
}

fn notice(about: &About, subject: &Subject, request: &Request, cause: &str, ends: bool, now: Timestamp) -> Notice {
    let since = request.asked.due_at;
    Notice { since, ..notice_of(about, subject, &request.environment, cause, ends, now) }
}

fn notice_of(about: &About, subject: &Subject, environment: &str, cause: &str, ends: bool, now: Timestamp) -> Notice {
    Notice {
        occasion: if ends { Occasion::Recovery } else { Occasion::Failure },
        ends,
        cause: cause.to_owned(),
        severity: severity_of(cause),
        project: about.project.clone(),
        environment: environment.to_owned(),
        schedule: subject.name.clone(),
        run: None,
        asset: None,
        owner: subject.owner.clone(),
        title: match cause.strip_prefix("approval/") {
            Some(waited) => format!("{waited} waits no longer"),
            None => format!("schedule {} is well again", subject.name),
        },
        details: Vec::new(),
        since: now,
        at: now,
    }
}

/// How bad a cause is: the same when it ends, as it is part of what tells one alert from another.
fn severity_of(cause: &str) -> Severity {
    match cause.split_once('/') {
        Some(("late" | "approval" | "freshness" | "volume" | "drift", _)) => Severity::Warning,
        _ => Severity::Error,
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
pub(super) fn messages(about: &About, subject: &Subject, notices: &[Notice]) -> Vec<NewMessage> {
    let told = about.channels.iter().filter(|channel| channel.way.hears_notices());
    let channels = told.filter(|channel| subject.notify.iter().any(|name| *name == *channel.name));
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
