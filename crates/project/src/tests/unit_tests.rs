//! Unit tests as they are read.

use baton_core::asset::Load;
use baton_core::unit_test::RowForm;
use serde_json::json;

use super::*;

const FIXTURE: &str = "-- /baton.yml
project: flights
vars: {limit: 15}
sources:
  - {name: flights, path: x}
-- /tables/late.sql
select * from flights where delay > {{ var('limit') }}
-- /tests/late.yml
tests:
  - name: after_two_batches
    table: late
    vars: {limit: 30}
    batches:
      - as_of: 2013-07-02
        given: {flights: {csv: \"id,delay\\n1,31\\n\", load: replace}}
      - given:
          flights: [{id: 2, delay: 40, note: }]
    expect: {rows: [{id: 2}], ordered: true, tolerance: 0.5}
";

#[test]
fn values_keep_their_places() {
    let project = load_good(FIXTURE);
    let [test] = project.tests.as_slice() else { panic!("{:?}", project.tests) };
    assert_eq!((test.name.as_str(), test.target.as_str(), test.origin.line), ("after_two_batches", "late", 2));
    assert_eq!(test.vars, [("limit".to_owned(), json!(30))].into());
    let [first, second] = test.batches.as_slice() else { panic!("{:?}", test.batches) };
    assert_eq!(first.as_of.map(|at| at.to_rfc3339()).as_deref(), Some("2013-07-02T00:00:00+00:00"));
    assert_eq!((first.given[0].load, first.expect.is_none()), (Some(Load::Replace), true));
    assert_eq!(first.given[0].rows.form, RowForm::Csv("id,delay\n1,31\n".to_owned()));
    let RowForm::Objects(rows) = &second.given[0].rows.form else { panic!("{:?}", second.given) };
    let cells: Vec<_> = rows[0].cells.iter().map(|cell| (cell.column.as_str(), cell.value.clone())).collect();
    assert_eq!(cells, [("id", json!(2)), ("delay", json!(40)), ("note", json!(null))]);
    assert_eq!((rows[0].cells[1].spot.line, rows[0].cells[1].spot.column), (9, 36));
    let expect = second.expect.as_ref().unwrap();
    assert_eq!((expect.ordered, expect.tolerance), (true, Some(0.5)));
}

#[test]
fn variables_of_a_test_come_before_those_of_the_project() {
    let project = load_good(FIXTURE);
    let sql = |project: &Project| match &project.assets["late"].definition {
        baton_core::Definition::Table(table) => table.sql.trim().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(sql(&project), "select * from flights where delay > 15");
    let (other, found) = project.with_vars(&project.tests[0].vars);
    assert_eq!(found, []);
    assert_eq!(sql(&other), "select * from flights where delay > 30");
}
