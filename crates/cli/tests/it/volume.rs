//! Volume: a day with far fewer rows than usual is noticed by itself, and named as the cause.

use baton_testkit::project::TestProject;
use serde_json::Value;

use crate::shop::empty;

/// 2024-03-01T00:00:00Z: when the whole file arrived.
const ARRIVED: u64 = 1_709_251_200;
const SOURCES: &str = "\
sources:
  - name: visits
    owner: web@example.com
    connector: file
    path: landing/visits.csv
    load: append
    time: seen_at
    available_at: seen_at
    columns:
      - {name: visit, type: int}
      - {name: seen_at, type: timestamp}
";

/// Visits of January and February 2024, a hundred a weekday and forty a day of the weekend; on `thin` only a tenth.
fn visits(thin: u32) -> String {
    let mut text = "visit,seen_at\n".to_owned();
    let days = (1..=31).map(|day| (1, day)).chain((1..=29).map(|day| (2, day)));
    for (number, (month, day)) in days.enumerate() {
        // 2024-01-01 was a Monday.
        let usual = if number % 7 >= 5 { 40 } else { 100 + number % 3 };
        let rows = if (month, day) == (2, thin) { usual / 10 } else { usual };
        for visit in 0..rows {
            text.push_str(&format!("{visit},2024-{month:02}-{day:02}T{:02}:{:02}:00Z\n", visit % 24, visit % 60));
        }
    }
    text
}

fn ran(project: &TestProject, arguments: &[&str]) {
    let output = project.output(arguments);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
}

/// Two months of visits, all landed.
fn web(thin: u32) -> TestProject {
    let project = empty().file("baton.yml", "project: web\n").file("sources.yml", SOURCES);
    project.delivery("landing/visits.csv", &visits(thin), ARRIVED)
}

fn incidents(project: &TestProject) -> Vec<(String, String)> {
    let status: Value = serde_json::from_str(&project.output(&["status", "-o", "json"]).stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = status["incidents"].as_array().unwrap().iter();
    found.map(|incident| (text(&incident["signal"]), text(&incident["title"]))).collect()
}

#[test]
fn usual_days_are_quiet() {
    let project = web(20);
    ran(&project, &["apply", "--yes", "--as-of", "2024-03-01"]);
    assert_eq!(incidents(&project), [], "the newest day is as usual");
}

#[test]
fn thin_day_is_noticed_when_it_is_the_newest() {
    let project = web(29);
    ran(&project, &["apply", "--yes", "--as-of", "2024-03-01"]);
    let found = incidents(&project);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "volume");
    assert!(found[0].1.starts_with("visits has few rows on 2024-02-29: 10, usually "), "{found:?}");

    let why: Value = serde_json::from_str(&project.output(&["why", "inc-1", "-o", "json"]).stdout).unwrap();
    let cause = &why["causes"][0];
    assert_eq!((&cause["class"], &cause["asset"]), (&Value::from("volume_drop"), &Value::from("visits")), "{why}");
    assert!(cause["summary"].as_str().unwrap().contains("has 10 rows on 2024-02-29 instead of"), "{cause}");

    // The same day is judged once.
    ran(&project, &["run", "--as-of", "2024-03-01T06:00:00Z"]);
    let status: Value = serde_json::from_str(&project.output(&["status", "-o", "json"]).stdout).unwrap();
    assert_eq!(status["incidents"][0]["alerts"], 1, "{status}");
}
