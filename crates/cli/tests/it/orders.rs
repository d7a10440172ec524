//! Deliveries that follow each other are read in the order in which they came, and what is asked in it is not sorted.

use baton_testkit::project::TestProject;

use crate::shop::at;

fn project() -> TestProject {
    let mut project = TestProject::new(env!("CARGO_BIN_EXE_baton"))
        .file("baton.yml", "project: counted\n")
        .file("sources.yml", "sources:\n  - {name: counted, path: \"landing/*.csv\", load: append}\n")
        .file("tables/per_id.sql", "select id, count(*) as n from counted group by id");
    for part in 0..8 {
        let rows: String = (0..5).map(|row| format!("{},{row}\n", part * 10 + row / 2)).collect();
        project = project.delivery(&format!("landing/part-{part}.csv"), &format!("id,row\n{rows}"), 1_704_326_400);
    }
    project
}

/// On one thread: several hand each other rows as they come.
fn said(project: &TestProject, arguments: &[&str]) -> String {
    let output = project.command(arguments).env("BATON_THREADS", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn deliveries_of_one_landing_keep_their_order() {
    let project = project();
    said(&project, &at(&["apply", "--yes"]));
    let plan = |sql| said(&project, &["query", "-o", "json", sql]);
    let sorted = plan("explain select id from counted order by id");
    assert!(sorted.contains("output_ordering=[id@0 ASC NULLS LAST]") && !sorted.contains("SortExec"), "{sorted}");
    // The table that was made of it is in the same order.
    let sorted = plan("explain select n from per_id order by id");
    assert!(!sorted.contains("SortExec"), "{sorted}");
    let sorted = plan("explain select id from counted order by row");
    assert!(sorted.contains("SortExec"), "{sorted}");
    let read = plan("select count(*) as n, max(id) as last from counted");
    assert!(read.contains("40") && read.contains("72"), "{read}");
}
