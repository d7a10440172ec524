//! Inspection of queries over a small shop: orders with lines, payments and customers.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use expect_test::{Expect, expect};

use super::*;

/// `table: columns / key, key`.
const TABLES: &[(&str, &str, &str)] = &[
    ("orders", "order_id customer_id total placed_on", "order_id"),
    ("lines", "order_id line_no product price", "order_id line_no"),
    ("payments", "payment_id order_id paid", "payment_id"),
    ("customers", "customer_id name country", "customer_id"),
    ("events", "customer_id what", ""),
];

fn tables() -> BTreeMap<String, InspectedTable> {
    let table = |columns: &str, key: &str| {
        let fields: Vec<Field> = columns.split(' ').map(|name| Field::new(name, DataType::Int64, true)).collect();
        let mut facts = TableFacts::default();
        facts.declare_key(&key.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        InspectedTable { schema: Arc::new(Schema::new(fields)), facts }
    };
    TABLES.iter().map(|(name, columns, key)| ((*name).to_owned(), table(columns, key))).collect()
}

fn shown(sql: &str) -> String {
    let found = inspect(&tables(), sql).unwrap();
    let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join("+");
    let fan = |fan: &FanOut| {
        format!(
            "{} by {} ({}) on {} at {}:{}+{}",
            fan.multiplied,
            fan.by,
            fan.by_key.join("+"),
            fan.on.join("+"),
            fan.line,
            fan.column,
            fan.length
        )
    };
    let mut lines: Vec<String> = Vec::new();
    lines.extend(found.facts.keys.iter().map(|key| format!("key {}", list(key))));
    for (column, causes) in &found.facts.nullable {
        let causes: Vec<&str> = causes.iter().map(|cause| found.facts.causes[*cause].reason.as_str()).collect();
        lines.push(format!("null {column}: {}", causes.join("; ")));
    }
    lines.extend(found.broken_keys.iter().map(|(key, join)| format!("broken {}: {}", list(key), fan(join))));
    lines.extend(found.counted_again.iter().map(|(what, join)| format!("again {what}: {}", fan(join))));
    lines.join("\n")
}

fn finds(queries: &[&str], expected: &Expect) {
    let found: Vec<String> = queries.iter().map(|sql| format!("> {sql}\n{}", shown(sql))).collect();
    expected.assert_eq(&found.join("\n"));
}

#[test]
fn joins_that_multiply() {
    finds(
        &[
            "select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id",
            "select o.order_id, l.line_no from orders o left join lines l on l.order_id = o.order_id",
            "select o.customer_id, sum(o.total) as total, sum(l.price) as price\nfrom orders o join lines l using (order_id) group by o.customer_id",
            "select l.order_id, sum(l.price) as price, sum(p.paid) as paid from lines l join payments p on p.order_id = l.order_id group by l.order_id",
            "with o as (select order_id, sum(price) as price from lines group by order_id) select p.payment_id, o.price from payments p join o on o.order_id = p.order_id",
        ],
        &expect![[r#"
            > select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id
            broken order_id: orders by lines (order_id+line_no) on order_id at 1:58+10
            > select o.order_id, l.line_no from orders o left join lines l on l.order_id = o.order_id
            key line_no+order_id
            null line_no: the left join finds no row of `lines` for some rows
            broken order_id: orders by lines (order_id+line_no) on order_id at 1:65+10
            > select o.customer_id, sum(o.total) as total, sum(l.price) as price
            from orders o join lines l using (order_id) group by o.customer_id
            key customer_id
            again sum(o.total): orders by lines (order_id+line_no) on order_id at 2:35+8
            > select l.order_id, sum(l.price) as price, sum(p.paid) as paid from lines l join payments p on p.order_id = l.order_id group by l.order_id
            key order_id
            again sum(l.price): lines by payments (payment_id) on order_id at 1:95+10
            again sum(p.paid): payments by lines (order_id+line_no) on order_id at 1:95+10
            > with o as (select order_id, sum(price) as price from lines group by order_id) select p.payment_id, o.price from payments p join o on o.order_id = p.order_id
            key payment_id"#]],
    );
}

#[test]
fn joins_that_do_not_or_may_not() {
    finds(
        &[
            "select o.order_id, c.name from orders o join customers c on c.customer_id = o.customer_id",
            "select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id and l.line_no = 1",
            "select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id where l.line_no = 1",
            "select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id and l.price > o.total",
            "select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id where l.price > 3",
            "select c.customer_id, e.what from customers c join events e on e.customer_id = c.customer_id",
            "select o.order_id from orders o where exists (select 1 from lines l where l.order_id = o.order_id)",
            "select o.order_id, count(*) as n, count(distinct o.total) as t, max(o.total) as m from orders o join lines l on l.order_id = o.order_id group by o.order_id",
            "select order_id, price from (select *, row_number() over (partition by order_id order by price) as n from lines) where n = 1",
            "select distinct customer_id, country from customers",
            "select a.order_id, b.line_no from orders a cross join lines b",
        ],
        &expect![[r#"
            > select o.order_id, c.name from orders o join customers c on c.customer_id = o.customer_id
            key order_id
            > select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id and l.line_no = 1
            key order_id
            > select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id where l.line_no = 1
            key order_id
            broken order_id: orders by lines (order_id+line_no) on order_id at 1:58+10
            > select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id and l.price > o.total

            > select o.order_id, l.price from orders o join lines l on l.order_id = o.order_id where l.price > 3

            > select c.customer_id, e.what from customers c join events e on e.customer_id = c.customer_id

            > select o.order_id from orders o where exists (select 1 from lines l where l.order_id = o.order_id)
            key order_id
            > select o.order_id, count(*) as n, count(distinct o.total) as t, max(o.total) as m from orders o join lines l on l.order_id = o.order_id group by o.order_id
            key order_id
            > select order_id, price from (select *, row_number() over (partition by order_id order by price) as n from lines) where n = 1
            key order_id
            > select distinct customer_id, country from customers
            key customer_id
            > select a.order_id, b.line_no from orders a cross join lines b
        "#]],
    );
}

#[test]
fn columns_that_can_be_null() {
    finds(
        &[
            "select o.order_id, c.name, c.country || '!' as country, coalesce(c.name, 0) as name_or from orders o left join customers c on c.customer_id = o.customer_id",
            "select o.order_id, c.name, c.country from orders o left join customers c on c.customer_id = o.customer_id where c.name is not null",
            "select o.order_id, c.name from orders o left join customers c on c.customer_id = o.customer_id where c.country = 1",
            "select o.order_id, o.total, c.name from orders o full join customers c on c.customer_id = o.customer_id",
            "select case when total > 3 then total end as a, case when total > 3 then 1 else 0 end as b, case when total > 3 then null else 1 end as c, nullif(total, 0) as d from orders",
            "select sum(total) as total, count(*) as n from orders",
            "select customer_id, sum(case when total > 3 then 1 end) as n from orders group by customer_id",
            "select lag(total) over (order by order_id) as before, lag(total, 1, 0) over (order by order_id) as given from orders",
            "select order_id, (select max(paid) from payments) as most, (select count(*) from payments) as n from orders",
            "select total as x from orders union all select null as x from orders",
        ],
        &expect![[r#"
            > select o.order_id, c.name, c.country || '!' as country, coalesce(c.name, 0) as name_or from orders o left join customers c on c.customer_id = o.customer_id
            key order_id
            null country: the left join finds no row of `customers` for some rows
            null name: the left join finds no row of `customers` for some rows
            > select o.order_id, c.name, c.country from orders o left join customers c on c.customer_id = o.customer_id where c.name is not null
            key order_id
            > select o.order_id, c.name from orders o left join customers c on c.customer_id = o.customer_id where c.country = 1
            key order_id
            > select o.order_id, o.total, c.name from orders o full join customers c on c.customer_id = o.customer_id
            null name: the full join finds no row of `customers` for some rows
            null order_id: the full join finds no row of `orders` for some rows
            null total: the full join finds no row of `orders` for some rows
            > select case when total > 3 then total end as a, case when total > 3 then 1 else 0 end as b, case when total > 3 then null else 1 end as c, nullif(total, 0) as d from orders
            null a: a `case` without `else` is null where no branch applies
            null c: a branch of a `case` is null
            null d: `nullif` gives null for equal values
            > select sum(total) as total, count(*) as n from orders
            key 
            null total: `sum` over no rows is null
            > select customer_id, sum(case when total > 3 then 1 end) as n from orders group by customer_id
            key customer_id
            > select lag(total) over (order by order_id) as before, lag(total, 1, 0) over (order by order_id) as given from orders
            null before: `lag` has nothing for the first row
            > select order_id, (select max(paid) from payments) as most, (select count(*) from payments) as n from orders
            key order_id
            null most: a subquery used as a value can have no row
            > select total as x from orders union all select null as x from orders
            null x: it is written as null"#]],
    );
}

#[test]
fn facts_pass_on_to_readers() {
    let joined =
        "select o.order_id, c.name, c.country from orders o left join customers c on c.customer_id = o.customer_id";
    let mut facts = inspect(&tables(), joined).unwrap().facts;
    let read = |facts: &TableFacts| {
        let fields = ["order_id", "name", "country"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let tables = BTreeMap::from([("joined".to_owned(), InspectedTable { schema, facts: facts.clone() })]);
        inspect(&tables, "select order_id, name + 1 as next, country from joined where order_id > 1").unwrap().facts
    };
    let found = read(&facts);
    assert_eq!(found.keys, [BTreeSet::from(["order_id".to_owned()])]);
    assert_eq!(found.nullable.keys().collect::<Vec<_>>(), ["country", "next"]);
    assert_eq!(found.causes[0].table, "joined");
    facts.declare_not_null("country");
    assert!(read(&facts).nullable.is_empty(), "a row that has a country was joined, so it has a name");
}

#[test]
fn causes_that_concern_no_column_are_not_passed_on() {
    let sql = "select o.order_id from orders o left join customers c on c.customer_id = o.customer_id";
    assert!(inspect(&tables(), sql).unwrap().facts.causes.is_empty());
}

#[test]
fn values_of_the_same_row_are_told_from_those_of_other_rows() {
    let sql = "select o.order_id, o.total * 2 as twice, lag(o.total) over (order by o.placed_on) as before, c.country
               from orders o join customers c on c.customer_id = o.customer_id";
    let sources = |sql: &str| {
        let found = inspect(&tables(), sql).unwrap().same_row;
        let line = |(name, from): (&String, &BTreeSet<TableColumn>)| {
            let from: Vec<String> = from.iter().map(|(table, column)| format!("{table}.{column}")).collect();
            format!("{name}: {}", from.join(" "))
        };
        found.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        before: 
        country: customers.country
        order_id: orders.order_id
        twice: orders.total"#]]
    .assert_eq(&sources(sql));
    expect![[r#"
        order_id: orders.order_id
        total: orders.total"#]]
    .assert_eq(&sources("select order_id, max(total) as total from orders group by order_id"));
    expect![[r#"
        customer_id: orders.customer_id
        total: "#]]
    .assert_eq(&sources("select customer_id, max(total) as total from orders group by customer_id"));
}

#[test]
fn text_that_is_compared_with_numbers_and_times_is_told() {
    let instant = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [("id", DataType::Int64), ("code", DataType::Utf8), ("day", DataType::Date32), ("at", instant)];
    let fields: Vec<Field> = columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec();
    let table = InspectedTable { schema: Arc::new(Schema::new(fields)), facts: TableFacts::default() };
    let tables = BTreeMap::from([("a".to_owned(), table.clone()), ("b".to_owned(), table)]);
    let told = |sql: &str| {
        let found = inspect(&tables, sql).unwrap().text_comparisons.into_iter();
        let line = |found: TextComparison| {
            let TextComparison { line, column, length, text, other, read_as } = found;
            format!("{line}:{column}+{length} {text} with {other} as a {read_as}")
        };
        found.map(line).collect::<Vec<_>>().join("\n")
    };
    expect!["1:24+4 code with 3 as a number"].assert_eq(&told("select id from a where code = 3"));
    expect!["1:29+4 code with id as a number"].assert_eq(&told("select id from a where id < code"));
    expect!["1:37+6 code with id as a number"].assert_eq(&told("select a.id from a join b on a.id = b.code"));
    expect![[r#"
        1:30+4 code with at as a time
        2:12+4 substr(a.code, Int64(1)) with day as a date"#]]
    .assert_eq(&told("select id from a where at >= code\nand substr(code, 1) between day and day"));
    expect!["1:66+4 code with 1 as a number"].assert_eq(&told(
        "select case code when 'x' then 1 end as c, code in ('a', 'b') or code in (1, 2) as is_one from a",
    ));
    for fine in [
        "select id from a where id = '3' and at > '2024-01-01' and code = 'x' and code like '3%'",
        "select id from a where try_cast(code as bigint) = id and cast(id as varchar) = code and code is null",
        "select a.id from a join b on a.id = b.id and a.code = b.code where a.day < b.at",
    ] {
        assert_eq!(told(fine), "", "{fine}");
    }
}
