//! `baton schedule`: what runs by itself, and asking for it by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_core::ports::{Adjustment, NewRequest, Request, RunFilter, RunRecord};
use baton_core::{Schedule, Timestamp};
use baton_diagnostics::nearest;
use baton_orchestrator::schedule::{Facts, Timetable, Trigger, due};
use serde::Serialize;

use super::gc::duration;
use crate::args::{ScheduleArguments, ScheduleCommand, SchedulePauseArguments, TriggerArguments};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::parameters::read_parameters;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// How often a run that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A schedule as people look at it.
#[derive(Debug, Serialize)]
pub(crate) struct ScheduleLine {
    /// As declared.
    #[serde(flatten)]
    pub(crate) schedule: Schedule,
    /// When the clock makes it run next.
    pub(crate) next: Option<Timestamp>,
    /// Its run that waits or goes on.
    pub(crate) open: Option<Request>,
    /// Its newest run.
    pub(crate) last: Option<RunRecord>,
    /// By whom, why and for how long it is held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<Adjustment>,
}

/// Lists schedules, or asks for one.
pub(super) async fn schedule(context: &Context, arguments: &ScheduleArguments) -> Result<Outcome, CliError> {
    super::end_at_interrupt();
    match &arguments.command {
        ScheduleCommand::List => list(context).await,
        ScheduleCommand::Trigger(arguments) => trigger(context, arguments).await,
        ScheduleCommand::Pause(arguments) => pause(context, arguments).await,
        ScheduleCommand::Resume(arguments) => resume(context, &arguments.name).await,
    }
}

async fn list(context: &Context) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Read).await?;
    let mut lines = Vec::new();
    for schedule in &workspace.project.schedules {
        lines.push(line(&workspace, schedule).await?);
    }
    if context.is_json() {
        output::print_json(&lines)?;
    } else {
        output::print(&render::schedules(&lines))?;
    }
    Ok(Outcome::Fine)
}

async fn line(workspace: &Workspace, schedule: &Schedule) -> Result<ScheduleLine, CliError> {
    let (operations, environment) = (&workspace.services().operations, workspace.environment.as_str());
    let stored = operations.cursor(environment, &schedule.name).await?;
    let cursor = stored.and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_default();
    let (now, versions) = (workspace.services().clock.now(), BTreeMap::new());
    let adjustments = operations.adjustments(environment, now).await?;
    let subject = format!("schedule/{}", schedule.name);
    let held = adjustments.into_iter().find(|found| found.subject == subject && found.value["paused"] == true);
    let schedule = &Schedule { paused: schedule.paused || held.is_some(), ..schedule.clone() };
    let next =
        due(schedule, &Timetable::of(schedule), &cursor, &Facts { now, versions: &versions, files: None }).wake_at;
    let open = operations.open_requests(environment).await?;
    let of_schedule = Some(schedule.name.to_string());
    let here = Some(environment.to_owned());
    let filter = RunFilter { schedule: of_schedule, environment: here, limit: 1, ..RunFilter::default() };
    Ok(ScheduleLine {
        schedule: schedule.clone(),
        next,
        open: open.into_iter().find(|open| open.asked.schedule == schedule.name.as_str()),
        last: operations.runs(&filter).await?.into_iter().next(),
        held,
    })
}

async fn trigger(context: &Context, arguments: &TriggerArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let schedule = workspace.need_schedule(&arguments.name)?;
    let operations = &workspace.services().operations;
    let parameters = arguments.parameters.texts()?;
    read_parameters(&workspace.project.params, &parameters)?;
    let request = by_hand(schedule, Trigger::Manual, workspace.services().clock.now(), parameters);
    let number = operations.request(&workspace.environment, &request).await?;
    if !context.is_json() {
        let again = if number == 0 { " (it waits already)" } else { "" };
        output::say(&format!("schedule `{}` waits for a server of `{}`{again}", schedule.name, workspace.environment));
    }
    let wanted = |open: &Request| open.asked.schedule == arguments.name;
    while arguments.wait && operations.open_requests(&workspace.environment).await?.iter().any(wanted) {
        tokio::time::sleep(LOOK).await;
    }
    let line = line(&workspace, schedule).await?;
    if context.is_json() {
        output::print_json(&line)?;
    } else if arguments.wait {
        output::print(&render::runs(&workspace.environment, line.last.as_slice()))?;
    }
    Ok(Outcome::Fine)
}

/// Holds a schedule back in the environment.
async fn pause(context: &Context, arguments: &SchedulePauseArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let schedule = workspace.need_schedule(&arguments.name)?;
    let lasts = arguments.lasts.as_ref().map(|text| duration("--for", text)).transpose()?;
    let services = workspace.services();
    let at = services.clock.now();
    let adjustment = Adjustment {
        environment: workspace.environment.clone(),
        subject: format!("schedule/{}", schedule.name),
        value: serde_json::json!({"paused": true}),
        until: lasts.and_then(|lasts| Some(at + chrono::TimeDelta::from_std(lasts).ok()?)),
        at,
        by: services.author.clone(),
        reason: arguments.reason.clone().unwrap_or_default(),
    };
    services.operations.adjust(&adjustment).await?;
    if context.is_json() {
        output::print_json(&adjustment)?;
    } else {
        let until = adjustment.until.map_or("it is resumed".to_owned(), crate::instant::show);
        output::print(&format!("schedule `{}` is held back until {until}\n", schedule.name))?;
    }
    Ok(Outcome::Fine)
}

/// Lets a schedule go on.
async fn resume(context: &Context, name: &str) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let schedule = workspace.need_schedule(name)?;
    let subject = format!("schedule/{}", schedule.name);
    let was = workspace.services().operations.end_adjustment(&workspace.environment, &subject).await?;
    if context.is_json() {
        output::print_json(&serde_json::json!({"schedule": name, "was_held_back": was}))?;
    } else if was {
        output::print(&format!("schedule `{name}` goes on\n"))?;
    } else {
        output::print(&format!("schedule `{name}` was not held back by hand\n"))?;
    }
    Ok(Outcome::Fine)
}

/// The request of somebody who asks for a schedule now.
pub(crate) fn by_hand(
    schedule: &Schedule,
    trigger: Trigger,
    now: Timestamp,
    parameters: BTreeMap<String, String>,
) -> NewRequest {
    NewRequest {
        schedule: schedule.name.to_string(),
        trigger: trigger.word().to_owned(),
        key: format!("{} {}", trigger.word(), uuid::Uuid::new_v4()),
        due_at: now,
        as_of: None,
        requested_at: now,
        priority: schedule.priority,
        parameters,
        coalesces: true,
    }
}

impl Workspace {
    /// The schedule of this name.
    ///
    /// # Errors
    /// A bad argument with the nearest name.
    pub(crate) fn need_schedule(&self, name: &str) -> Result<&Schedule, CliError> {
        let known = self.project.schedules.iter();
        if let Some(found) = known.clone().find(|schedule| schedule.name.as_str() == name) {
            return Ok(found);
        }
        let help = match nearest(name, known.map(|schedule| schedule.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`baton schedule list` lists them; schedules are declared under `schedules:`".to_owned(),
        };
        Err(CliError::argument(format!("there is no schedule `{name}`"), help))
    }
}
