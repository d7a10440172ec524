//! Column lineage held against the data: one source cell is changed at a time, and whatever changes in the result must
//! have been claimed; what is claimed and never changes counts against precision, beside `sqlglot`'s lineage of the same
//! queries.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the package `sqlglot`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use baton_engine::{Analysis, Engine, EngineOptions, SessionInput, TableInput, analyze};
use baton_testkit::python::answered;
use serde_json::json;
use tempfile::TempDir;

const SQLGLOT: &str = include_str!("lineage_sqlglot.py");

/// What is asked of the three tables below, each construct at least once.
const QUERIES: [&str; 26] = [
    "select id, amount * 2 as doubled, upper(region) as region from orders where qty > 2",
    "select * from orders where amount between 20 and 70",
    "select *, seconds / 60 as minutes from visits",
    "select o.*, c.tier from orders o join customers c on c.id = o.customer",
    "with big as (select id, customer, amount from orders where amount > 30) select id, amount + 1 as more from big",
    "with a as (select customer, amount as v from orders), b as (select customer, v * 2 as w from a) \
     select b.customer, b.w, c.name from b left join customers c on c.id = b.customer",
    "select id, amount as value, region as word from orders union all select id, seconds, page from visits",
    "select customer as who from orders union select customer from visits",
    "select customer, sum(amount) as total, count(*) as n from orders group by customer",
    "select region, max(qty) as most from orders group by region having count(*) > 1",
    "select c.region, sum(o.amount) as total, min(o.qty) as least from orders o join customers c on c.id = o.customer \
     group by c.region",
    "select id, sum(amount) over (partition by region order by id) as running from orders",
    "select id, lag(qty) over (order by id) as before, row_number() over (partition by customer order by id) as place \
     from orders",
    "select id, max(amount) over (partition by customer) - amount as behind from orders where qty < 8",
    "select id, case when qty > 4 then amount else day end as picked from orders",
    "select id, case region when 'north' then 'N' else coalesce(region, '?') end as short, \
     case when amount > 50 then 1 else 0 end as is_big from orders",
    "select id, (select max(seconds) from visits) as longest from orders",
    "select id, amount - (select min(v.seconds) from visits v where v.customer = orders.customer) as rest from orders",
    "select id, name from customers c where exists (select 1 from orders o where o.customer = c.id and o.amount > 40)",
    "select id, name, tier from customers where id not in (select customer from visits where customer is not null)",
    "select s.customer, s.total, t.longest from (select customer, sum(amount) as total from orders group by customer) s \
     join (select customer, max(seconds) as longest from visits group by customer) t on t.customer = s.customer",
    "select id, amount from orders order by amount desc, id limit 4",
    "select distinct region, qty > 4 as many from orders",
    "select o.id, c.name, v.page from orders o left join customers c on c.id = o.customer \
     left join visits v on v.id = o.id and v.seconds > 20",
    "with r as (select id, rank() over (partition by region order by amount desc, id) as place, qty from orders) \
     select id, qty from r where place = 1",
    "select count(distinct c.tier) as tiers, sum(case when o.region = c.region then o.amount end) as home \
     from orders o full join customers c on c.id = o.customer",
];

/// A cell: a number or a word, or nothing.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Number(Option<i64>),
    Word(Option<&'static str>),
}

/// Columns by name, in order.
type Table = Vec<(&'static str, Vec<Cell>)>;

/// Table and column.
type Source = (String, String);

/// Sources by output column.
type Lineage = BTreeMap<String, BTreeSet<Source>>;

/// A query, a source column and an output column.
type Pair = (usize, Source, String);

/// What was seen over all perturbations.
#[derive(Default)]
struct Seen {
    perturbations: usize,
    effective: usize,
    /// Changed output columns, counted once a perturbation.
    changes: usize,
    /// Of those, the ones that column or row lineage claims.
    claimed: usize,
    /// Of those, the ones that the other lineage claims.
    claimed_by_other: usize,
    pairs: BTreeSet<Pair>,
    /// Query and source column of which a change reached what column lineage does not claim.
    rows: BTreeSet<(usize, Source)>,
    missed: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn lineage_claims_every_change_of_every_cell() {
    let folder = TempDir::new().unwrap();
    let options = EngineOptions { memory_limit_bytes: 1 << 28, spill_dir: folder.path().join("spill"), threads: 1 };
    let engine = Engine::new(options).unwrap();
    let tables = tables();
    let schemas: BTreeMap<String, SchemaRef> =
        tables.iter().map(|(name, table)| ((*name).to_owned(), batch(table).schema())).collect();
    let analyses: Vec<Analysis> = QUERIES.iter().map(|sql| analyze(&schemas, "t", sql).expect(sql)).collect();
    let others = sqlglot(&schemas, &analyses);
    let mut seen = Seen::default();
    for (number, (analysis, other)) in analyses.iter().zip(&others).enumerate() {
        perturb(&engine, &tables, number, analysis, other, &mut seen).await;
    }
    report(&seen, &analyses, &others);
}

/// Changes each cell of the tables that a query reads, each in several ways.
async fn perturb(
    engine: &Engine,
    tables: &BTreeMap<&'static str, Table>,
    number: usize,
    analysis: &Analysis,
    other: &Lineage,
    seen: &mut Seen,
) {
    let before = run(engine, tables, QUERIES[number]).await;
    for table in analysis.reads.iter().map(String::as_str) {
        let (name, rows) = tables.get_key_value(table).unwrap();
        for (column, (column_name, cells)) in rows.iter().enumerate() {
            for (row, value) in (0..cells.len()).flat_map(|row| others_than(cells, row).map(move |value| (row, value)))
            {
                let mut changed = tables.clone();
                changed.get_mut(name).unwrap()[column].1[row] = value;
                let after = run(engine, &changed, QUERIES[number]).await;
                let source = (table.to_owned(), (*column_name).to_owned());
                seen.perturbations += 1;
                compare(number, analysis, other, &source, (&before, &after), seen);
            }
        }
    }
}

/// Holds a changed result against what is claimed of the changed source column.
fn compare(
    number: usize,
    analysis: &Analysis,
    other: &Lineage,
    source: &Source,
    (before, after): (&Rows, &Rows),
    seen: &mut Seen,
) {
    if before.over(|_| true) == after.over(|_| true) {
        return;
    }
    seen.effective += 1;
    let claims = |column: &str| analysis.column_lineage[column].contains(source);
    // Rows that are the same over all columns that are not claimed, as many as before: no row came, went or changed.
    if before.over(|column| !claims(column)) != after.over(|column| !claims(column)) {
        seen.rows.insert((number, source.clone()));
        if !analysis.row_lineage.contains(source) {
            seen.missed.push(format!("{}.{} in: {}", source.0, source.1, QUERIES[number]));
        }
    }
    for (column, _, _) in &analysis.schema {
        if before.over(|name| name == column) != after.over(|name| name == column) {
            seen.changes += 1;
            seen.claimed += usize::from(claims(column) || analysis.row_lineage.contains(source));
            seen.claimed_by_other += usize::from(other[column].contains(source));
            seen.pairs.insert((number, source.clone(), column.clone()));
        }
    }
}

fn report(seen: &Seen, analyses: &[Analysis], others: &[Lineage]) {
    let pairs = |lineage: &mut dyn Iterator<Item = &Lineage>| -> BTreeSet<Pair> {
        let of_query = |(number, columns): (usize, &Lineage)| {
            let of_column = |(column, sources): (&String, &BTreeSet<Source>)| {
                sources.iter().map(|source| (number, source.clone(), column.clone())).collect::<Vec<_>>()
            };
            columns.iter().flat_map(of_column).collect::<Vec<_>>()
        };
        lineage.enumerate().flat_map(of_query).collect()
    };
    let ours = pairs(&mut analyses.iter().map(|analysis| &analysis.column_lineage));
    let theirs = pairs(&mut others.iter());
    let precision = |claimed: &BTreeSet<Pair>| {
        let seen = claimed.intersection(&seen.pairs).count();
        (seen, claimed.len(), seen as f64 / claimed.len() as f64)
    };
    let decides = |(number, analysis): (usize, &Analysis)| {
        analysis.row_lineage.iter().map(|source| (number, source.clone())).collect::<Vec<_>>()
    };
    let deciding: BTreeSet<(usize, Source)> = analyses.iter().enumerate().flat_map(decides).collect();
    let idle: Vec<&Pair> = ours.difference(&seen.pairs).collect();
    println!(
        "lineage: {} queries, {} cells changed, {} results changed in {} columns",
        QUERIES.len(),
        seen.perturbations,
        seen.effective,
        seen.changes
    );
    println!("Baton: recall {} of {}; column precision {:?}", seen.claimed, seen.changes, precision(&ours));
    println!("Baton: row precision {} of {}", seen.rows.intersection(&deciding).count(), deciding.len());
    println!(
        "sqlglot: recall {} of {}; column precision {:?}",
        seen.claimed_by_other,
        seen.changes,
        precision(&theirs)
    );
    println!("claimed and never seen: {idle:?}");
    assert!(seen.perturbations >= 200 && seen.effective >= 200);
    assert!(seen.missed.is_empty(), "{:#?}", seen.missed);
    assert_eq!(seen.claimed, seen.changes);
    assert!(precision(&ours).2 >= 0.9);
    assert!(precision(&ours).2 >= precision(&theirs).2);
}

/// The rows of a result as text, by column.
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// The rows over some of the columns, in order of their text.
    fn over(&self, is_kept: impl Fn(&str) -> bool) -> Vec<Vec<&str>> {
        let kept: Vec<usize> = (0..self.columns.len()).filter(|index| is_kept(&self.columns[*index])).collect();
        let mut rows: Vec<Vec<&str>> =
            self.rows.iter().map(|row| kept.iter().map(|index| row[*index].as_str()).collect()).collect();
        rows.sort_unstable();
        rows
    }
}

async fn run(engine: &Engine, tables: &BTreeMap<&'static str, Table>, sql: &str) -> Rows {
    let input = |(name, table): (&&str, &Table)| {
        let batch = batch(table);
        ((*name).to_owned(), TableInput::Batches { schema: batch.schema(), batches: vec![batch] })
    };
    let session = engine.session(SessionInput { tables: tables.iter().map(input).collect(), as_of: None }).unwrap();
    let (schema, batches) = session.query(sql).await.expect(sql);
    let options = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<ArrayFormatter<'_>> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    Rows { columns: schema.fields().iter().map(|field| field.name().clone()).collect(), rows }
}

/// What else a cell could hold: nothing, a neighbour's value, one that is nowhere else.
fn others_than(cells: &[Cell], row: usize) -> impl Iterator<Item = Cell> + use<> {
    let cell = cells[row].clone();
    let neighbour = cells[(row + 1) % cells.len()].clone();
    let values = match &cell {
        Cell::Number(value) => {
            let value = value.unwrap_or(3);
            vec![Cell::Number(None), neighbour, Cell::Number(Some(value + 1)), Cell::Number(Some(100 - value))]
        }
        Cell::Word(_) => vec![Cell::Word(None), neighbour, Cell::Word(Some("elsewhere"))],
    };
    values.into_iter().filter(move |value| *value != cell)
}

fn batch(table: &Table) -> RecordBatch {
    let array = |cells: &Vec<Cell>| -> ArrayRef {
        let number = |cell: &Cell| if let Cell::Number(value) = cell { *value } else { None };
        let word = |cell: &Cell| if let Cell::Word(value) = cell { *value } else { None };
        match &cells[0] {
            Cell::Number(_) => Arc::new(cells.iter().map(number).collect::<Int64Array>()),
            Cell::Word(_) => Arc::new(cells.iter().map(word).collect::<StringArray>()),
        }
    };
    let arrays: Vec<ArrayRef> = table.iter().map(|(_, cells)| array(cells)).collect();
    let fields = table.iter().zip(&arrays).map(|((name, _), array)| Field::new(*name, array.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays).unwrap()
}

fn tables() -> BTreeMap<&'static str, Table> {
    let numbers = |values: &[i64]| values.iter().map(|value| Cell::Number(Some(*value))).collect::<Vec<_>>();
    let words = |values: &[&'static str]| values.iter().map(|value| Cell::Word(Some(value))).collect::<Vec<_>>();
    let orders = vec![
        ("id", numbers(&[1, 2, 3, 4, 5, 6, 7])),
        ("customer", numbers(&[1, 2, 1, 3, 2, 1, 9])),
        ("region", words(&["north", "south", "north", "east", "south", "south", "east"])),
        ("amount", numbers(&[10, 35, 62, 48, 20, 71, 55])),
        ("qty", numbers(&[1, 5, 3, 9, 4, 7, 2])),
        ("day", numbers(&[3, 1, 4, 1, 5, 9, 2])),
    ];
    let customers = vec![
        ("id", numbers(&[1, 2, 3, 4])),
        ("name", words(&["ada", "grace", "edsger", "barbara"])),
        ("region", words(&["north", "south", "east", "north"])),
        ("tier", numbers(&[1, 2, 2, 3])),
    ];
    let visits = vec![
        ("id", numbers(&[1, 2, 3, 5, 8])),
        ("customer", numbers(&[1, 2, 2, 4, 1])),
        ("page", words(&["home", "cart", "home", "help", "cart"])),
        ("seconds", numbers(&[12, 40, 33, 90, 25])),
    ];
    BTreeMap::from([("orders", orders), ("customers", customers), ("visits", visits)])
}

fn sqlglot(schemas: &BTreeMap<String, SchemaRef>, analyses: &[Analysis]) -> Vec<Lineage> {
    let kind = |field: &Field| if *field.data_type() == DataType::Int64 { "bigint" } else { "text" };
    let columns = |schema: &SchemaRef| -> BTreeMap<String, &str> {
        schema.fields().iter().map(|field| (field.name().clone(), kind(field))).collect()
    };
    let schema: BTreeMap<&String, _> = schemas.iter().map(|(name, schema)| (name, columns(schema))).collect();
    let query = |(sql, analysis): (&&str, &Analysis)| {
        let columns: Vec<&String> = analysis.schema.iter().map(|(name, _, _)| name).collect();
        json!({"sql": sql, "columns": columns})
    };
    let queries: Vec<_> = QUERIES.iter().zip(analyses).map(query).collect();
    let asked = json!({"schema": schema, "queries": queries}).to_string();
    serde_json::from_str(&answered::<&str>(SQLGLOT, &[], &asked)).unwrap()
}
