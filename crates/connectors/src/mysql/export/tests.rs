//! Deliveries to a real server. Needs MariaDB's programs.

use baton_testkit::mariadb::TestMariadb;
use serde_json::json;

use super::*;
use crate::export::Gone;
use crate::export::suite::{How, deliver, delivery, every_type, held, keys, rows, target};

fn place(mode: DeliveryMode) -> (ExportTarget, String) {
    let url = TestMariadb::shared().database();
    (target(mode, json!({"url": url, "table": "customers"})), url)
}

fn told(url: &str, select: &str) -> String {
    TestMariadb::shared().sql(url, select)
}

const NAMES: &str =
    "select group_concat(concat(id, ':', coalesce(name, '-')) order by id separator ' ') from customers";

#[tokio::test]
async fn every_type_keeps_its_value() {
    let (target, url) = place(DeliveryMode::Upsert);
    deliver(&MysqlExporter, &target, How::whole("v1"), &[(Change::Upsert, every_type())]).await.unwrap();
    let types = told(
        &url,
        "select group_concat(column_type order by ordinal_position separator ' ') \
                            from information_schema.columns where table_schema = database() and table_name = 'customers'",
    );
    assert_eq!(types, "bigint(20) tinyint(1) double decimal(10,2) longtext longblob date datetime(6) datetime(6)");
    let values = told(
        &url,
        "select concat_ws('|', id, paid, ratio, price, hex(note), hex(raw), day, at, local) from customers order by id",
    );
    let note = hex::encode_upper("tab\tback\\slash\nline 'é'");
    let first = format!("1|1|0.1|12.50|{note}|00FF5C|2013-07-01|2013-07-01 00:00:00.000001|2013-07-01 00:00:00.000000");
    assert_eq!(values.lines().collect::<Vec<_>>(), [first.as_str(), "2"]);
    assert_eq!(held(&MysqlExporter, &target).await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn changes_meet_rows_by_key_and_others_stay() {
    let (target, url) = place(DeliveryMode::Upsert);
    let all = rows(&[(1, Some("a")), (2, Some("b")), (3, None)]);
    deliver(&MysqlExporter, &target, How::whole("v1"), &[(Change::Upsert, all)]).await.unwrap();
    told(&url, "insert into customers values (99, 'theirs')");
    let changes = [(Change::Delete, keys(&[1])), (Change::Upsert, rows(&[(2, Some("B")), (4, Some("d"))]))];
    deliver(&MysqlExporter, &target, How::changes("v2"), &changes).await.unwrap();
    assert_eq!(told(&url, NAMES), "2:B 3:- 4:d 99:theirs");
    let mirror = How { id: "v3", whole: true, mirror: true };
    deliver(&MysqlExporter, &target, mirror, &[(Change::Upsert, rows(&[(2, Some("b"))]))]).await.unwrap();
    assert_eq!(told(&url, NAMES), "2:b");
}

#[tokio::test]
async fn rows_that_are_gone_are_marked_and_come_back() {
    let (mut target, url) = place(DeliveryMode::Upsert);
    target.gone = Gone::Mark;
    let all = rows(&[(1, Some("a")), (2, Some("b"))]);
    deliver(&MysqlExporter, &target, How::whole("v1"), &[(Change::Upsert, all)]).await.unwrap();
    deliver(&MysqlExporter, &target, How::changes("v2"), &[(Change::Delete, keys(&[1]))]).await.unwrap();
    let marked =
        "select group_concat(concat(id, ' ', _deleted_at is not null) order by id separator ', ') from customers";
    assert_eq!(told(&url, marked), "1 1, 2 0");
    let again = [(Change::Upsert, rows(&[(1, Some("again"))]))];
    deliver(&MysqlExporter, &target, How::changes("v3"), &again).await.unwrap();
    assert_eq!(told(&url, marked), "1 0, 2 0");
}

#[tokio::test]
async fn whoever_stops_in_between_leaves_nothing() {
    let (target, url) = place(DeliveryMode::Replace);
    deliver(&MysqlExporter, &target, How::whole("v1"), &[(Change::Upsert, rows(&[(1, Some("a"))]))]).await.unwrap();
    let other = rows(&[(2, Some("b"))]);
    let mut destination = MysqlExporter.open(&target).await.unwrap();
    let before = destination.mark().await.unwrap();
    destination.begin(&delivery(How::whole("v2"), before, &other)).await.unwrap();
    destination.send(Change::Upsert, &other).await.unwrap();
    destination.seal().await.unwrap();
    drop(destination);
    assert_eq!(told(&url, NAMES), "1:a");
    assert_eq!(held(&MysqlExporter, &target).await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_delivery_that_was_overtaken_changes_nothing() {
    let (target, url) = place(DeliveryMode::Append);
    deliver(&MysqlExporter, &target, How::whole("v1"), &[(Change::Upsert, rows(&[(1, Some("a"))]))]).await.unwrap();
    let mut late = MysqlExporter.open(&target).await.unwrap();
    let before = late.mark().await.unwrap();
    let more = rows(&[(2, Some("b"))]);
    deliver(&MysqlExporter, &target, How::changes("v2"), &[(Change::Upsert, more.clone())]).await.unwrap();
    late.begin(&delivery(How::changes("v2b"), before, &more)).await.unwrap();
    late.send(Change::Upsert, &more).await.unwrap();
    late.seal().await.unwrap();
    let error = late.publish().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("another delivery of export `crm`"), "{error}");
    drop(late);
    assert_eq!(told(&url, NAMES), "1:a 2:b");
}

#[tokio::test]
async fn what_is_in_the_way_is_named_at_once() {
    let (mut target, url) = place(DeliveryMode::Upsert);
    told(&url, "create table customers (id bigint, price date, needed int not null, extra int) engine = MyISAM");
    let error = deliver(&MysqlExporter, &target, How::whole("v1"), &[(Change::Upsert, every_type())]).await;
    let reasons = error.unwrap_err().to_string();
    for part in [
        "`price` is date there and decimal here",
        "no column `note` (string)",
        "`needed` there needs a value",
        "create unique index by_key on `customers` (`id`)",
        "kept by MyISAM",
    ] {
        assert!(reasons.contains(part), "{reasons}");
    }
    told(&url, "drop table customers; create table customers (id bigint primary key, extra int)");
    target.evolve = true;
    deliver(&MysqlExporter, &target, How::whole("v1"), &[(Change::Upsert, every_type())]).await.unwrap();
    assert_eq!(told(&url, "select concat_ws(' ', count(note), count(extra), count(*)) from customers"), "1 0 2");
    // A value that does not fit is refused by the server, and nothing stays of the delivery.
    told(&url, "alter table customers drop note, add note varchar(5)");
    let error = deliver(&MysqlExporter, &target, How::changes("v2"), &[(Change::Upsert, every_type())]).await;
    assert!(error.is_err());
    assert_eq!(held(&MysqlExporter, &target).await.as_deref(), Some("v1"));
    let answer = MysqlExporter.check(&target).await.unwrap();
    assert!(answer.starts_with("MySQL ") && answer.contains("customers: 10 columns"), "{answer}");
}
