//! A project of one CSV source and two tables that the tests share, and how answers are compared.

use baton_testkit::project::TestProject;
use expect_test::Expect;

/// 2024-01-04T00:00:00Z: when the first file arrived.
const ARRIVED: u64 = 1_704_326_400;

/// The day after the first file arrived.
pub(crate) const AS_OF: [&str; 2] = ["--as-of", "2024-01-05"];

/// An empty folder.
pub(crate) fn empty() -> TestProject {
    TestProject::new(env!("CARGO_BIN_EXE_baton"))
}

/// Orders, and tables by customer and by day.
pub(crate) fn shop() -> TestProject {
    empty()
        .file("baton.yml", "project: shop\nenvironments:\n  dev: {}\n  prod: {protected: true}\n")
        .file("sources.yml", SOURCES)
        .file("tables/customers.sql", CUSTOMERS)
        .file("tables/days.sql", DAYS)
        .delivery("landing/orders-1.csv", ORDERS_1, ARRIVED)
}

/// The next delivery: it arrives two days after the first.
pub(crate) fn deliver_more(project: TestProject) -> TestProject {
    project.delivery("landing/orders-2.csv", ORDERS_2, ARRIVED + 2 * 86_400)
}

const SOURCES: &str = "\
sources:
  - name: orders
    description: What was ordered
    owner: shop@example.com
    connector: file
    path: landing/orders-*.csv
    load: append
    time: ordered_at
    columns:
      - {name: order_id, type: int, checks: [not_null, unique]}
      - {name: customer, type: string, tags: [person], checks: [not_null]}
      - {name: amount, type: float, checks: [{between: [0, 1000]}]}
      - {name: ordered_at, type: timestamp, checks: [not_null]}
";

const CUSTOMERS: &str = "\
-- One row a customer
select customer, count(*) as orders, sum(amount) as amount
from orders
group by customer
";

const DAYS: &str = "\
select date_trunc('day', ordered_at) as day, sum(amount) as amount
from orders
group by 1
";

const ORDERS_1: &str = "\
order_id,customer,amount,ordered_at
1,ada,12.5,2024-01-02T09:00:00Z
2,grace,99.75,2024-01-02T10:30:00Z
3,ada,7.25,2024-01-03T08:15:00Z
";

const ORDERS_2: &str = "\
order_id,customer,amount,ordered_at
4,ada,1.5,2024-01-05T09:00:00Z
5,edsger,30.0,2024-01-05T10:30:00Z
";

/// The arguments with `--as-of` the day after the first file arrived.
pub(crate) fn at<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(AS_OF).collect()
}

/// Compares a whole answer.
pub(crate) fn check(answer: &str, expected: &Expect) {
    expected.assert_eq(answer);
}
