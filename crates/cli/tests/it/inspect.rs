//! What `check` says of projects that are valid and likely wrong, and that it is silent where they are not.

use baton_testkit::project::TestProject;
use expect_test::expect;

use crate::shop::{check, empty};

const SOURCES: &str = "\
sources:
  - name: orders
    connector: file
    path: landing/orders.csv
    columns:
      - {name: order_id, type: int, checks: [not_null, unique]}
      - {name: customer, type: string, checks: [not_null]}
      - {name: total, type: float}
      - {name: ordered_at, type: timestamp, checks: [not_null]}
      - {name: returned, type: bool}
  - name: lines
    connector: file
    path: landing/lines.csv
    columns:
      - {name: order_id, type: int, checks: [not_null]}
      - {name: line_no, type: int, checks: [not_null]}
      - {name: price, type: float}
    checks:
      - unique: [order_id, line_no]
";

fn project() -> TestProject {
    empty()
        .file("baton.yml", "project: orders\nenvironments: {prod: {}}\n")
        .file("sources.yml", SOURCES)
        .file(
            "landing/orders.csv",
            "order_id,customer,total,ordered_at,returned\n1,ada,3.5,2024-01-01T00:00:00Z,false\n",
        )
        .file("landing/lines.csv", "order_id,line_no,price\n1,1,3.5\n")
}

#[test]
fn joins_that_multiply_rows_are_told() {
    let project = project()
        .file(
            "tables/priced.sql",
            "{{ config(grain=['order_id']) }}\nselect o.order_id, o.total, l.price\nfrom orders o\njoin lines l on l.order_id = o.order_id\n",
        )
        .file(
            "tables/spent.sql",
            "select o.customer, sum(o.total) as total, sum(l.price) as price\nfrom orders o join lines l on l.order_id = o.order_id\ngroup by o.customer\n",
        );
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 4 assets, no errors
        --- stderr
        warning[S0302]: table `priced` declares one row for each `order_id`, and its join with `lines` yields several
           ╭─[tables/priced.sql:4:17]
         3 │ from orders o
         4 │ join lines l on l.order_id = o.order_id
           ·                 ─────┬────
           ·                      ╰── rows of `orders` meet several of `lines`
           ╰────
          detail: A row of `lines` is one by `order_id`, `line_no`, and the join fixes `order_id` only.
          help: aggregate `lines` by `order_id` before the join, or join on all of `order_id`, `line_no`

        warning[S0302]: table `spent` adds up rows of `orders` again for each row of `lines` that they are joined with, in `sum(o.total)`
           ╭─[tables/spent.sql:2:31]
         1 │ select o.customer, sum(o.total) as total, sum(l.price) as price
         2 │ from orders o join lines l on l.order_id = o.order_id
           ·                               ─────┬────
           ·                                    ╰── rows of `orders` meet several of `lines`
         3 │ group by o.customer
           ╰────
          detail: A row of `lines` is one by `order_id`, `line_no`, and the join fixes `order_id` only.
          help: aggregate `lines` by `order_id` before the join, or join on all of `order_id`, `line_no`

        0 errors, 2 warnings
    "#]],
    );
}

#[test]
fn joins_on_whole_keys_and_after_grouping_are_fine() {
    let project = project()
        .file(
            "tables/priced.sql",
            "{{ config(grain=['order_id', 'line_no']) }}\nselect o.order_id, l.line_no, l.price\nfrom orders o\njoin lines l on l.order_id = o.order_id\n",
        )
        .file(
            "tables/spent.sql",
            "{{ config(grain=['customer']) }}\nwith priced as (select order_id, sum(price) as price from lines group by order_id)\n\
             select o.customer, sum(o.total) as total, sum(p.price) as price\nfrom orders o join priced p on p.order_id = o.order_id\ngroup by o.customer\n",
        );
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 4 assets, no errors
    "#]],
    );
}

const TABLES: &str = "\
tables:
  - name: sizes
    columns:
      - {name: size, checks: [not_null]}
      - {name: price, checks: [not_null]}
";

#[test]
fn columns_that_must_not_be_null_and_can_be_are_told() {
    let project = project().file("tables.yml", TABLES).file(
        "tables/sizes.sql",
        "{{ config(grain=['line_no', 'order_id']) }}\nselect o.order_id, l.line_no, l.price,\n  case when o.total > 100 then 'large' when o.total > 10 then 'small' end as size\n\
         from orders o left join lines l on l.order_id = o.order_id\n",
    );
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 3 assets, no errors
        --- stderr
        warning[S0301]: column `line_no` of table `sizes` is part of the grain and can be null
           ╭─[tables/sizes.sql:2:22]
         1 │ {{ config(grain=['line_no', 'order_id']) }}
         2 │ select o.order_id, l.line_no, l.price,
           ·                      ───┬───
           ·                         ╰── can be null
         3 │   case when o.total > 100 then 'large' when o.total > 10 then 'small' end as size
           ╰────
          detail: The left join finds no row of `lines` for some rows.
          help: give it a value with `coalesce`, or keep only rows where `line_no` is not null

        warning[S0301]: column `price` of table `sizes` is declared not_null and can be null
           ╭─[tables/sizes.sql:2:33]
         1 │ {{ config(grain=['line_no', 'order_id']) }}
         2 │ select o.order_id, l.line_no, l.price,
           ·                                 ──┬──
           ·                                   ╰── can be null
         3 │   case when o.total > 100 then 'large' when o.total > 10 then 'small' end as size
           ╰────
          detail: The left join finds no row of `lines` for some rows.
          help: give it a value with `coalesce`, or keep only rows where `price` is not null

        warning[S0301]: column `size` of table `sizes` is declared not_null and can be null
           ╭─[tables/sizes.sql:3:78]
         2 │ select o.order_id, l.line_no, l.price,
         3 │   case when o.total > 100 then 'large' when o.total > 10 then 'small' end as size
           ·                                                                              ──┬─
           ·                                                                                ╰── can be null
         4 │ from orders o left join lines l on l.order_id = o.order_id
           ╰────
          detail: A `case` without `else` is null where no branch applies.
          help: give it a value with `coalesce`, or keep only rows where `size` is not null

        0 errors, 3 warnings
    "#]],
    );
    project.write(
        "tables/sizes.sql",
        "{{ config(grain=['line_no', 'order_id']) }}\nselect o.order_id, l.line_no, l.price,\n  case when o.total > 100 then 'large' else 'small' end as size\n\
         from orders o left join lines l on l.order_id = o.order_id where l.price is not null\n",
    );
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 3 assets, no errors
    "#]],
    );
}

const MODEL: &str = "\
features:
  - {name: order, entity: [order_id], from: outcomes, time: ordered_at, features: [is_returned_late, total]}
  - {name: customer, entity: [customer], from: by_customer, time: day_end}
models:
  - name: returns
    task: binary_classification
    labels: {from: outcomes, time: ordered_at, target: is_returned, keys: [order_id, customer]}
    features: [order.*, customer.*]
    split: {by: time, test: 30d, validate: 30d}
    train: {algorithm: logistic}
";

#[test]
fn a_feature_that_shows_the_label_is_told_and_one_over_past_events_is_not() {
    let project = project()
        .file("models.yml", MODEL)
        .file(
            "tables/outcomes.sql",
            "{{ config(grain=['order_id']) }}\nselect order_id, customer, ordered_at, total,\n  returned as is_returned, returned and total > 10 as is_returned_late\nfrom orders\n",
        )
        .file(
            "tables/by_customer.sql",
            "{{ config(grain=['customer', 'day_end']) }}\nselect customer, date_trunc('day', ordered_at) + interval '1 day' as day_end,\n\
             \x20 avg(case when is_returned then 1 else 0 end) as returned_share\nfrom outcomes group by 1, 2\n",
        );
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 7 assets, no errors
        --- stderr
        warning[M0109]: feature `order.is_returned_late` of model `returns` shows the outcome that it is to predict
           ╭─[models.yml:5:11]
         4 │ models:
         5 │   - name: returns
           ·           ───┬───
           ·              ╰── declared here
         6 │     task: binary_classification
           ╰────
          detail: It is computed from `orders.returned` of the event itself, as is the label `outcomes.is_returned`. Before the outcome is known it is empty, and afterwards it is the answer.
          help: leave it out, or aggregate over past events by another entity

        0 errors, 1 warning
    "#]],
    );
}

#[test]
fn what_nothing_reads_is_told_when_asked_for() {
    let project = project()
        .file(
            "tables/days.sql",
            "select date_trunc('day', ordered_at) as day, customer, sum(total) as total from orders group by 1, 2\n",
        )
        .file("tables/best.sql", "select day, max(total) as total from days group by day\n");
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 4 assets, no errors
    "#]],
    );
    check(
        &project.run(&["check", "--pedantic"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 4 assets, no errors
        --- stderr
        info[S0303]: nothing in the project reads table `best`
           ╭─[tables/best.sql:1:1]
         1 │ select day, max(total) as total from days group by day
           · ──┬─
           ·   ╰── declared here
           ╰────
          help: declare an exposure for what uses it, or remove it

        info[S0303]: nothing in the project reads `customer` of table `days`
           ╭─[tables/days.sql:1:1]
         1 │ select date_trunc('day', ordered_at) as day, customer, sum(total) as total from orders group by 1, 2
           · ──┬─
           ·   ╰── declared here
           ╰────
          help: remove them, or declare an exposure for what uses them

        0 errors, 0 warnings
    "#]],
    );
    project.write("exposures.yml", "exposures:\n  - {name: board, depends_on: [best, days]}\n");
    check(
        &project.run(&["check", "--pedantic"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 5 assets, no errors
    "#]],
    );
}

#[test]
fn text_that_is_compared_with_a_number_is_told() {
    let project = project().file(
        "tables/dear.sql",
        "{{ config(grain=['order_id']) }}\nselect order_id from orders\nwhere total > 3 and customer = order_id\n",
    );
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 3 assets, no errors
        --- stderr
        warning[S0304]: table `dear` compares the text `customer` with `order_id`, so the query fails at the first that is no number
           ╭─[tables/dear.sql:3:21]
         2 │ select order_id from orders
         3 │ where total > 3 and customer = order_id
           ·                     ────┬───
           ·                         ╰── read as a number
           ╰────
          help: compare as text with `cast(order_id as varchar)`, or take what is no number for null with `try_cast(customer as double)`

        0 errors, 1 warning
    "#]],
    );
    let failed = project.output(&["apply", "--yes"]);
    assert!(failed.stdout.contains("Cannot cast string 'ada'"), "{}", failed.stdout);
}

#[test]
fn what_asks_for_the_time_is_told_when_asked_for() {
    let project = project()
        .file(
            "tables/old.sql",
            "{{ config(grain=['order_id']) }}\nselect order_id, now() - ordered_at as age\nfrom orders\n",
        )
        .file("exposures.yml", "exposures:\n  - {name: board, depends_on: [old, lines, orders]}\n");
    check(
        &project.run(&["check", "--pedantic"]),
        &expect![[r#"
        exit: 0
        --- stdout
        orders: 4 assets, no errors
        --- stderr
        info[S0109]: table `old` asks for the time by `now`: it is the logical clock of the run, and the table is computed again whenever that moves
           ╭─[tables/old.sql:2:18]
         1 │ {{ config(grain=['order_id']) }}
         2 │ select order_id, now() - ordered_at as age
           ·                  ─┬─
           ·                   ╰── the clock of the run
         3 │ from orders
           ╰────
          help: compare with a time among the columns where that says the same, or make it a view

        0 errors, 0 warnings
    "#]],
    );
}
