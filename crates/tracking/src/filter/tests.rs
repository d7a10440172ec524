//! Filters as MLflow reads them: what each means, and how wrong ones are refused.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn shown(condition: &Condition) -> String {
    match condition {
        Condition::All(all) => format!("all({})", all.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Condition::Any(any) => format!("any({})", any.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Condition::Not(condition) => format!("not({})", shown(condition)),
        Condition::Is(Comparison { entity, key, operator, value }) => {
            format!("{}|{key}| {} {}", entity.as_deref().unwrap_or("-"), operator.as_str(), value.shown())
        }
    }
}

fn check(dialect: Dialect, filters: &[&str], expected: Expect) {
    let mut all = String::new();
    for filter in filters {
        let told = match parse(filter, dialect) {
            Ok(condition) => shown(&condition),
            Err(error) => error.to_string(),
        };
        writeln!(all, "{filter}\n    {told}").unwrap();
    }
    expected.assert_eq(&all);
}

#[test]
fn comparisons_are_joined_by_and() {
    check(
        Dialect::Plain,
        &[
            "",
            "metrics.loss < 1 and params.lr = '0.1'",
            "metrics.a > -1 AND metrics.`b c` <= 1e-3 AND",
            "tags.mlflow.runName LIKE '%'",
            r#"tags.mlflow.loggedArtifacts LIKE '%"path"%:%"tbl.json",%' and attributes.run_id IN ('a', "b")"#,
            r#"params."x y" ILIKE "V%" and run_id not in ('c')"#,
            "params.p IS NULL and tags.`t` is not null",
            "`metrics`.acc != .5",
            "start_time >= 1700000000000",
            "params.quoted = 'it''s'",
        ],
        expect![[r#"

                all()
            metrics.loss < 1 and params.lr = '0.1'
                all(metrics|loss| < 1, params|lr| = '0.1')
            metrics.a > -1 AND metrics.`b c` <= 1e-3 AND
                all(metrics|a| > -1, metrics|b c| <= 1e-3)
            tags.mlflow.runName LIKE '%'
                all(tags|mlflow.runName| LIKE '%')
            tags.mlflow.loggedArtifacts LIKE '%"path"%:%"tbl.json",%' and attributes.run_id IN ('a', "b")
                all(tags|mlflow.loggedArtifacts| LIKE '%"path"%:%"tbl.json",%', attributes|run_id| IN ('a', 'b'))
            params."x y" ILIKE "V%" and run_id not in ('c')
                all(params|x y| ILIKE 'V%', -|run_id| NOT IN ('c'))
            params.p IS NULL and tags.`t` is not null
                all(params|p| IS NULL , tags|t| IS NOT NULL )
            `metrics`.acc != .5
                all(metrics|acc| != .5)
            start_time >= 1700000000000
                all(-|start_time| >= 1700000000000)
            params.quoted = 'it''s'
                all(params|quoted| = 'it''s')
        "#]],
    );
}

#[test]
fn what_is_no_comparison_is_told_in_mlflows_words() {
    check(
        Dialect::Plain,
        &[
            "metrics.a > 1 OR metrics.b > 1",
            "NOT metrics.a > 1",
            "(metrics.a > 1)",
            "metrics.a > 1; metrics.b > 1",
            "metrics.a",
            "1 < metrics.a",
            "params.p = 'open",
            "run_id IN ()",
            "run_id IN ('a' 'b')",
            "run_id IN (1)",
            "metrics.a <> 1",
        ],
        expect![[r#"
            metrics.a > 1 OR metrics.b > 1
                Invalid clause(s) in filter string: 'OR'
            NOT metrics.a > 1
                Invalid clause(s) in filter string: 'NOT'
            (metrics.a > 1)
                Invalid clause(s) in filter string: '(metrics.a > 1)'
            metrics.a > 1; metrics.b > 1
                Search filter contained multiple expression 'metrics.a > 1; metrics.b > 1'. Provide AND-ed expression list.
            metrics.a
                Invalid clause(s) in filter string: 'metrics.a'
            1 < metrics.a
                Invalid comparison clause. Expected 'Identifier' found '1'
            params.p = 'open
                Invalid clause(s) in filter string: ''open'
            run_id IN ()
                While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.
            run_id IN ('a' 'b')
                While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.
            run_id IN (1)
                While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.
            metrics.a <> 1
                Invalid comparator '<>'
        "#]],
    );
}

#[test]
fn more_is_understood_where_it_is_asked_for() {
    check(
        Dialect::Extended,
        &[
            "metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1",
            "NOT (metrics.a > 1 OR tags.t = 'x') AND params.p = 'y'",
            "(metrics.a > 1",
            "metrics.a > 1 metrics.b > 1",
            "",
        ],
        expect![[r#"
            metrics.a > 1 OR metrics.b > 1 AND metrics.c > 1
                any(metrics|a| > 1, all(metrics|b| > 1, metrics|c| > 1))
            NOT (metrics.a > 1 OR tags.t = 'x') AND params.p = 'y'
                all(not(any(metrics|a| > 1, tags|t| = 'x')), params|p| = 'y')
            (metrics.a > 1
                Invalid clause(s) in filter string: 'the end'
            metrics.a > 1 metrics.b > 1
                Invalid clause(s) in filter string: 'metrics.b'

                all()
        "#]],
    );
}

#[test]
fn orders_are_a_key_and_a_direction() {
    let mut all = String::new();
    for clause in [
        "metrics.`a b` DESC",
        "start_time",
        "tags.x asc",
        "metrics.a metrics.b DESC",
        "a DESCENDING",
        "a,b",
        "`a,b`",
        "`open",
        "",
    ] {
        let told = match order(&[clause.to_owned()]) {
            Ok(orders) => format!("{orders:?}"),
            Err(error) => error.to_string(),
        };
        writeln!(all, "{clause}\n    {told}").unwrap();
    }
    expect![[r#"
        metrics.`a b` DESC
            [Order { entity: Some("metrics"), key: "a b", ascending: false }]
        start_time
            [Order { entity: None, key: "start_time", ascending: true }]
        tags.x asc
            [Order { entity: Some("tags"), key: "x", ascending: true }]
        metrics.a metrics.b DESC
            Invalid order_by clause 'metrics.a metrics.b DESC'. Could not be parsed.
        a DESCENDING
            Invalid ordering key in order_by clause 'a DESCENDING'.
        a,b
            Invalid order_by clause 'a,b'. Could not be parsed.
        `a,b`
            [Order { entity: None, key: "a,b", ascending: true }]
        `open
            Invalid order_by clause '`open'. Could not be parsed.

            Invalid order_by clause ''. Could not be parsed.
    "#]]
    .assert_eq(&all);
}

#[test]
fn nesting_has_an_end() {
    let deep = format!("{}metrics.a > 1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse(&deep, Dialect::Extended).unwrap_err().to_string().contains("nested"));
}

proptest! {
    /// Whatever is sent is answered, and no part of a text is cut in the middle of a letter.
    #[test]
    fn no_text_is_too_odd(text in "[a-z.`\"'()<>=!;, ANDORé0-9-]{0,60}") {
        let _either = parse(&text, Dialect::Plain);
        let _either = parse(&text, Dialect::Extended);
        let _either = order(&[text]);
    }
}
