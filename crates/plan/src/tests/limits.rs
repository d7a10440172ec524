//! Plans of a selection, plans that start from nothing, and plans that need approval.

use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, Interval};

use super::scene::{Scene, day, name};
use crate::{Change, HeldAsset, KeptOtherwise, Plan, PlanScope, Stage, render_text, stages};

const TABLES: &str = "
    source landing | rows 1 | id 1
    table days <- landing | rows 1 | id 1 | every 1d | until 2013-07-01 | owner data@example.com
    table log <- landing | rows 1 | id 1 | stateful
    table totals <- days | rows 1 | id 1 | owner boss@example.com";

fn work(plan: &Plan) -> Vec<String> {
    stages(plan).iter().filter_map(Stage::asset).map(AssetName::to_string).collect()
}

fn selecting(mut scene: Scene, names: &[&str], held: &[(&str, Change)]) -> Scene {
    let held = held.iter().map(|(held, change)| {
        let kind = scene.desired.assets[&name(held)].kind;
        HeldAsset { name: name(held), kind, change: *change }
    });
    let scope =
        PlanScope { select: names.iter().map(ToString::to_string).collect(), exclude: vec![], held: held.collect() };
    scene.options.scope = Some((scope, names.iter().map(|found| name(found)).collect()));
    scene
}

#[test]
fn what_is_not_selected_stays_and_is_named() {
    let project = TABLES.replace("totals <- days | rows 1", "totals <- days | rows 2");
    let scene = selecting(Scene::parse(&project, TABLES), &["totals"], &[("days", Change::Breaking)]);
    let plan = scene.plan();
    assert_eq!(work(&plan), ["totals"]);
    let text = render_text(&plan);
    assert!(text.contains("is built on `days` as recorded: what changes there is not selected"), "{text}");
    assert!(text.contains("Not selected, stay as recorded though they have changes: days"), "{text}");
}

#[test]
fn deliveries_of_a_source_that_is_not_selected_wait() {
    let mut scene = selecting(Scene::parse(TABLES, TABLES), &["totals"], &[]);
    scene.deliveries.insert(name("landing"), 3);
    assert!(scene.plan().is_empty());
    scene.options.scope = None;
    assert_eq!(work(&scene.plan()), ["landing", "days", "log", "totals"]);
}

#[test]
fn what_the_project_no_longer_has_stays_unless_it_is_selected() {
    let project = TABLES.replace("table totals <- days | rows 1 | id 1 | owner boss@example.com", "");
    let whole = Scene::parse(&project, TABLES);
    assert_eq!(work(&whole.plan()), ["totals"]);
    assert!(selecting(whole.clone(), &["days"], &[]).plan().is_empty());
    assert_eq!(work(&selecting(whole, &["totals"], &[]).plan()), ["totals"]);
}

#[test]
fn a_full_refresh_makes_incremental_tables_from_nothing_and_never_stateful_ones() {
    let mut scene = Scene::parse(TABLES, TABLES);
    scene.options.full_refresh = true;
    let plan = scene.plan();
    assert_eq!(work(&plan), ["days", "totals"]);
    assert!(plan.asset("days").unwrap().from_nothing);
    assert!(!plan.asset("log").unwrap().from_nothing);
    assert_eq!(plan.notes.len(), 1);
    assert!(plan.notes[0].contains("`log` keeps its rows"), "{:?}", plan.notes);
}

#[test]
fn a_stateful_table_is_recreated_only_by_name_and_the_plan_says_what_is_lost() {
    let project = TABLES.replace("log <- landing | rows 1", "log <- landing | rows 2");
    let mut scene = Scene::parse(&project, TABLES);
    let plan = scene.plan();
    assert!(!plan.asset("log").unwrap().from_nothing);
    assert!(render_text(&plan).contains("keeps the rows it has; new ones follow the new query"));
    scene.options.recreate.insert(name("log"));
    let plan = scene.plan();
    assert!(plan.asset("log").unwrap().from_nothing);
    assert!(render_text(&plan).contains("rows that its inputs no longer have are lost"));
}

#[test]
fn a_stateful_table_that_would_be_kept_otherwise_is_refused_until_it_is_recreated_by_name() {
    let project = TABLES.replace("log <- landing | rows 1 | id 1 | stateful", "log <- landing | rows 2 | id 1");
    let mut scene = Scene::parse(&project, TABLES);
    let kept = KeptOtherwise { before: "append".to_owned(), now: "table".to_owned() };
    scene.options.kept_otherwise.insert(name("log"), kept);
    let refused = "its rows are kept as `append` and cannot be computed again, as `table` they would be lost; \
                   `baton apply --recreate log` does that";
    let plan = scene.plan();
    assert_eq!(plan.asset("log").unwrap().refused.as_deref(), Some(refused));
    assert!(render_text(&plan).contains(&format!("refused: {refused}")), "{}", render_text(&plan));
    scene.options.recreate.insert(name("log"));
    let plan = scene.plan();
    assert!(plan.asset("log").unwrap().from_nothing && plan.asset("log").unwrap().refused.is_none());
    assert!(render_text(&plan).contains("rows that its inputs no longer have are lost"));
    assert!(plan.notes.is_empty());
}

/// A table of a million batches of which every second one is done. Prints how long the answer takes.
#[test]
#[expect(clippy::print_stderr, reason = "the figure is for people")]
fn a_plan_says_what_a_million_batches_lack() {
    let mut scene = Scene::parse(TABLES, TABLES);
    let commit = scene.recorded.as_mut().unwrap();
    let end = day("2013-07-01").timestamp_micros();
    let minute = 60 * MICROS_PER_SECOND;
    let batches = (1..=500_000).map(|at| {
        let start = end - 2 * at * minute;
        Interval { start, end: start + minute }
    });
    commit.assets.get_mut("days").unwrap().intervals = batches.collect();
    scene.desired.assets.get_mut("days").unwrap().batch = Some(60);
    let began = std::time::Instant::now();
    let plan = scene.plan();
    eprintln!("a plan over a table of a million batches: {:?}", began.elapsed());
    let days = plan.asset("days").unwrap();
    assert_eq!(days.missing.ranges().len(), 500_000);
    assert!(days.reasons[0].ends_with(" and 499997 more"), "{:?}", days.reasons);
}

#[test]
fn recreating_what_is_not_stateful_is_noted() {
    let mut scene = Scene::parse(TABLES, TABLES);
    scene.options.recreate.insert(name("days"));
    let plan = scene.plan();
    assert!(plan.is_empty());
    assert_eq!(plan.notes, ["`days` is no stateful table, so --recreate does nothing to it"]);
}

#[test]
fn owners_of_what_breaks_must_approve_where_the_policy_says_so() {
    let project = TABLES
        .replace("days <- landing | rows 1", "days <- landing | rows 2")
        .replace("totals <- days | rows 1", "totals <- days | rows 2");
    let mut scene = Scene::parse(&project, TABLES);
    assert_eq!(scene.plan().approvals, []);
    scene.options.needs_approval = true;
    let owners: Vec<String> = scene.plan().approvals.into_iter().map(|needed| needed.owner).collect();
    assert_eq!(owners, ["boss@example.com", "data@example.com"]);
    let widened = TABLES.replace("days <- landing | rows 1 | id 1", "days <- landing | rows 1 | id 1, more 1");
    let mut scene = Scene::parse(&widened, TABLES);
    scene.options.needs_approval = true;
    assert_eq!(scene.plan().approvals, [], "additions break nothing");
}

#[test]
fn a_redefined_table_whose_rows_the_clock_decides_moves_its_readers() {
    let project = TABLES.replace("days <- landing | rows 1 | id 1", "days <- landing | rows 1 | id 1, more 1");
    let mut scene = Scene::parse(&project, TABLES);
    assert_eq!(work(&scene.plan()), ["days"]);
    let commit = scene.recorded.as_mut().unwrap();
    commit.as_of = day("2013-06-30");
    assert_eq!(work(&scene.plan()), ["days"], "all rows were known before");
    let commit = scene.recorded.as_mut().unwrap();
    let later = day("2013-06-30").timestamp_micros() + 1;
    commit.assets.get_mut(&name("landing")).unwrap().known_through = Some(later);
    assert_eq!(work(&scene.plan()), ["days", "totals"], "rows came to be known since");
}

#[test]
fn a_model_that_is_not_selected_proves_nothing() {
    let project = "
        table days | rows 1 | id 1
        model delay <- days | rows 1 | prediction of days.id";
    let changed =
        project.replace("days | rows 1", "days | rows 2").replace("delay <- days | rows 1", "delay <- days | rows 2");
    let plan = selecting(Scene::parse(&changed, project), &["days"], &[("delay", Change::Breaking)]).plan();
    assert_eq!(plan.blast_radius.spared, []);
    let text = render_text(&plan);
    assert!(!text.contains("No retraining needed"), "{text}");
}
