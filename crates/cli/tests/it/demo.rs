//! The whole demo through the binary: a year of real flights, and what its summary must say of them.

use baton_testkit::project::TestProject;
use serde_json::Value;

/// Alerts of one kind in a month, of the summary.
fn alerts(summary: &Value, month: &str, signal: &str) -> u64 {
    summary["alerts_by_month"][month][signal].as_u64().unwrap_or_default()
}

#[test]
fn relay_demo_finds_the_real_shifts_trains_again_and_names_what_was_broken() {
    let project = TestProject::new(env!("CARGO_BIN_EXE_baton"));
    let folder = project.path("demo").display().to_string();
    let output = project.output(&["demo", "--dir", &folder, "--output", "json"]);
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    let summary: Value = serde_json::from_str(&output.stdout).unwrap();

    let models = summary["models"].as_array().unwrap();
    let first = &models[0];
    assert_eq!(first["as_of"], "2013-07-01", "{first}");
    assert!(first["roc_auc"].as_f64().unwrap() >= 0.72, "on June: {first}");
    assert!(models.iter().any(|model| model["as_of"].as_str() >= Some("2013-09-28")), "trained again: {models:?}");

    assert!(summary["predictions"].as_u64().unwrap() > 160_000);
    assert!(alerts(&summary, "2013-09", "drift") > 0, "{}", summary["alerts_by_month"]);
    assert!(alerts(&summary, "2013-09", "performance") > 0, "{}", summary["alerts_by_month"]);
    assert!(alerts(&summary, "2013-12", "drift") > 0, "{}", summary["alerts_by_month"]);
    // Thanksgiving: far fewer flights than on the Fridays before.
    assert!(alerts(&summary, "2013-11", "volume") > 0, "{}", summary["alerts_by_month"]);

    let cause = &summary["broken_cause"];
    assert_eq!((&cause["class"], &cause["asset"]), (&Value::from("late_data"), &Value::from("weather")), "{cause}");

    // What a newcomer is told to try next.
    let status = project.output(&["status", "-C", &folder]);
    assert!(status.stdout.contains("features drifted") && status.stdout.contains("estimated"), "{}", status.stdout);
    let screen = project.output(&["show", "-C", &folder, "delay_health"]);
    assert!(screen.stdout.contains("estimated before labels"), "{}", screen.stdout);
    let shown = project.output(&["show", "-C", &folder, "delay_health", "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let look = &shown["looks"][0];
    let (low, high) = (look["estimate"]["low"].as_f64().unwrap(), look["estimate"]["high"].as_f64().unwrap());
    assert!(0.6 < low && low < high && high < 0.85, "{look}");
}
