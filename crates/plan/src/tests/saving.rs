//! Plans in files: read back as written, refused when anything is not.

use super::scene::Scene;
use crate::{SavedPlan, SavedPlanError};

const TABLES: &str = "
    source landing | rows 1 | id 1
    table days <- landing | rows 1 | id 1 | every 1d | until 2013-06-28";

fn saved() -> SavedPlan {
    let scene = Scene::parse(&TABLES.replace("id 1", "id 2"), TABLES);
    SavedPlan::new("flights", scene.desired.fingerprint(), scene.plan())
}

#[test]
fn a_saved_plan_reads_back() {
    let text = serde_json::to_string_pretty(&saved()).unwrap();
    assert_eq!(SavedPlan::parse(&text), Ok(saved()));
}

#[test]
fn a_plan_that_was_changed_is_refused() {
    let text = serde_json::to_string(&saved()).unwrap();
    for (from, to) in [
        ("\"breaking\"", "\"additive\""),
        ("\"flights\"", "\"other\""),
        ("\"prod\"", "\"dev\""),
        ("\"base\":\"", "\"base\":\"0"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert_eq!(SavedPlan::parse(&changed), Err(SavedPlanError::Tampered), "{from}");
    }
}

#[test]
fn other_versions_and_other_files_are_refused_in_words() {
    let text = serde_json::to_string(&saved()).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":7", 1);
    assert_eq!(SavedPlan::parse(&newer), Err(SavedPlanError::Version { found: 7 }));
    for bad in ["", "select 1", "{}", "[]", "{\"version\": 1}", "{\"version\": \"1\"}"] {
        assert!(matches!(SavedPlan::parse(bad), Err(SavedPlanError::Unreadable(_))), "{bad}");
    }
}

#[test]
fn the_project_fingerprint_tells_every_definition_apart() {
    let of = |text: &str| Scene::parse(text, "").desired.fingerprint();
    let base = of(TABLES);
    for (from, to) in [
        ("rows 1 | id 1\n", "rows 2 | id 1\n"),
        ("id 1 |", "id 2 |"),
        ("days", "weeks"),
        ("| every", "| meta 2 | every"),
    ] {
        assert!(TABLES.contains(from), "{from}");
        assert_ne!(of(&TABLES.replace(from, to)), base, "{from}");
    }
}
