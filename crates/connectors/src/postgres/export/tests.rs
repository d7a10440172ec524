//! Deliveries to a real server. Needs PostgreSQL's programs.

use baton_testkit::postgres::TestPostgres;
use serde_json::json;

use super::*;
use crate::export::Gone;
use crate::export::suite::{How, deliver, delivery, every_type, held, keys, rows, target};

fn place(mode: DeliveryMode) -> (ExportTarget, String) {
    let url = TestPostgres::shared().database();
    (target(mode, json!({"url": url, "table": "public.customers"})), url)
}

fn told(url: &str, select: &str) -> String {
    TestPostgres::shared().sql(url, select)
}

const NAMES: &str = "select string_agg(id || ':' || coalesce(name, '-'), ' ' order by id) from customers";

#[tokio::test]
async fn every_type_keeps_its_value() {
    let (target, url) = place(DeliveryMode::Upsert);
    deliver(&PostgresExporter, &target, How::whole("v1"), &[(Change::Upsert, every_type())]).await.unwrap();
    let types = told(
        &url,
        "select string_agg(format_type(atttypid, atttypmod), ' ' order by attnum) from pg_attribute \
                            where attrelid = 'customers'::regclass and attnum > 0",
    );
    assert_eq!(
        types,
        "bigint boolean double precision numeric(10,2) text bytea date timestamp with time zone timestamp without time zone"
    );
    let values = told(
        &url,
        "select concat_ws('|', id, paid, ratio, price, replace(replace(note, E'\\t', '<tab>'), E'\\n', '<line>'), \
         encode(raw, 'hex'), day, at at time zone 'UTC', local) from customers order by id",
    );
    assert_eq!(
        values.lines().collect::<Vec<_>>(),
        [
            "1|t|0.1|12.50|tab<tab>back\\slash<line>line 'é'|00ff5c|2013-07-01|2013-07-01 00:00:00.000001|2013-07-01 00:00:00",
            "2"
        ]
    );
    assert_eq!(held(&PostgresExporter, &target).await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn changes_meet_rows_by_key_and_others_stay() {
    let (target, url) = place(DeliveryMode::Upsert);
    let all = rows(&[(1, Some("a")), (2, Some("b")), (3, None)]);
    deliver(&PostgresExporter, &target, How::whole("v1"), &[(Change::Upsert, all)]).await.unwrap();
    told(&url, "insert into customers values (99, 'theirs')");
    let changes = [(Change::Delete, keys(&[1])), (Change::Upsert, rows(&[(2, Some("B")), (4, Some("d"))]))];
    deliver(&PostgresExporter, &target, How::changes("v2"), &changes).await.unwrap();
    assert_eq!(told(&url, NAMES), "2:B 3:- 4:d 99:theirs");
    let mirror = How { id: "v3", whole: true, mirror: true };
    deliver(&PostgresExporter, &target, mirror, &[(Change::Upsert, rows(&[(2, Some("b"))]))]).await.unwrap();
    assert_eq!(told(&url, NAMES), "2:b");
}

#[tokio::test]
async fn rows_that_are_gone_are_marked_and_come_back() {
    let (mut target, url) = place(DeliveryMode::Upsert);
    target.gone = Gone::Mark;
    let all = rows(&[(1, Some("a")), (2, Some("b"))]);
    deliver(&PostgresExporter, &target, How::whole("v1"), &[(Change::Upsert, all)]).await.unwrap();
    deliver(&PostgresExporter, &target, How::changes("v2"), &[(Change::Delete, keys(&[1]))]).await.unwrap();
    let marked = "select string_agg(id::text || ' ' || (_deleted_at is not null), ', ' order by id) from customers";
    assert_eq!(told(&url, marked), "1 true, 2 false");
    let again = [(Change::Upsert, rows(&[(1, Some("again"))]))];
    deliver(&PostgresExporter, &target, How::changes("v3"), &again).await.unwrap();
    assert_eq!(told(&url, marked), "1 false, 2 false");
}

#[tokio::test]
async fn whoever_stops_in_between_leaves_nothing() {
    let (target, url) = place(DeliveryMode::Replace);
    deliver(&PostgresExporter, &target, How::whole("v1"), &[(Change::Upsert, rows(&[(1, Some("a"))]))]).await.unwrap();
    let other = rows(&[(2, Some("b"))]);
    let mut destination = PostgresExporter.open(&target).await.unwrap();
    let before = destination.mark().await.unwrap();
    destination.begin(&delivery(How::whole("v2"), before, &other)).await.unwrap();
    destination.send(Change::Upsert, &other).await.unwrap();
    destination.seal().await.unwrap();
    drop(destination);
    assert_eq!(told(&url, NAMES), "1:a");
    assert_eq!(held(&PostgresExporter, &target).await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_delivery_that_was_overtaken_changes_nothing() {
    let (target, url) = place(DeliveryMode::Append);
    deliver(&PostgresExporter, &target, How::whole("v1"), &[(Change::Upsert, rows(&[(1, Some("a"))]))]).await.unwrap();
    let mut late = PostgresExporter.open(&target).await.unwrap();
    let before = late.mark().await.unwrap();
    let more = rows(&[(2, Some("b"))]);
    deliver(&PostgresExporter, &target, How::changes("v2"), &[(Change::Upsert, more.clone())]).await.unwrap();
    late.begin(&delivery(How::changes("v2"), before, &more)).await.unwrap();
    late.send(Change::Upsert, &more).await.unwrap();
    late.seal().await.unwrap();
    let error = late.publish().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("another delivery of export `crm`"), "{error}");
    drop(late);
    assert_eq!(told(&url, NAMES), "1:a 2:b");
}

#[tokio::test]
async fn new_columns_come_where_that_is_asked_for_and_conflicts_are_named_at_once() {
    let (mut target, url) = place(DeliveryMode::Upsert);
    told(&url, "create table customers (id bigint unique, price date, needed int not null, extra int)");
    let error = deliver(&PostgresExporter, &target, How::whole("v1"), &[(Change::Upsert, every_type())]).await;
    let told_reasons = error.unwrap_err().to_string();
    for part in ["`price` is date there and decimal here", "no column `note` (string)", "`needed` there needs a value"]
    {
        assert!(told_reasons.contains(part), "{told_reasons}");
    }
    told(&url, "alter table customers drop price, drop needed");
    target.evolve = true;
    deliver(&PostgresExporter, &target, How::whole("v1"), &[(Change::Upsert, every_type())]).await.unwrap();
    assert_eq!(told(&url, "select count(note) || ' ' || count(extra) || ' ' || count(*) from customers"), "1 0 2");
}

#[tokio::test]
async fn a_dropped_table_is_no_longer_held() {
    let (target, url) = place(DeliveryMode::Upsert);
    let all = [(Change::Upsert, rows(&[(1, Some("a"))]))];
    deliver(&PostgresExporter, &target, How::whole("v1"), &all).await.unwrap();
    told(&url, "drop table customers");
    assert_eq!(held(&PostgresExporter, &target).await, None);
    deliver(&PostgresExporter, &target, How::whole("v1"), &all).await.unwrap();
    assert_eq!(told(&url, NAMES), "1:a");
    let answer = PostgresExporter.check(&target).await.unwrap();
    assert!(answer.starts_with("PostgreSQL ") && answer.ends_with("public.customers: 2 columns"), "{answer}");
}
