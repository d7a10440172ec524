//! Tables that are kept in every way, over batches with late rows, rows out of order and deletions; killed anywhere,
//! done again, read by another reader.

use baton_testkit::project::TestProject;
use baton_testkit::python::printed;
use expect_test::expect;

use crate::answers::{ok, plan_is_empty, rows};
use crate::shop::{check, empty};

/// 2024-01-04T00:00:00Z: when the first file arrived.
const ARRIVED: u64 = 1_704_326_400;
const DAY: u64 = 86_400;
pub(crate) const DAYS: [&str; 3] = ["2024-01-05", "2024-01-06", "2024-01-07"];

const SOURCES: &str = "\
sources:
  - name: orders
    path: landing/orders-*.csv
    time: changed_at
    columns:
      - {name: order_id, type: int}
      - {name: customer, type: string}
      - {name: amount, type: float}
      - {name: changed_at, type: timestamp}
      - {name: gone, type: bool}
";

const FIRST: &str = "\
order_id,customer,amount,changed_at,gone
1,ada,12.5,2024-01-02T09:00:00Z,false
2,grace,99.75,2024-01-02T10:30:00Z,false
3,ada,7.25,2024-01-03T08:15:00Z,false
";

/// An update, a deletion, a new order.
const SECOND: &str = "\
order_id,customer,amount,changed_at,gone
1,ada,13,2024-01-04T09:00:00Z,false
2,grace,99.75,2024-01-05T10:30:00Z,true
4,edsger,30,2024-01-05T08:15:00Z,false
";

/// A state that is older than the newest, and an order that comes back.
const THIRD: &str = "\
order_id,customer,amount,changed_at,gone
1,ada,12.75,2024-01-03T09:00:00Z,false
2,grace,5,2024-01-06T10:30:00Z,false
";

const TABLES: [(&str, &str); 7] = [
    ("good", "{{ config(materialize='view') }}\nselect * from orders where amount > 0\n"),
    (
        "latest",
        "{{ config(materialize='merge', grain=['order_id'], time='changed_at', delete_when='gone') }}\nselect * from good\n",
    ),
    (
        "states",
        "{{ config(materialize='history', grain=['order_id'], updated_at='changed_at', delete_when='gone') }}\n\
         select order_id, amount, changed_at, gone from good\n",
    ),
    (
        "record",
        "{{ config(materialize='append', grain=['order_id', 'changed_at']) }}\nselect order_id, changed_at from good\n",
    ),
    (
        "daily",
        "{{ config(materialize='snapshot') }}\nselect customer, sum(amount) as amount from latest group by customer\n",
    ),
    (
        "newest",
        "{{ config(materialized='incremental', unique_key='order_id') }}\n\
         select order_id, amount, changed_at from orders\n\
         {% if is_incremental() %} where changed_at > (select max(changed_at) from {{ this }}) {% endif %}\n",
    ),
    (
        "by_day",
        "{{ config(materialize='incremental', time='day') }}\n\
         select date_trunc('day', changed_at) as day, count(*) as changes from good group by 1\n",
    ),
];

pub(crate) fn kept() -> TestProject {
    let project = empty()
        .file("baton.yml", "project: kept\nenvironments: {prod: {}}\n")
        .file("sources.yml", SOURCES)
        .file("seeds/codes.csv", "code,label\n1,one\n2,NA\n")
        .delivery("landing/orders-1.csv", FIRST, ARRIVED)
        .delivery("landing/orders-2.csv", SECOND, ARRIVED + 2 * DAY)
        .delivery("landing/orders-3.csv", THIRD, ARRIVED + 3 * DAY);
    TABLES.into_iter().fold(project, |project, (name, sql)| project.file(&format!("tables/{name}.sql"), sql))
}

pub(crate) fn apply(project: &TestProject, day: &str) {
    ok(project, &["apply", "--yes", "--as-of", day]);
}

/// All rows of all tables, sorted.
fn state(project: &TestProject) -> String {
    let sorted = |name: &str| {
        let text = rows(project, &format!("select * from {name}"));
        let (header, rows) = text.split_once('\n').unwrap();
        let mut lines: Vec<String> = rows.lines().map(|line| format!("{line}\n")).collect();
        lines.sort();
        format!("{header}\n{}", lines.concat())
    };
    ["latest", "states", "newest", "record", "daily", "by_day", "codes"].map(sorted).concat()
}

#[test]
fn every_way_of_keeping_rows_over_late_and_deleted_ones() {
    let project = kept();
    for day in DAYS {
        apply(&project, day);
        assert!(plan_is_empty(&project, &["--as-of", day]), "{day}");
    }
    check(
        &state(&project),
        &expect![[r#"
            order_id,customer,amount,changed_at,gone
            1,ada,13.0,2024-01-04T09:00:00Z,false
            2,grace,5.0,2024-01-06T10:30:00Z,false
            3,ada,7.25,2024-01-03T08:15:00Z,false
            4,edsger,30.0,2024-01-05T08:15:00Z,false
            order_id,amount,changed_at,gone,valid_from,valid_to
            1,12.5,2024-01-02T09:00:00Z,false,2024-01-02T09:00:00Z,2024-01-03T09:00:00Z
            1,12.75,2024-01-03T09:00:00Z,false,2024-01-03T09:00:00Z,2024-01-04T09:00:00Z
            1,13.0,2024-01-04T09:00:00Z,false,2024-01-04T09:00:00Z,
            2,5.0,2024-01-06T10:30:00Z,false,2024-01-06T10:30:00Z,
            2,99.75,2024-01-02T10:30:00Z,false,2024-01-02T10:30:00Z,2024-01-05T10:30:00Z
            3,7.25,2024-01-03T08:15:00Z,false,2024-01-03T08:15:00Z,
            4,30.0,2024-01-05T08:15:00Z,false,2024-01-05T08:15:00Z,
            order_id,amount,changed_at
            1,13.0,2024-01-04T09:00:00Z
            2,5.0,2024-01-06T10:30:00Z
            3,7.25,2024-01-03T08:15:00Z
            4,30.0,2024-01-05T08:15:00Z
            order_id,changed_at
            1,2024-01-02T09:00:00Z
            1,2024-01-03T09:00:00Z
            1,2024-01-04T09:00:00Z
            2,2024-01-02T10:30:00Z
            2,2024-01-05T10:30:00Z
            2,2024-01-06T10:30:00Z
            3,2024-01-03T08:15:00Z
            4,2024-01-05T08:15:00Z
            customer,amount,snapshot_at
            ada,19.75,2024-01-05T00:00:00Z
            ada,20.25,2024-01-06T00:00:00Z
            ada,20.25,2024-01-07T00:00:00Z
            edsger,30.0,2024-01-06T00:00:00Z
            edsger,30.0,2024-01-07T00:00:00Z
            grace,5.0,2024-01-07T00:00:00Z
            grace,99.75,2024-01-05T00:00:00Z
            day,changes
            2024-01-02T00:00:00Z,2
            2024-01-03T00:00:00Z,2
            2024-01-04T00:00:00Z,1
            2024-01-05T00:00:00Z,2
            2024-01-06T00:00:00Z,1
            code,label
            1,one
            2,
        "#]],
    );
}

#[test]
fn a_clock_before_a_state_ended_sees_it_open() {
    let project = kept();
    DAYS.iter().for_each(|day| apply(&project, day));
    let sql = "select order_id, valid_from, valid_to from states order by 1, 2";
    let answer = project.output(&["query", sql, "--as-of", DAYS[0], "--format", "csv"]);
    check(
        &answer.stdout,
        &expect![[r#"
        order_id,valid_from,valid_to
        1,2024-01-02T09:00:00Z,
        2,2024-01-02T10:30:00Z,
        3,2024-01-03T08:15:00Z,
    "#]],
    );
}

#[test]
fn killed_at_every_point_and_done_again_the_rows_are_the_same() {
    let ready = || {
        let project = kept();
        apply(&project, DAYS[0]);
        project
    };
    let command = ["apply", "--yes", "--as-of", DAYS[2]];
    let whole = ready();
    assert_eq!(whole.output(&command).code, Some(0));
    let expected = state(&whole);
    let mut points = 0;
    for nth in (1..).step_by(3) {
        let project = ready();
        let killed = project.command(&command).env("BATON_FAILPOINT", format!("@{nth}")).output().unwrap();
        if killed.status.code() == Some(0) {
            break;
        }
        points += 1;
        apply(&project, DAYS[2]);
        assert_eq!(state(&project), expected, "point {nth}");
        assert!(plan_is_empty(&project, &["--as-of", DAYS[2]]), "point {nth}");
    }
    assert!(points >= 10, "only {points} points were reached");
}

#[test]
fn state_goes_on_when_columns_come() {
    let project = kept();
    apply(&project, DAYS[0]);
    let with_more = TABLES[1].1.replace("select *", "select *, amount * 2 as twice");
    project.write("tables/latest.sql", &with_more);
    let with_more = TABLES[2].1.replace("amount,", "amount, amount * 2 as twice,");
    project.write("tables/states.sql", &with_more);
    apply(&project, DAYS[1]);
    assert!(plan_is_empty(&project, &["--as-of", DAYS[1]]));
    check(
        &rows(&project, "select order_id, twice from latest order by 1"),
        &expect![[r#"
        order_id,twice
        1,26.0
        3,14.5
        4,60.0
    "#]],
    );
    check(
        &rows(&project, "select order_id, amount, twice, valid_to from states order by 1, valid_from"),
        &expect![[r#"
            order_id,amount,twice,valid_to
            1,12.5,25.0,2024-01-04T09:00:00Z
            1,13.0,26.0,
            2,99.75,199.5,2024-01-05T10:30:00Z
            3,7.25,14.5,
            4,30.0,60.0,
        "#]],
    );
    let frozen =
        with_more.replace("updated_at=", "on_schema_change='freeze', updated_at=").replace("amount * 2 as twice, ", "");
    project.write("tables/states.sql", &frozen);
    let answer = project.output(&["apply", "--yes", "--as-of", DAYS[1]]);
    assert_eq!(answer.code, Some(1));
    check(
        answer.stdout.lines().find(|line| line.contains("✗")).unwrap_or_default(),
        &expect![
            "  ✗ build       states               table `states` keeps rows that cannot be computed again, and its new definition does not fit them: the query removes twice, and its columns are frozen (on_schema_change); change it back, or make it from nothing with `baton apply --recreate states`"
        ],
    );
    assert_eq!(rows(&project, "select count(*) as n from states"), "n\n5\n", "its rows stay");
}

#[test]
fn a_column_that_the_query_no_longer_has_keeps_its_values() {
    let write = |project: &TestProject, columns: &str| {
        let merge = "{{ config(materialize='merge', grain=['order_id'], time='changed_at') }}\n";
        let history = "{{ config(materialize='history', grain=['order_id'], updated_at='changed_at') }}\n";
        project.write("tables/narrow.sql", &format!("{merge}select {columns} from good\n"));
        project.write("tables/past.sql", &format!("{history}select {columns} from good\n"));
    };
    let project = kept();
    write(&project, "order_id, customer, amount, changed_at");
    apply(&project, DAYS[0]);
    write(&project, "order_id, amount, changed_at");
    apply(&project, DAYS[1]);
    assert!(plan_is_empty(&project, &["--as-of", DAYS[1]]));
    check(
        &rows(&project, "select order_id, customer, amount from narrow order by 1"),
        &expect![[r#"
        order_id,customer,amount
        1,,13.0
        2,,99.75
        3,ada,7.25
        4,,30.0
    "#]],
    );
    check(
        &rows(&project, "select order_id, customer, amount, valid_to from past order by 1, valid_from"),
        &expect![[r#"
            order_id,customer,amount,valid_to
            1,ada,12.5,2024-01-04T09:00:00Z
            1,,13.0,
            2,grace,99.75,2024-01-05T10:30:00Z
            2,,99.75,
            3,ada,7.25,
            4,,30.0,
        "#]],
    );
}

#[test]
fn rows_that_cannot_be_computed_again_do_not_make_room_for_another_way_of_keeping() {
    let project = kept();
    DAYS.iter().for_each(|day| apply(&project, day));
    let before = rows(&project, "select * from states order by 1, valid_from");
    let query = "select order_id, amount, changed_at, gone from good\n";
    for config in [
        "{{ config(materialize='table') }}\n",
        "{{ config(materialize='view') }}\n",
        "{{ config(materialize='merge', grain=['order_id'], time='changed_at') }}\n",
        "{{ config(materialize='history', grain=['order_id', 'amount'], updated_at='changed_at') }}\n",
    ] {
        project.write("tables/states.sql", &format!("{config}{query}"));
        let plan = project.output(&["plan", "--as-of", DAYS[2]]).stdout;
        assert!(plan.contains("refused: its rows are kept as `history by order_id`"), "{plan}");
        let answer = project.output(&["apply", "--yes", "--as-of", DAYS[2]]);
        assert_eq!(answer.code, Some(1), "{config}");
        assert!(answer.stderr.contains("`baton apply --recreate states` does that"), "{}", answer.stderr);
        assert_eq!(rows(&project, "select * from states order by 1, valid_from"), before, "{config}");
    }
    project.write("tables/states.sql", &format!("{{{{ config(materialize='table') }}}}\n{query}"));
    let answer = project.output(&["apply", "--yes", "--as-of", DAYS[2], "--recreate", "states"]);
    assert_eq!(answer.code, Some(0), "{}{}", answer.stdout, answer.stderr);
    assert!(answer.stdout.contains("rows that its inputs no longer have are lost"), "{}", answer.stdout);
    assert!(plan_is_empty(&project, &["--as-of", DAYS[2]]));
}

#[test]
fn a_history_by_comparison_ends_keys_that_are_gone_and_takes_columns_that_come() {
    let project = kept();
    let spending = |more: &str| {
        let sql = format!(
            "{{{{ config(materialize='history', grain=['customer'], check=['amount'], deletes='close', \
             on_schema_change='sync') }}}}\n\
             select customer, sum(amount) as amount{more} from latest where amount > 10 group by customer\n"
        );
        project.write("tables/spending.sql", &sql);
    };
    for (day, more) in DAYS.into_iter().zip(["", "", ", count(*) as n"]) {
        spending(more);
        apply(&project, day);
        assert!(plan_is_empty(&project, &["--as-of", day]), "{day}");
    }
    check(
        &rows(&project, "select customer, amount, n, valid_from, valid_to from spending order by 1, 4"),
        &expect![[r#"
            customer,amount,n,valid_from,valid_to
            ada,12.5,,2024-01-05T00:00:00Z,2024-01-06T00:00:00Z
            ada,13.0,,2024-01-06T00:00:00Z,
            edsger,30.0,,2024-01-06T00:00:00Z,
            grace,99.75,,2024-01-05T00:00:00Z,2024-01-06T00:00:00Z
        "#]],
    );
    spending("");
    apply(&project, DAYS[2]);
    assert!(plan_is_empty(&project, &["--as-of", DAYS[2]]));
    let header = rows(&project, "select * from spending").lines().next().unwrap().to_owned();
    assert_eq!(header, "customer,amount,valid_from,valid_to");
}

#[test]
fn a_seed_is_data_and_counts_by_its_content() {
    let project = kept();
    apply(&project, DAYS[0]);
    project.write("seeds/codes.csv", "code,label\n1,one\n2,NA\n");
    assert!(plan_is_empty(&project, &["--as-of", DAYS[0]]), "the same content written again");
    project.write("seeds/codes.csv", "code,label\n1,uno\n2,NA\n");
    let plan = project.output(&["plan", "--as-of", DAYS[0]]).stdout;
    check(
        plan.lines().find(|line| line.contains("codes")).unwrap_or_default(),
        &expect!["  > source        codes                  new data: 1 new delivery"],
    );
    apply(&project, DAYS[0]);
    check(
        &rows(&project, "select * from codes order by 1"),
        &expect![[r#"
        code,label
        1,uno
        2,
    "#]],
    );
}

#[test]
fn backfill_shows_what_it_restates_and_gives_the_same_rows_in_parallel() {
    let project = kept();
    DAYS.iter().for_each(|day| apply(&project, day));
    let before = state(&project);
    let range = ["--from", "2024-01-02", "--to", "2024-01-05"];
    let command = |more: &[&'static str]| [&["backfill", "by_day"], &range[..], more].concat();
    check(
        &project.output(&command(&["--dry-run"])).stdout,
        &expect![[r#"
        Backfill of `by_day` in environment `prod`

          computes  [2024-01-02T00:00, 2024-01-05T00:00) in 3 batches
          restates  [2024-01-02T00:00, 2024-01-05T00:00)
    "#]],
    );
    for more in [["--yes", "--parallel=1"], ["--yes", "--parallel=3"]] {
        let answer = project.output(&command(&more));
        assert_eq!(answer.code, Some(0), "{}{}", answer.stdout, answer.stderr);
        assert_eq!(state(&project), before);
    }
    let refused = project.output(&["backfill", "by_day", "--from", "2023-12-01", "--to", "2023-12-05", "--yes"]);
    check(
        &refused.stderr,
        &expect![[r#"
        error: `by_day` would have a gap [2023-12-05T00:00, 2024-01-02T00:00); reach over it with --from or --to, or leave it with --allow-gaps
    "#]],
    );
    let killed = project.command(&command(&["--yes"])).env("BATON_FAILPOINT", "build.before_commit").output().unwrap();
    assert_eq!(killed.status.code(), None);
    assert_eq!(project.output(&command(&["--yes"])).code, Some(0));
    assert_eq!(state(&project), before);
    check(
        &rows(&project, "select * from by_day order by 1"),
        &expect![[r#"
        day,changes
        2024-01-02T00:00:00Z,2
        2024-01-03T00:00:00Z,2
        2024-01-04T00:00:00Z,1
        2024-01-05T00:00:00Z,2
        2024-01-06T00:00:00Z,1
    "#]],
    );
    let shown = project.output(&["show", "by_day"]).stdout;
    check(
        shown.lines().find(|line| line.starts_with("  time")).unwrap_or_default(),
        &expect!["  time       [2024-01-02T00:00, 2024-01-07T00:00)"],
    );
}

#[test]
fn another_reader_sees_the_same_tables() {
    let project = kept();
    DAYS.iter().for_each(|day| apply(&project, day));
    let script = "import sys, glob; from deltalake import DeltaTable\n\
                  for name in sys.argv[2:]:\n\
                  \x20   [folder] = glob.glob(f'{sys.argv[1]}/tables/{name}/*')\n\
                  \x20   print(name, DeltaTable(folder).to_pyarrow_table().num_rows)\n";
    let warehouse = project.path(".baton/warehouse").display().to_string();
    let names = ["latest", "states", "record", "daily", "newest", "codes"];
    let ours: String = names
        .iter()
        .map(|name| {
            format!("{name} {}\n", rows(&project, &format!("select count(*) as n from {name}")).lines().nth(1).unwrap())
        })
        .collect();
    let arguments = [&[warehouse.as_str()], &names[..]].concat();
    assert_eq!(printed(script, &arguments), ours);
}
