//! What the scheduler has to do with people: what they held back, whose word runs wait for, who is told of what, and which
//! runbooks an incident runs.

use baton_core::Timestamp;
use baton_core::incident::IncidentState;
use baton_core::ports::{LedgerError, Request};
use baton_notify::Notice;
use chrono::TimeDelta;

use super::{Lead, Ran, Scheduler};
use crate::approvals::{RUNBOOK, Records, SCHEDULE, expire};
use crate::runbooks::request_of;
use crate::schedule::notices::{self, About, Subject};
use crate::schedule::work::Work;

impl Scheduler {
    /// Takes in what people decided since: what is held back, and who waited too long for their word.
    pub(super) async fn look_at_people(&self, lead: &mut Lead, now: Timestamp, anew: bool) -> Result<(), LedgerError> {
        let is_over = [lead.adjusted_until, lead.expires_at].into_iter().flatten().any(|at| at <= now);
        if !anew && !is_over && lead.pulse.is_some() && lead.pulse == lead.looked_at {
            return Ok(());
        }
        lead.looked_at = lead.pulse;
        let adjustments = self.operations.adjustments(&self.environment, now).await?;
        lead.adjusted_until = adjustments.iter().filter_map(|adjustment| adjustment.until).min();
        for (name, watched) in &mut lead.watched {
            let subject = format!("schedule/{name}");
            let is_held = adjustments.iter().any(|found| found.subject == subject && found.value["paused"] == true);
            let is_paused = watched.is_declared_paused || is_held;
            if watched.schedule.paused != is_paused {
                watched.schedule.paused = is_paused;
                watched.wake_at = Some(now);
            }
        }
        let (clock, author) = (&*self.clock, self.holder.as_str());
        let records = Records { ledger: &*self.ledger, operations: &*self.operations, clock, author };
        let (expired, next) = expire(&records, &self.environment).await?;
        lead.expires_at = next;
        for expired in expired {
            let subject = self.subject_of(lead, expired.run.schedule.as_deref(), expired.runbook());
            let notices = notices::of_expiry(&lead.about, &subject, &expired, now);
            self.post(&lead.about, &subject, &notices).await?;
        }
        Ok(())
    }

    /// Whether somebody holds a schedule back; a hand runs it all the same.
    pub(super) fn is_held(&self, lead: &Lead, work: Work<'_>, request: &Request) -> bool {
        let Work::Schedule(name) = work else { return false };
        !["manual", "webhook"].contains(&request.asked.trigger.as_str())
            && lead.watched.get(name).is_some_and(|watched| watched.schedule.paused)
    }

    /// Who hears of a run of a schedule or a runbook; nobody where it is of neither.
    fn subject_of(&self, lead: &Lead, schedule: Option<&str>, runbook: Option<&str>) -> Subject {
        let schedule = schedule.and_then(|name| lead.watched.get(name)).map(|watched| Subject::from(&watched.schedule));
        let runbook = || {
            let found = lead.about.runbooks.iter().find(|found| Some(found.name.as_str()) == runbook)?;
            Some(Subject::from(found))
        };
        schedule.or_else(runbook).unwrap_or_default()
    }

    pub(super) async fn post(&self, about: &About, subject: &Subject, notices: &[Notice]) -> Result<(), LedgerError> {
        match notices::messages(about, subject, notices) {
            messages if messages.is_empty() => Ok(()),
            messages => self.operations.post(messages).await.map(drop),
        }
    }

    /// Asks for the runbooks of incidents that opened in a run, once for each incident.
    pub(super) async fn ask_for_runbooks(&self, lead: &Lead, ran: &Ran) -> Result<(), LedgerError> {
        let Ran::Ended(report) = ran else { return Ok(()) };
        let open = report.incidents.iter().filter(|incident| incident.state == IncidentState::Open);
        for incident in open {
            for runbook in lead.about.runbooks_for(incident) {
                let request = request_of(runbook, incident, self.clock.now());
                self.operations.request(&self.environment, &request).await?;
            }
        }
        Ok(())
    }

    /// Tells of requests that have not ended in time, once each.
    pub(super) async fn tell_late(&self, lead: &mut Lead, now: Timestamp) -> Result<(), LedgerError> {
        if lead.watched.values().all(|watched| watched.schedule.late_after.is_none()) {
            return Ok(());
        }
        for request in self.operations.open_requests(&self.environment).await? {
            let Some(watched) = lead.watched.get(&request.asked.schedule) else { continue };
            let Some(late_after) = watched.schedule.late_after else { continue };
            if now < request.asked.due_at + TimeDelta::seconds(late_after) || lead.told_late.contains(&request.id) {
                continue;
            }
            lead.told_late.push(request.id);
            let subject = Subject::from(&watched.schedule);
            let notice = notices::of_lateness(&lead.about, &subject, &request, now);
            self.host.say(&notice.title);
            self.operations.post(notices::messages(&lead.about, &subject, &[notice])).await?;
        }
        Ok(())
    }

    /// Writes what a run that ended has to tell.
    pub(super) async fn tell(&self, lead: &Lead, request: &Request, ran: &Ran) -> Result<(), LedgerError> {
        let parameter = |name: &str| request.asked.parameters.get(name).map(String::as_str);
        let subject = match Work::of(&request.asked.schedule) {
            Work::Schedule(name) => self.subject_of(lead, Some(name), None),
            Work::Runbook(name) => self.subject_of(lead, None, Some(name)),
            Work::Resume(_) => self.subject_of(lead, parameter(SCHEDULE), parameter(RUNBOOK)),
        };
        let (about, now) = (&lead.about, self.clock.now());
        let notices = match ran {
            Ran::Ended(report) => notices::of_report(about, &subject, request, report, now),
            Ran::Refused(reason) => notices::of_refusal(about, &subject, request, reason, now),
            Ran::Cancelled | Ran::NotNow(_) => return Ok(()),
        };
        self.post(about, &subject, &notices).await
    }
}
