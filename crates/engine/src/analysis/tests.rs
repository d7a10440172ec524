//! Analysis of queries over a small schema: lineage, types, and every problem at its place.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, TimeUnit};
use expect_test::{Expect, expect};

use super::*;

fn tables() -> BTreeMap<String, SchemaRef> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let table = |columns: &[(&str, DataType)]| {
        let fields: Vec<Field> = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
        Arc::new(Schema::new(fields))
    };
    let flights = [
        ("id", DataType::Int64),
        ("carrier", DataType::Utf8),
        ("delay", DataType::Float64),
        ("at", instant.clone()),
        ("_available_at", instant),
    ];
    let carriers = [("code", DataType::Utf8), ("name", DataType::Utf8), ("country", DataType::Utf8)];
    BTreeMap::from([("flights".to_owned(), table(&flights)), ("carriers".to_owned(), table(&carriers))])
}

fn names(columns: &BTreeSet<TableColumn>) -> String {
    columns.iter().map(|(table, column)| format!("{table}.{column}")).collect::<Vec<_>>().join(" ")
}

fn reads(sql: &str, expected: &Expect) {
    let analysis = analyze(&tables(), "t", sql).unwrap();
    let mut lines: Vec<String> = analysis
        .schema
        .iter()
        .map(|(name, kind, _)| format!("{name} {kind}: {}", names(&analysis.column_lineage[name])))
        .collect();
    lines.push(format!("rows: {}", names(&analysis.row_lineage)));
    expected.assert_eq(&lines.join("\n"));
}

fn problems(sql: &str, expected: &Expect) {
    let problems = analyze(&tables(), "t", sql).unwrap_err();
    let line = |problem: &SqlProblem| {
        let shown: Vec<&str> = problem.candidates.iter().take(5).map(String::as_str).collect();
        let candidates = if shown.is_empty() { String::new() } else { format!(" [{}]", shown.join(" ")) };
        format!("{}:{}+{} {}{candidates}", problem.line, problem.column, problem.length, problem.message)
    };
    expected.assert_eq(&problems.iter().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn columns_and_rows_are_traced_through_every_node() {
    reads(
        "with late as (select carrier, delay > 15 as is_late from flights where at is not null)
         select c.name as carrier_name, sum(case when is_late then 1 else 0 end) as late, count(*) as n
         from late l join carriers c on l.carrier = c.code group by c.name having count(*) > 2",
        &expect![[r#"
            carrier_name Utf8: carriers.name
            late Int64: flights.delay
            n Int64: 
            rows: carriers.code carriers.name flights.at flights.carrier"#]],
    );
    reads(
        "select id, delay - lag(delay) over (partition by carrier order by at) as change from flights
         where carrier in (select code from carriers where country = 'US')",
        &expect![[r#"
            id Int64: flights.id
            change Float64: flights.at flights.carrier flights.delay
            rows: carriers.code carriers.country flights.carrier"#]],
    );
    reads(
        "select id, (select max(name) from carriers) as top, carrier || '!' as c from flights
         union all select 1, country, name from carriers order by 1 limit 3",
        &expect![[r#"
            id Int64: flights.id
            top Utf8: carriers.country carriers.name
            c Utf8: carriers.name flights.carrier
            rows: flights.id"#]],
    );
    reads(
        "select * from flights",
        &expect![[r#"
        id Int64: flights.id
        carrier Utf8: flights.carrier
        delay Float64: flights.delay
        at Timestamp(µs, "UTC"): flights.at
        rows: "#]],
    );
}

#[test]
fn problems_have_their_place_and_the_valid_names() {
    problems("select id, dely from flights", &expect!["1:12+4 there is no column `dely` [at carrier delay id]"]);
    problems(
        "select id,\n  f.dely, carier\nfrom flights f where dlay > 3",
        &expect![[r#"
        2:3+6 `f` has no column `dely` [at carrier delay id]
        2:11+6 there is no column `carier` [at carrier delay id]
        3:22+4 there is no column `dlay` [at carrier delay id]"#]],
    );
    problems(
        "select * from flihgts join carrier on true",
        &expect![[r#"
        1:15+7 there is no table `flihgts` [carriers flights]
        1:28+7 there is no table `carrier` [carriers flights]"#]],
    );
    problems(
        "select id from flights f where x.id = 1",
        &expect!["1:32+4 there is no table or alias `x` here (in `x.id`)"],
    );
    problems(
        "select id from flights where carrier + delay > now()",
        &expect!["1:1+0 cannot coerce arithmetic expression Utf8 + Float64 to valid types"],
    );
    problems("select id from\nflights wher id = 1 and", &expect!["2:14+2 expected end of statement, found id"]);
    problems(
        "select sum(carrier) as s from flights",
        &expect!["1:8+3 `sum` cannot take a value of type Utf8: cast it"],
    );
    problems(
        "select carrier, sum(delay) as s from flights",
        &expect!["1:8+7 `flights.carrier` must be in `group by` or inside an aggregate function"],
    );
    problems("select upperr(carrier) as s from flights", &expect!["1:8+6 there is no function `upperr` [upper]"]);
    problems("select averge(delay) as s from flights", &expect!["1:8+6 there is no function `averge`"]);
    problems("select foo(delay) as s from flights", &expect!["1:8+3 there is no function `foo`"]);
    problems("select id, id from flights", &expect!["1:8+2 two output columns are called `id`: rename one with `as`"]);
    problems(
        "select id from flights where carrier",
        &expect!["1:30+7 `carrier` is Utf8 and stands where a condition has to be: compare it with something"],
    );
    problems("select cast(id as number8) as n from flights", &expect!["1:19+7 there is no type `number8`"]);
    problems(
        "select count(*), id + 1 from flights group by id",
        &expect![[r#"
        1:8+8 the output column `count(*)` needs a name: write `… as some_name`
        1:1+0 the output column `flights.id + Int64(1)` needs a name: write `… as some_name`"#]],
    );
    problems(
        "select id, delay as id from flights",
        &expect!["1:8+2 more than one column is called `id`: write `table.id`, or rename one with `as`"],
    );
    problems(
        "select id as _id, uuid() as u from flights",
        &expect![[r#"
        1:19+4 `uuid()` gives another value each time, so the table could not be built again: derive the value from columns
        1:14+3 the output column `_id` begins with `_`, which is kept for system columns: rename it with `as`"#]],
    );
    problems(
        "select id from flights union all select code, name from carriers",
        &expect!["1:1+64 UNION queries have different number of columns"],
    );
    problems(
        "select 'a' - interval '1 day' as x, carriers.name from flights",
        &expect!["1:37+13 there is no table or alias `carriers` here (in `carriers.name`)"],
    );
    problems("drop table flights", &expect!["1:1+0 a table is made by a SELECT; this statement is something else"]);
    problems("", &expect!["1:1+0 no SQL here: write a SELECT"]);
    problems("select id from t", &expect!["1:1+0 `t` reads itself: a table cannot be its own input"]);
}

#[test]
fn references_need_no_schemas() {
    let sql = "with a as (select * from x where k in (select k from y)), b as (select * from a)
               select *, (select max(v) from z) as m from b join w on exists (select 1 from q) left join b as c on true";
    let found: Vec<String> = table_references(sql).unwrap().into_iter().collect();
    assert_eq!(found, ["q", "w", "x", "y", "z"]);
}

#[test]
fn queries_that_ask_for_the_clock_are_known() {
    let reads = |sql: &str| analyze(&tables(), "t", sql).unwrap().reads_clock;
    assert!(reads("select id from flights where at > now() - interval '1 day'"));
    assert!(reads("select id, current_date as today from flights"));
    assert!(!reads("select id, date_trunc('day', at) as day from flights where delay > 15"));
}
