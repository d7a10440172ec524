//! What must and what must not change a fingerprint.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;

use super::*;

fn upstream(name: &str, columns: &[&str]) -> (String, Upstream) {
    let fields: Vec<Field> = columns.iter().map(|column| Field::new(*column, DataType::Int64, true)).collect();
    let print = |column: &&str| ((*column).to_owned(), Fingerprint::of([name, column]));
    let fingerprints =
        TableFingerprints { rows: Fingerprint::of([name]), columns: columns.iter().map(print).collect() };
    (name.to_owned(), Upstream { schema: Arc::new(Schema::new(fields)), fingerprints })
}

fn tables() -> BTreeMap<String, Upstream> {
    BTreeMap::from([upstream("a", &["k", "v", "w"]), upstream("b", &["k", "x"])])
}

fn of(sql: &str) -> TableFingerprints {
    fingerprints(sql, &tables()).unwrap_or_else(|problems| panic!("{sql}: {problems:?}"))
}

const BASE: &str =
    "select a.k, sum(a.v + 1) as s, max(b.x) as m from a join b on a.k = b.k where a.w > 3 and b.x < 9 group by a.k";

#[test]
fn formatting_comments_and_inner_names_do_not_matter() {
    for same in [
        "SELECT a.k,\n  sum(a.v + 1) AS s, -- total\n max(b.x) m FROM a JOIN b ON a.k = b.k /* hm */ WHERE a.w > 3 AND b.x < 9 GROUP BY a.k",
        "select l.k, sum(l.v + 1) as s, max(r.x) as m from a as l join b as r on l.k = r.k where l.w > 3 and r.x < 9 group by l.k",
        "with p as (select k as kk, v + 1 as v1, w from a) select p.kk as k, sum(p.v1) as s, max(b.x) as m from p join b on p.kk = b.k where p.w > 3 and b.x < 9 group by p.kk",
        "select a.k, sum(a.v + 1) as s, max(b.x) as m from a join b on a.k = b.k where b.x < 9 and a.w > 3 group by a.k",
        "select a.k, sum(a.v + 1) as s, max(b.x) as m from a join b on a.k = b.k where a.w > 2 + 1 and b.x < 9 group by 1",
    ] {
        assert_eq!(of(same), of(BASE), "{same}");
    }
}

/// Pairs that yield the same rows and values, written otherwise.
#[test]
fn equal_rewrites_have_equal_fingerprints() {
    for (one, other) in [
        ("select v from a where v > w", "select v from a where w < v"),
        ("select v from a where v >= 3", "select v from a where 3 <= v"),
        ("select v from a where ((v) > (3))", "select v from a where v > 3"),
        ("select v from a where true", "select v from a"),
        ("select v from a where v > 3 and true", "select v from a where v > 3"),
        ("select v from a where 1 = 1 and v > 3", "select v from a where v > 3"),
        ("select v from a where v > 3 and w < 2 and k = 1", "select v from a where k = 1 and (w < 2 and v > 3)"),
        ("select v from a where v > 3 or w < 2 or k = 1", "select v from a where k = 1 or (w < 2 or v > 3)"),
        ("select v from a where v between 1 and 5", "select v from a where v >= 1 and v <= 5"),
        ("select v from a where v not between 1 and 5", "select v from a where v < 1 or v > 5"),
        ("select v from a where v in (3)", "select v from a where v = 3"),
        ("select v from a where v not in (3)", "select v from a where v <> 3"),
        ("select v from a where v in (1, 2)", "select v from a where v = 2 or v = 1"),
        ("select v from a where v in (1, 2, 3, 4, 5)", "select v from a where v in (5, 4, 3, 2, 1, 1)"),
        ("select v from a where not (v > 3)", "select v from a where v <= 3"),
        ("select v from a where not (not (v > 3))", "select v from a where v > 3"),
        ("select v from a where v != 3", "select v from a where v <> 3"),
        ("select v from a where not (v > 3 or w > 3)", "select v from a where v <= 3 and w <= 3"),
        ("select v from a where v is not null", "select v from a where not (v is null)"),
        ("select v from a where v > 3 and v > 3", "select v from a where v > 3"),
        ("select v from (select * from a where v > 3) where w < 2", "select v from a where v > 3 and w < 2"),
        ("with p as (select * from a where v > 3) select v from p", "select v from a where v > 3"),
        ("with unused as (select 1 as x), p as (select v from a) select v from p", "select v from a"),
        ("with p as (select k, v, w, v * 2 as d from a) select v from p", "select v from a"),
        ("select v + w as s from a", "select w + v as s from a"),
        ("select v * w as s from a", "select w * v as s from a"),
        ("select v + 1 + 2 as s, v from a", "select v, v + 1 + 2 as s from a"),
        ("select case when v > w then 1 end as c from a", "select case when w < v then 1 end as c from a"),
        (
            "select sum(case when v > 3 and w = 1 then 1 else 0 end) as s from a",
            "select sum(case when 1 = w and 3 < v then 1 else 0 end) as s from a",
        ),
        ("select count(*) as n from a", "select count(1) as n from a"),
        ("select distinct k, v from a", "select k, v from a group by v, k"),
        ("select k, max(v) as m from a group by k", "select k, max(v) as m from a group by 1 order by m"),
        ("select a.v from a join b on a.k = b.k", "select a.v from a join b on b.k = a.k"),
        ("select a.v from a join b on a.k = b.k", "select a.v from a inner join b using (k)"),
        ("select a.v from a join b on a.k = b.k", "select a.v from a, b where b.k = a.k"),
        ("select a.v from a join b on a.k = b.k", "select a.v from a cross join b where a.k = b.k"),
        ("select a.v from a join b on a.k = b.k and b.x > 1", "select a.v from a join b on a.k = b.k where b.x > 1"),
        (
            "select a.v from a join b on a.k = b.k where b.x > 1 and a.w < 2",
            "select a.v from (select * from a where w < 2) a join (select * from b where x > 1) b on a.k = b.k",
        ),
        (
            "select a.v from a left join b on a.k = b.k where a.w < 2",
            "select l.v from (select * from a where w < 2) l left join b on l.k = b.k",
        ),
        ("select cast(v as bigint) as v from a", "select v from a"),
        ("select coalesce(v, 0) as c from a", "select COALESCE(v, 0) c from a"),
    ] {
        assert_eq!(of(one), of(other), "{one}\n{other}");
    }
}

/// Rewrites that look equal and are not.
#[test]
fn conditions_stay_where_they_count() {
    for (one, other) in [
        ("select v from a where v < w", "select v from a where v > w"),
        ("select v - w as d from a", "select w - v as d from a"),
        ("select v + w + k as s from a", "select v + (w + k) as s from a"),
        (
            "select a.v from a left join b on a.k = b.k and a.w < 2",
            "select a.v from a left join b on a.k = b.k where a.w < 2",
        ),
        (
            "select a.v from a left join b on a.k = b.k where b.x > 1",
            "select a.v from a left join (select * from b where x > 1) b on a.k = b.k",
        ),
        (
            "select v from (select v from a order by v limit 3) where v > 1",
            "select v from (select v from a where v > 1) order by v limit 3",
        ),
        (
            "select k, n from (select k, count(*) as n from a group by k) where n > 1",
            "select k, count(*) as n from a where k > 1 group by k",
        ),
        (
            "select v from (select v from a union all select x from b) where v > 1",
            "select v from a union all select x from b where x > 1",
        ),
        ("select l.v from a l join a r on l.k = r.w", "select l.v from a l join a r on l.w = r.k"),
        ("select v from a where (v > 1 and w > 1) or k > 1", "select v from a where v > 1 and (w > 1 or k > 1)"),
        ("select v from a where v in (1, 2, 3, 4, 5)", "select v from a where v not in (1, 2, 3, 4, 5)"),
    ] {
        assert_ne!(of(one), of(other), "{one}\n{other}");
    }
}

#[test]
fn a_changed_filter_join_or_grouping_changes_the_rows() {
    for other in [
        BASE.replace("a.w > 3", "a.w > 4"),
        BASE.replace("a.w > 3 and", ""),
        BASE.replace("a.k = b.k", "a.v = b.k"),
        BASE.replace(" join ", " left join "),
        BASE.replace("group by a.k", "group by a.k, a.v"),
        format!("{BASE} order by s limit 3"),
    ] {
        assert_ne!(of(&other).rows, of(BASE).rows, "{other}");
    }
    let limited = |order: &str| of(&format!("{BASE} order by {order} limit 3")).rows;
    assert_ne!(limited("s"), limited("s desc"));
    assert_eq!(of(&format!("{BASE} order by s")), of(BASE));
}

#[test]
fn a_changed_expression_changes_only_its_column() {
    let (base, changed) = (of(BASE), of(&BASE.replace("a.v + 1", "a.v + 2")));
    assert_eq!(base.rows, changed.rows);
    assert_ne!(base.columns["s"], changed.columns["s"]);
    assert_eq!((&base.columns["k"], &base.columns["m"]), (&changed.columns["k"], &changed.columns["m"]));
}

#[test]
fn only_what_is_read_upstream_counts() {
    let mut wider = tables();
    wider.extend([upstream("a", &["new", "k", "v", "w"])]);
    assert_eq!(fingerprints(BASE, &wider).unwrap(), of(BASE));
    let changed = |table: &str, column: &str| {
        let mut tables = tables();
        let upstream = tables.get_mut(table).unwrap();
        upstream.fingerprints.columns.insert(column.to_owned(), Fingerprint::of(["changed"]));
        fingerprints(BASE, &tables).unwrap()
    };
    assert_eq!(changed("a", "v").rows, of(BASE).rows);
    assert_ne!(changed("a", "v").columns["s"], of(BASE).columns["s"]);
    assert_eq!(changed("a", "v").columns["m"], of(BASE).columns["m"]);
    assert_ne!(changed("a", "w").rows, of(BASE).rows);
    assert_eq!(changed("a", "w").columns["s"], of(BASE).columns["s"]);
}

/// Pairs whose results differ although their parts look alike.
#[test]
fn what_differs_in_content_differs_in_fingerprint() {
    for (one, other) in [
        (
            "select l.v - r.v as d from a l join a r on l.k = r.k",
            "select r.v - l.v as d from a l join a r on l.k = r.k",
        ),
        (
            "select v, sum(v) over () as s from (select v from a where v > 1)",
            "select v, s from (select v, sum(v) over () as s from a) where v > 1",
        ),
        ("select sum(v) as s from a", "select sum(distinct v) as s from a"),
        ("select sum(v) as s from a", "select sum(v) filter (where w > 1) as s from a"),
        ("select v from a where k in (select k from b)", "select v from a where k not in (select k from b)"),
        ("select v from a where k in (select k from b)", "select v from a where k in (select k from b where x > 1)"),
        ("select v + (select max(x) from b) as v from a", "select v + (select min(x) from b) as v from a"),
        ("select v from a union all select x from b", "select v from a union select x from b"),
        ("select distinct v from a", "select v from a"),
        ("select cast(v as int) as v from a", "select cast(v as double) as v from a"),
        ("select 1 as x", "select 2 as x"),
        ("select '1' as x", "select 1 as x"),
        ("select k, v from (values (1, 2)) t(k, v)", "select k, v from (values (1, 3)) t(k, v)"),
        (
            "select rank() over (partition by k order by v) as r from a",
            "select rank() over (partition by k order by w) as r from a",
        ),
        (
            "select k, count(*) as n from a group by rollup (k, v)",
            "select k, count(*) as n from a group by cube (k, v)",
        ),
        (
            "select a.k from a left join b on a.k = b.k and b.x > 1",
            "select a.k from a left join b on a.k = b.k and b.x > 2",
        ),
    ] {
        assert_ne!(of(one), of(other), "{one}\n{other}");
    }
}

#[test]
fn now_is_not_frozen_into_the_fingerprint() {
    let sql = "select v from a where now() > timestamp '2013-01-01'";
    assert_eq!(of(sql), of(sql));
    assert_ne!(of(sql), of("select v from a"));
}

proptest! {
    /// Spaces and line breaks between words never matter.
    #[test]
    fn spacing_never_matters(breaks in prop::collection::vec(prop::sample::select(vec![" ", "\n", "\t ", " -- x\n"]), 40)) {
        let spaced: String = BASE.split(' ').zip(breaks.iter().cycle()).map(|(word, gap)| format!("{word}{gap}")).collect();
        prop_assert_eq!(of(&spaced), of(BASE));
    }
}
