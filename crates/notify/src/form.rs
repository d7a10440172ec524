//! The forms in which services take notices. Pure.

use std::collections::BTreeMap;

use baton_core::{Fingerprint, Timestamp};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use crate::notice::{Notice, Severity};

/// PagerDuty's longest summary.
const SUMMARY: usize = 1_024;
/// PagerDuty's longest key.
const DEDUP_KEY: usize = 255;
/// Slack's longest header.
const HEADER: usize = 150;
/// Slack's longest section.
const SECTION: usize = 3_000;
/// An alert that is not told of again goes on for so long; Alertmanager would end it after five minutes by itself.
const GOES_ON: TimeDelta = TimeDelta::days(7);
/// Alertmanager's instant for "not yet".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The labels that identify an alert, as Prometheus has them.
fn labels(notice: &Notice) -> BTreeMap<&'static str, String> {
    let alert = alert_name(notice);
    let mut labels = BTreeMap::from([
        ("alertname", alert.to_owned()),
        ("project", notice.project.clone()),
        ("environment", notice.environment.clone()),
        ("severity", notice.severity.word().to_owned()),
        ("cause", notice.cause.clone()),
    ]);
    labels.extend(notice.asset.clone().map(|asset| ("asset", asset)));
    labels.extend(notice.owner.clone().map(|owner| ("owner", owner)));
    labels
}

/// What kind of alert it is: the same when it begins and when it ends, or nobody would know that it did.
fn alert_name(notice: &Notice) -> &'static str {
    match notice.cause.split_once('/') {
        Some(("late", _)) => "BatonRunLate",
        Some(("approval", _)) => "BatonRunWaits",
        Some(("freshness", _)) => "BatonDataLate",
        Some(("volume", _)) => "BatonVolumeUnusual",
        Some(("drift", _)) => "BatonDrift",
        Some(("performance", _)) => "BatonPerformanceLow",
        _ => "BatonRunFailed",
    }
}

fn annotations(notice: &Notice) -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::from([("summary", notice.title.clone()), ("schedule", notice.schedule.clone())]);
    if !notice.details.is_empty() {
        annotations.insert("description", notice.details.join("\n"));
    }
    annotations.extend(notice.run.clone().map(|run| ("run", run)));
    annotations
}

fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Alertmanager's webhook, version 4.
pub(crate) fn webhook(notice: &Notice, receiver: &str) -> Value {
    let (labels, annotations) = (labels(notice), annotations(notice));
    let status = if notice.ends { "resolved" } else { "firing" };
    let parts = labels.iter().flat_map(|(name, value)| [*name, value.as_str()]);
    let fingerprint = Fingerprint::of(parts);
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{cause={:?}}}", notice.cause),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": {"cause": notice.cause},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": instant(notice.since),
            "endsAt": if notice.ends { instant(notice.at) } else { NEVER.to_owned() },
            "generatorURL": "",
            "fingerprint": fingerprint.as_str().get(..16).unwrap_or_default(),
        }],
    })
}

/// What Alertmanager takes at `/api/v2/alerts`.
pub(crate) fn alertmanager(notice: &Notice) -> Value {
    let ends_at = if notice.ends { notice.at } else { notice.at + GOES_ON };
    json!([{
        "labels": labels(notice),
        "annotations": annotations(notice),
        "startsAt": instant(notice.since),
        "endsAt": instant(ends_at),
    }])
}

/// An event of PagerDuty's Events API, version 2.
pub(crate) fn pagerduty(notice: &Notice, routing_key: &str) -> Value {
    let dedup_key = shortened(&format!("baton/{}/{}/{}", notice.project, notice.environment, notice.cause), DEDUP_KEY);
    if notice.ends {
        return json!({"routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key});
    }
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "Baton",
        "payload": {
            "summary": shortened(&notice.title, SUMMARY),
            "source": format!("{}/{}", notice.project, notice.environment),
            "severity": notice.severity.word(),
            "timestamp": instant(notice.at),
            "component": notice.asset,
            "group": notice.schedule,
            "class": labels(notice)["alertname"],
            "custom_details": {"run": notice.run, "owner": notice.owner, "details": notice.details},
        },
    })
}

/// A message for Slack's incoming webhooks.
pub(crate) fn slack(notice: &Notice) -> Value {
    let mut lines = vec![format!("*{}* in `{}`", escaped(&notice.schedule), escaped(&notice.environment))];
    lines.extend(notice.run.as_ref().map(|run| format!("run `{}`", escaped(run))));
    lines.extend(notice.owner.as_ref().map(|owner| format!("owner: {}", escaped(owner))));
    lines.extend(notice.details.iter().map(|detail| escaped(detail)));
    let sign = match (notice.ends, notice.severity) {
        (true, _) => ":white_check_mark:",
        (false, Severity::Error) => ":red_circle:",
        (false, Severity::Warning) => ":warning:",
    };
    json!({
        "text": escaped(&notice.headline()),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": shortened(&format!("{sign} {}", notice.title), HEADER)}},
            {"type": "section", "text": {"type": "mrkdwn", "text": shortened(&lines.join("\n"), SECTION)}},
        ],
    })
}

/// Subject and text of a mail.
pub(crate) fn mail(notice: &Notice) -> (String, String) {
    let mut lines = vec![notice.title.clone(), String::new()];
    lines.extend(notice.details.iter().cloned());
    lines.push(String::new());
    lines.push(format!("schedule     {}", notice.schedule));
    lines.push(format!("environment  {} of project {}", notice.environment, notice.project));
    lines.extend(notice.run.as_ref().map(|run| format!("run          {run}  (baton runs show {run})")));
    lines.push(format!("since        {}", instant(notice.since)));
    (shortened(&notice.headline().replace(['\r', '\n'], " "), 200), lines.join("\n") + "\n")
}

/// Text between which and Slack's own signs is no doubt.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The first characters of a text that is too long.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use baton_core::channel::Occasion;
    use baton_core::time::parse_instant;
    use expect_test::expect;

    use super::*;

    fn notice() -> Notice {
        Notice {
            occasion: Occasion::Failure,
            ends: false,
            cause: "orders".to_owned(),
            severity: Severity::Error,
            project: "shop".to_owned(),
            environment: "prod".to_owned(),
            schedule: "nightly".to_owned(),
            run: Some("3f2a".to_owned()),
            asset: Some("orders".to_owned()),
            owner: Some("data@example.com".to_owned()),
            title: "ingest orders failed: <unreachable> & gone".to_owned(),
            details: vec!["skipped: days, customers".to_owned()],
            since: parse_instant("2026-11-21T06:00:00Z").unwrap(),
            at: parse_instant("2026-11-21T06:00:03.512Z").unwrap(),
        }
    }

    fn text(value: &Value) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn alertmanager_takes_alerts_that_end_when_we_say() {
        let ended = Notice { ends: true, ..notice() };
        assert_eq!(alertmanager(&notice())[0]["endsAt"], "2026-11-28T06:00:03.512Z");
        assert_eq!(alertmanager(&ended)[0]["endsAt"], "2026-11-21T06:00:03.512Z");
        assert_eq!(alertmanager(&notice())[0]["labels"], alertmanager(&ended)[0]["labels"]);
        let expected = expect![[
            r#"{"version":"4","groupKey":"{}:{cause=\"orders\"}","truncatedAlerts":0,"status":"firing","receiver":"ops","groupLabels":{"cause":"orders"},"commonLabels":{"alertname":"BatonRunFailed","asset":"orders","cause":"orders","environment":"prod","owner":"data@example.com","project":"shop","severity":"error"},"commonAnnotations":{"description":"skipped: days, customers","run":"3f2a","schedule":"nightly","summary":"ingest orders failed: <unreachable> & gone"},"externalURL":"","alerts":[{"status":"firing","labels":{"alertname":"BatonRunFailed","asset":"orders","cause":"orders","environment":"prod","owner":"data@example.com","project":"shop","severity":"error"},"annotations":{"description":"skipped: days, customers","run":"3f2a","schedule":"nightly","summary":"ingest orders failed: <unreachable> & gone"},"startsAt":"2026-11-21T06:00:00.000Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"6e28e8fb7744e6c2"}]}"#
        ]];
        expected.assert_eq(&text(&webhook(&notice(), "ops")));
        assert_eq!(
            webhook(&ended, "ops")["alerts"][0]["fingerprint"],
            webhook(&notice(), "ops")["alerts"][0]["fingerprint"]
        );
    }

    #[test]
    fn pagerduty_takes_one_key_for_trigger_and_resolve() {
        let trigger = pagerduty(&notice(), "R0");
        let resolve = pagerduty(&Notice { ends: true, ..notice() }, "R0");
        assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
        expect![[r#"{"routing_key":"R0","event_action":"trigger","dedup_key":"baton/shop/prod/orders","client":"Baton","payload":{"summary":"ingest orders failed: <unreachable> & gone","source":"shop/prod","severity":"error","timestamp":"2026-11-21T06:00:03.512Z","component":"orders","group":"nightly","class":"BatonRunFailed","custom_details":{"run":"3f2a","owner":"data@example.com","details":["skipped: days, customers"]}}}"#]].assert_eq(&text(&trigger));
        let long = Notice { title: "x".repeat(5_000), cause: "y".repeat(900), ..notice() };
        let long = pagerduty(&long, "R0");
        assert_eq!(long["payload"]["summary"].as_str().unwrap().chars().count(), SUMMARY);
        assert_eq!(long["dedup_key"].as_str().unwrap().chars().count(), DEDUP_KEY);
    }

    #[test]
    fn slack_and_mail_say_the_same() {
        expect![[r#"{"text":"[error] ingest orders failed: &lt;unreachable&gt; &amp; gone","blocks":[{"type":"header","text":{"type":"plain_text","text":":red_circle: ingest orders failed: <unreachable> & gone"}},{"type":"section","text":{"type":"mrkdwn","text":"*nightly* in `prod`\nrun `3f2a`\nowner: data@example.com\nskipped: days, customers"}}]}"#]].assert_eq(&text(&slack(&notice())));
        let (subject, body) = mail(&notice());
        expect![[r#"
            [error] ingest orders failed: <unreachable> & gone

            ingest orders failed: <unreachable> & gone

            skipped: days, customers

            schedule     nightly
            environment  prod of project shop
            run          3f2a  (baton runs show 3f2a)
            since        2026-11-21T06:00:00.000Z
        "#]]
        .assert_eq(&format!("{subject}\n\n{body}"));
    }

    #[test]
    fn an_end_has_the_labels_of_what_it_ends() {
        for (cause, occasion) in [
            ("late/nightly", Occasion::Late),
            ("approval/3f2a", Occasion::Approval),
            ("orders", Occasion::Failure),
            ("freshness/orders", Occasion::Late),
            ("drift/delays", Occasion::Failure),
        ] {
            let begins = Notice { cause: cause.to_owned(), occasion, ..notice() };
            let ends = Notice { occasion: Occasion::Recovery, ends: true, ..begins.clone() };
            assert_eq!(labels(&begins), labels(&ends));
        }
        let waits = Notice { cause: "approval/3f2a".to_owned(), ..notice() };
        assert_eq!(labels(&waits)["alertname"], "BatonRunWaits");
        let late = Notice { cause: "freshness/orders".to_owned(), ..notice() };
        assert_eq!(labels(&late)["alertname"], "BatonDataLate");
    }
}
