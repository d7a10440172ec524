//! What a change reaches, by column, over all kinds.
//!
//! `late of flights.late` is lineage, `reads flights.id` what else decides the rows, `tag id identifier` a tagged column.

use expect_test::expect;

use super::check;
use super::scene::Scene;
use crate::Effect;

const RELAY: &str = "
    source landing | rows 1 | id 1, late 1, note 1 | tag id identifier | owner data@example.com
    table flights <- landing | rows 1 | id 1, late 1 | id of landing.id | late of landing.late | owner data@example.com | checks unique_id not_null_id
    feature_view plans <- flights | rows 1 | late 1 | late of flights.late | reads flights.id | owner ml@example.com
    model delay <- flights, plans | rows 1 | prediction of plans.late flights.late | reads flights.id | owner ml@example.com | checks roc_auc>=0.65
    endpoint ask <- delay | rows 1 | prediction of delay.prediction | owner ml@example.com
    monitor health <- ask, flights | rows 1 | verdict of ask.prediction flights.late | owner ml@example.com
    exposure board <- flights, ask | rows 1 | owner boss@example.com";

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(RELAY.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

#[test]
fn a_column_that_nobody_reads_reaches_nothing_and_says_why() {
    let project = changed(&[("| id 1, late 1 | id of", "| id 1, late 1, extra 1 | extra of landing.note | id of")]);
    check(
        &project,
        RELAY,
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          ~ table         flights                additive: adds extra

          6 unchanged, 1 additive
          No retraining needed.

        Blast radius
          not retrained  delay: none of the 3 columns that it learns from is computed from flights.extra, and their rows stay

        Checks    2 checks on flights
        Undo      baton rollback -e prod [commit]

        stages: build flights, publish
    "#]],
    );
}

#[test]
fn a_changed_column_is_followed_to_model_endpoint_monitor_and_exposure() {
    let project = changed(&[
        ("| id 1, late 1 | id of", "| id 1, late 2 | id of"),
        ("plans <- flights | rows 1 | late 1", "plans <- flights | rows 1 | late 2"),
        ("delay <- flights, plans | rows 1", "delay <- flights, plans | rows 2"),
    ]);
    check(
        &project,
        RELAY,
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          ~ table         flights                breaking: changes late
          ~ feature view  plans                  breaking: changes late
          ~ model         delay                  breaking: what it learns from, or how, differs: it is trained again

          4 unchanged, 3 breaking
          To train: delay

        Blast radius
          feature views  plans (late)
          models         delay: trained again
          endpoints      ask: serves what is trained once its gates hold
          monitors       health
          exposures      board
          owners to ask  boss@example.com (board), data@example.com (flights), ml@example.com (plans, delay, ask, health)

        Checks    2 checks on flights; 1 gate on delay
        Undo      baton rollback -e prod [commit]

        stages: build flights, materialize plans, train delay, publish
    "#]],
    );
}

#[test]
fn other_rows_reach_what_reads_no_changed_column() {
    let project = changed(&[
        ("flights <- landing | rows 1", "flights <- landing | rows 2"),
        ("plans <- flights | rows 1", "plans <- flights | rows 2"),
        ("delay <- flights, plans | rows 1", "delay <- flights, plans | rows 2"),
    ]);
    let plan = Scene::parse(&project, RELAY).plan();
    let reached: Vec<String> = plan.blast_radius.outputs.iter().map(|found| found.asset.to_string()).collect();
    assert_eq!(reached, ["flights", "plans", "delay", "ask", "board", "health"]);
    let effects: Vec<Effect> = plan.blast_radius.outputs.iter().map(|found| found.effect).collect();
    assert_eq!(
        effects[2..],
        [Effect::Retrained, Effect::ServesOtherwise, Effect::ReadsOtherwise, Effect::JudgesOtherwise]
    );
}

#[test]
fn a_tagged_column_that_comes_to_a_new_place_is_named() {
    let project = changed(&[
        ("| id 1, late 1 | id of", "| id 1, late 2 | id of"),
        ("late of landing.late", "late of landing.late landing.id"),
        ("plans <- flights | rows 1 | late 1", "plans <- flights | rows 1 | late 2"),
        ("delay <- flights, plans | rows 1", "delay <- flights, plans | rows 2"),
    ]);
    let plan = Scene::parse(&project, RELAY).plan();
    let flows: Vec<String> =
        plan.blast_radius.flows.iter().map(|flow| format!("{} -> {}", flow.from, flow.to)).collect();
    expect![[r#"
        identifier:landing.id -> ask.prediction
        identifier:landing.id -> delay.prediction
        identifier:landing.id -> flights.late
        identifier:landing.id -> health.verdict
        identifier:landing.id -> plans.late"#]]
    .assert_eq(&flows.join("\n"));
    let again = Scene::parse(&project, &project).plan();
    assert_eq!(again.blast_radius.flows, []);
}

#[test]
fn a_source_that_lands_one_more_column_reaches_nothing() {
    let project = changed(&[(
        "source landing | rows 1 | id 1, late 1, note 1",
        "source landing | rows 2 | id 1, late 1, note 1, extra 1",
    )]);
    check(
        &project,
        RELAY,
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          ~ source        landing                additive: how it is read differs, so every delivery is landed again; adds extra

          6 unchanged, 1 additive
          No retraining needed.

        Blast radius
          not retrained  delay: none of the 3 columns that it learns from is computed from landing.extra, and their rows stay

        Undo      baton rollback -e prod [commit]

        stages: ingest landing, publish
    "#]],
    );
}

#[test]
fn a_table_that_goes_is_told_to_the_exposure_that_loses_it() {
    let with_extra =
        format!("{RELAY}\n    table spare <- landing | rows 1 | id 1 | id of landing.id | owner ops@example.com");
    let mut scene = Scene::parse(RELAY, &with_extra);
    scene.options.former_owners = [(super::scene::name("spare"), "ops@example.com".to_owned())].into();
    scene.options.needs_approval = true;
    let plan = scene.plan();
    assert_eq!(plan.blast_radius.outputs[0].effect, Effect::Disappears);
    assert_eq!(plan.approvals[0].owner, "ops@example.com");
}
