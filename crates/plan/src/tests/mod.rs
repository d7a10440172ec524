//! Plans of small projects, text in, text out.
//!
//! A line is an asset: `kind name <- inputs | rows 1 | a 1, b 1 | meta 1`, where a number stands for a definition: the
//! same number, the same definition. `every 1d` makes a table incremental, `until 2013-06-30` says which days it holds,
//! `waiting 2` gives a source deliveries.

mod blast;
mod estimating;
mod limits;
mod markdown;
mod properties;
mod proving;
mod saving;
mod scene;
mod selecting;
mod text;

use expect_test::{Expect, expect};

use self::scene::Scene;
use crate::{render_text, stages};

/// Plans `project` against `environment` (empty: there is none), as of 2013-07-01.
fn check(project: &str, environment: &str, expected: Expect) {
    let plan = Scene::parse(project, environment).plan();
    let work = stages(&plan);
    let verbs = work.iter().map(|stage| match stage.asset() {
        Some(asset) => format!("{} {asset}", stage.verb()),
        None => stage.verb().to_owned(),
    });
    let stages: Vec<String> = verbs.collect();
    let stages = if stages.is_empty() { "none".to_owned() } else { stages.join(", ") };
    // What a commit's hash covers is not what these tests are about.
    let base = plan.base.as_ref().map_or("no commit", |commit| commit.short());
    let text = render_text(&plan).replace(base, "[commit]");
    expected.assert_eq(&format!("{text}\nstages: {stages}\n"));
}

const RELAY: &str = "
    source landing | rows 1 | id 1, late 1, note 1
    table flights <- landing | rows 1 | id 1, late 1, note 1 | every 1d | until 2013-07-01
    feature_view plans <- flights | rows 1 | late 1
    model delay <- flights, plans | rows 1
    endpoint ask <- delay | rows 1
    monitor health <- ask | rows 1
    exposure board <- ask | rows 1";

fn changed(from: &str, to: &str) -> String {
    assert!(RELAY.contains(from), "{from}");
    RELAY.replace(from, to)
}

#[test]
fn everything_is_new_in_an_empty_environment() {
    check(
        RELAY,
        "",
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          + source        landing                new
          + table         flights                new
          + feature view  plans                  new
          + model         delay                  new
          + endpoint      ask                    new
          + exposure      board                  new
          + monitor       health                 new

          7 new
          To train: delay

        stages: ingest landing, build flights, materialize plans, train delay, deploy ask, watch health, publish
    "#]],
    );
}

#[test]
fn nothing_changes_when_the_environment_is_what_the_project_asks_for() {
    check(
        RELAY,
        RELAY,
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          No changes: the environment is what the project asks for.

        stages: none
    "#]],
    );
}

#[test]
fn metadata_alone_does_no_work_and_trains_nothing() {
    let described = RELAY.replace("| rows 1", "| rows 1 | meta 2");
    check(
        &described,
        RELAY,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              ~ source        landing                metadata only: owner, description, tags, checks or freshness differ
              ~ table         flights                metadata only: owner, description, tags, checks, grain, batch or lookback differ
              ~ feature view  plans                  metadata only: owner, description or tags differ
              ~ model         delay                  metadata only: owner, description, tags, gates, slices or retrain policy differ
              ~ endpoint      ask                    metadata only: owner, description or tags differ
              ~ exposure      board                  metadata only: owner, description or tags differ
              ~ monitor       health                 metadata only: owner, description or tags differ

              7 metadata only
              No retraining needed.

            Undo      baton rollback -e prod [commit]

            stages: ingest landing, build flights, publish
        "#]],
    );
}

#[test]
fn a_column_that_nobody_reads_trains_nothing() {
    let project = changed(
        "flights <- landing | rows 1 | id 1, late 1, note 1",
        "flights <- landing | rows 1 | id 1, late 1, note 1, extra 1",
    );
    check(
        &project,
        RELAY,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              ~ table         flights                additive: adds extra

              6 unchanged, 1 additive
              No retraining needed.

            Blast radius
              not retrained  delay: none of the 0 columns that it learns from is computed from flights.extra, and their rows stay

            Undo      baton rollback -e prod [commit]

            stages: build flights, publish
        "#]],
    );
}

#[test]
fn a_column_computed_otherwise_is_breaking_and_reaches_its_readers() {
    let project = changed("flights <- landing | rows 1 | id 1, late 1", "flights <- landing | rows 1 | id 1, late 2")
        .replace("plans <- flights | rows 1 | late 1", "plans <- flights | rows 1 | late 2")
        .replace("delay <- flights, plans | rows 1", "delay <- flights, plans | rows 2");
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
              endpoints      ask: serves what is trained once its gates hold
              monitors       health
              exposures      board

            Undo      baton rollback -e prod [commit]

            stages: build flights, materialize plans, train delay, publish
        "#]],
    );
}

#[test]
fn other_rows_are_breaking_and_all_columns_are_named_as_one() {
    let project =
        changed("source landing | rows 1 | id 1, late 1, note 1", "source landing | rows 2 | id 2, late 2, note 2");
    check(
        &project,
        RELAY,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              ~ source        landing                breaking: how it is read differs, so every delivery is landed again; changes every column

              6 unchanged, 1 breaking
              No retraining needed.

            Blast radius
              not retrained  delay: none of the 0 columns that it learns from is computed from landing.id and 2 more changed columns, and their rows stay

            Undo      baton rollback -e prod [commit]

            stages: ingest landing, publish
        "#]],
    );
}

#[test]
fn a_column_that_goes_is_breaking() {
    let project =
        changed("flights <- landing | rows 1 | id 1, late 1, note 1", "flights <- landing | rows 1 | id 1, late 1");
    check(
        &project,
        RELAY,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              ~ table         flights                breaking: removes note

              6 unchanged, 1 breaking
              No retraining needed.

            Blast radius
              not retrained  delay: none of the 0 columns that it learns from is computed from flights.note, and their rows stay

            Undo      baton rollback -e prod [commit]

            stages: build flights, publish
        "#]],
    );
}

#[test]
fn another_kind_is_breaking() {
    let project = changed("exposure board <- ask", "monitor board <- ask");
    check(
        &project,
        RELAY,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              ~ monitor       board                  breaking: changes from exposure to monitor

              6 unchanged, 1 breaking
              No retraining needed.

            Undo      baton rollback -e prod [commit]

            stages: watch board, publish
        "#]],
    );
}

#[test]
fn what_the_project_no_longer_has_is_removed_last() {
    let project = changed("exposure board <- ask | rows 1", "").replace("monitor health <- ask | rows 1", "");
    check(
        &project,
        RELAY,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              - exposure      board                  removed: the project no longer has it; its versions stay until garbage collection
              - monitor       health                 removed: the project no longer has it; its versions stay until garbage collection

              5 unchanged, 2 removed
              No retraining needed.

            Undo      baton rollback -e prod [commit]

            stages: remove board, remove health, publish
        "#]],
    );
}

#[test]
fn deliveries_move_what_is_made_of_them_and_train_nothing() {
    let project = changed("source landing | rows 1", "source landing | waiting 2 | rows 1");
    check(
        &project,
        RELAY,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              > source        landing                new data: 2 new deliveries
              > table         flights                new data: reads landing
              > feature view  plans                  new data: reads flights

              4 unchanged, 3 new data
              No retraining needed.

            Undo      baton rollback -e prod [commit]

            stages: ingest landing, build flights, materialize plans, publish
        "#]],
    );
}

#[test]
fn one_delivery_is_not_counted_as_several_and_none_is_not_counted() {
    let sources = "
        source a | rows 1
        source b | rows 1
        source c | rows 1";
    let waiting = sources.replace("a | rows", "a | waiting 1 | rows").replace("b | rows", "b | waiting 0 | rows");
    check(
        &waiting,
        sources,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              > source        a                      new data: 1 new delivery

              2 unchanged, 1 new data

            Undo      baton rollback -e prod [commit]

            stages: ingest a, publish
        "#]],
    );
}

#[test]
fn an_incremental_table_lacks_the_whole_days_since_it_was_built() {
    let environment = changed("until 2013-07-01", "until 2013-06-28");
    check(
        RELAY,
        &environment,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              > table         flights                new data: lacks [2013-06-28T00:00, 2013-07-01T00:00)
              > feature view  plans                  new data: reads flights

              5 unchanged, 2 new data
              No retraining needed.

            Undo      baton rollback -e prod [commit]

            stages: build flights, materialize plans, publish
        "#]],
    );
}

#[test]
fn an_environment_ahead_of_the_clock_lacks_nothing() {
    let environment = changed("until 2013-07-01", "until 2013-08-01");
    check(
        RELAY,
        &environment,
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          No changes: the environment is what the project asks for.

        stages: none
    "#]],
    );
}

#[test]
fn a_hole_is_missing_too() {
    let project = "table flights | rows 1 | every 1d";
    let environment = "table flights | rows 1 | every 1d | until 2013-06-20 | between 2013-06-25 2013-07-01";
    check(
        project,
        environment,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              > table         flights                new data: lacks [2013-06-20T00:00, 2013-06-25T00:00)

              1 new data

            Undo      baton rollback -e prod [commit]

            stages: build flights, publish
        "#]],
    );
}

#[test]
fn a_table_that_was_never_filled_lacks_nothing_that_can_be_named() {
    let project = "table flights | rows 1 | every 1d";
    check(
        project,
        project,
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          No changes: the environment is what the project asks for.

        stages: none
    "#]],
    );
}

#[test]
fn several_reasons_are_all_told() {
    let project = "
        source landing | waiting 3 | rows 1
        table flights <- landing | rows 1 | every 1d | meta 2";
    let environment = "
        source landing | rows 1
        table flights <- landing | rows 1 | every 1d | until 2013-06-28";
    check(
        project,
        environment,
        expect![[r#"
            Plan for environment `prod` as of 2013-07-01 00:00 UTC

              > source        landing                new data: 3 new deliveries
              > table         flights                new data: owner, description, tags, checks, grain, batch or lookback differ; lacks [2013-06-28T00:00, 2013-07-01T00:00); reads landing

              2 new data

            Undo      baton rollback -e prod [commit]

            stages: ingest landing, build flights, publish
        "#]],
    );
}

#[test]
fn an_environment_from_before_metadata_was_recorded_does_not_change() {
    let environment = RELAY.replace("| rows 1", "| rows 1 | meta none");
    check(
        RELAY,
        &environment,
        expect![[r#"
        Plan for environment `prod` as of 2013-07-01 00:00 UTC

          No changes: the environment is what the project asks for.

        stages: none
    "#]],
    );
}

#[test]
fn a_plan_reads_back_from_its_json() {
    let plan = Scene::parse(&changed("late 1, note 1 | every", "late 2 | every"), RELAY).plan();
    let text = serde_json::to_string(&plan).unwrap();
    let again: crate::Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(again, plan);
    assert_eq!(stages(&again), stages(&plan));
}
