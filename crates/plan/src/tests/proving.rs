//! What recorded data takes away from what fingerprints say.
//!
//! `declared` says that an asset's own declaration is the recorded one: what differs comes from what it reads.

use expect_test::expect;

use super::scene::{Scene, name};
use crate::{Plan, Proven, render_text};

/// A source of which `k` is declared otherwise, so that all fingerprints below it differ.
const BEFORE: &str = "
    source landing | rows 1 | id 1, k 1, x 1
    table by_k <- landing | rows 1 | id 1, k 1 | id of landing.id | k of landing.k | reads landing.k
    table by_x <- landing | rows 1 | id 1, x 1 | id of landing.id | x of landing.x | reads landing.x
    table names <- by_x | rows 1 | id 1 | id of by_x.id
    feature_view points <- by_x | rows 1 | x 1 | x of by_x.x | reads by_x.id
    model score <- by_x, points | rows 1 | prediction of points.x | reads by_x.id
    exposure board <- names, by_k | rows 1";

fn retyped() -> String {
    let others = [
        ("| rows 1 | id 1, k 1, x 1", "| rows 2 | id 2, k 2, x 2"),
        ("<- landing | rows 1", "<- landing | declared | rows 2"),
    ];
    let more = [
        ("<- by_x | rows 1", "<- by_x | declared | rows 2"),
        ("<- by_x, points | rows 1", "<- by_x, points | declared | rows 2"),
    ];
    let all = others.iter().chain(&more).fold(BEFORE.to_owned(), |text, (from, to)| text.replace(from, to));
    all.replace("id 1", "id 2").replace("x 1", "x 2").replace("k 1", "k 2")
}

fn proven(rows: bool, columns: &[&str]) -> Proven {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    Proven { rows, columns, proof: "tried".to_owned() }
}

fn plan_with(project: &str, of: &str, proven: Proven) -> Plan {
    let mut scene = Scene::parse(project, BEFORE);
    scene.options.proven = [(name(of), proven)].into();
    scene.plan()
}

/// Outputs that change, with `*` for other rows, then what is made again and stays.
fn radius(plan: &Plan) -> String {
    let outputs = plan.blast_radius.outputs.iter().map(|output| {
        let rows = if output.rows { "*" } else { "" };
        format!("{}{rows}({})", output.asset, output.columns.join(" "))
    });
    let unchanged = plan.blast_radius.unchanged.iter().map(|stays| stays.asset.to_string());
    format!("{} | {}", outputs.collect::<Vec<_>>().join(" "), unchanged.collect::<Vec<_>>().join(" "))
}

#[test]
fn without_a_proof_every_reader_may_have_other_rows() {
    let plan = Scene::parse(&retyped(), BEFORE).plan();
    expect!["landing*(id k x) by_k*(id k) by_x*(id x) names*(id) board*() points*(x) score*() | "]
        .assert_eq(&radius(&plan));
}

#[test]
fn rows_that_stay_leave_those_alone_that_do_not_read_the_column() {
    let plan = plan_with(&retyped(), "landing", proven(true, &["id", "x"]));
    expect!["landing(k) by_k*(k) board*() | by_x names points score"].assert_eq(&radius(&plan));
    // It is made again all the same, and says why.
    let work: Vec<String> = crate::stages(&plan).iter().filter_map(|stage| Some(stage.asset()?.to_string())).collect();
    assert_eq!(work, ["landing", "by_k", "by_x", "names", "points", "score"]);
    let reasons = &plan.asset("names").unwrap().reasons;
    assert_eq!(reasons.last().unwrap(), "made again, to the same result: nothing that it reads changes");
    assert_eq!(plan.asset("landing").unwrap().reasons.last().unwrap(), "the rows stay: tried");
}

#[test]
fn a_table_that_was_tried_and_stays_ends_the_radius() {
    let project = BEFORE
        .replace("by_x <- landing | rows 1", "by_x <- landing | rows 2")
        .replace("<- by_x | rows 1", "<- by_x | declared | rows 2")
        .replace("<- by_x, points | rows 1", "<- by_x, points | declared | rows 2");
    let mut scene = Scene::parse(&project, BEFORE);
    scene.options.proven = [(name("by_x"), proven(true, &[]))].into();
    let plan = scene.plan();
    expect![" | by_x names points score"].assert_eq(&radius(&plan));
    assert_eq!(plan.blast_radius.owners, []);
    let text = render_text(&plan);
    assert!(text.contains("made again, to the same result: tried\n"), "{text}");
    assert!(text.contains("\nBlast radius\n  same result    by_x, names, points, score (made again)\n"), "{text}");
}

#[test]
fn nothing_is_proven_of_what_takes_in_data() {
    let project = retyped().replace("source landing |", "source landing | waiting 1 |");
    let plan = plan_with(&project, "landing", proven(true, &["id", "x"]));
    expect!["landing*(id k x) by_k*(id k) by_x*(id x) names*(id) board*() points*(x) score*() | "]
        .assert_eq(&radius(&plan));
}

#[test]
fn a_column_that_goes_is_no_longer_in_the_lineage_and_counts_all_the_same() {
    let before = "
        table wide <- spare | rows 1 | id 1, x 1, y 1
        source spare | rows 1 | id 1, x 1, y 1
        feature_view all <- wide | rows 1 | x 1, y 1 | x of wide.x | y of wide.y
        model score <- wide, all | rows 1 | prediction of all.x all.y";
    let now = before
        .replace("wide | rows 1 | x 1, y 1 | x of wide.x | y of wide.y", "wide | rows 1 | x 1 | x of wide.x")
        .replace(
            "<- wide, all | rows 1 | prediction of all.x all.y",
            "<- wide, all | declared | rows 2 | prediction of all.x",
        );
    let plan = Scene::parse(&now, before).plan();
    expect!["all(y) score*() | "].assert_eq(&radius(&plan));
}
