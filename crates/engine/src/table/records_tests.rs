//! What a source is asked for, by filters and by joins.

use std::collections::BTreeMap;
use std::sync::Mutex;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{Field, Schema};

use super::*;
use crate::table::TableInput;
use crate::{Engine, EngineOptions, SessionInput};

/// Keeps numbers by key, and notes what was asked for.
#[derive(Debug, Default)]
struct Noted {
    asked: Mutex<Vec<Wanted>>,
    expected: Option<usize>,
}

impl RecordSource for Noted {
    fn schema(&self) -> SchemaRef {
        let field = |name, data_type| Field::new(name, data_type, true);
        Arc::new(Schema::new(vec![field("key", DataType::Utf8), field("step", DataType::Int64)]))
    }

    fn expected_rows(&self) -> Option<usize> {
        self.expected
    }

    fn read(&self, wanted: Wanted) -> BoxStream<'static, std::result::Result<RecordBatch, ArrowError>> {
        self.asked.lock().unwrap().push(wanted.clone());
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let steps: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_new(self.schema(), vec![keys, steps]).unwrap();
        futures::stream::iter([batch.project(&wanted.columns)]).boxed()
    }
}

/// The rows of a query in lines, and what was asked of the source for it.
async fn asked(sql: &str) -> (String, Vec<Wanted>) {
    let folder = tempfile::tempdir().unwrap();
    let options = EngineOptions { memory_limit_bytes: 1 << 28, spill_dir: folder.path().to_owned(), threads: 2 };
    let source = Arc::new(Noted::default());
    let input = SessionInput { tables: BTreeMap::from([("wished".to_owned(), wished())]), as_of: None };
    let records = BTreeMap::from([
        ("points".to_owned(), Arc::clone(&source) as Arc<dyn RecordSource>),
        ("wished".to_owned(), Arc::clone(&source) as Arc<dyn RecordSource>),
    ]);
    let session = Engine::new(options).unwrap().session(input).unwrap().with_records(records).unwrap();
    let (_, batches) = session.query(sql).await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let asked = source.asked.lock().unwrap().clone();
    (shown, asked)
}

fn wished() -> TableInput {
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["c"]));
    let batch = RecordBatch::try_from_iter([("key", keys)]).unwrap();
    TableInput::Batches { schema: batch.schema(), batches: vec![batch] }
}

fn one_of(column: &str, values: &[&str]) -> Condition {
    let values = values.iter().map(|value| Comparand::Text((*value).to_owned())).collect();
    Condition { column: column.to_owned(), is: Is::OneOf(values) }
}

#[tokio::test]
async fn filters_and_columns_are_told_and_looked_at_again() {
    let (shown, asked) = asked("select step from baton.points where key = 'b' and step >= 2").await;
    assert!(shown.contains("| 2 ") && !shown.contains("| 1 ") && !shown.contains("| 3 "), "{shown}");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].conditions.contains(&one_of("key", &["b"])), "{asked:?}");
    let step = Condition { column: "step".to_owned(), is: Is::AtLeast(Comparand::Integer(2)) };
    assert!(asked[0].conditions.contains(&step), "{asked:?}");
}

#[tokio::test]
async fn names_are_found_without_their_schema_and_limits_are_told() {
    let (_, asked) = asked("select step from points limit 1").await;
    assert_eq!(asked, [Wanted { columns: vec![1], conditions: Vec::new(), most: Some(1) }]);
}

#[tokio::test]
async fn a_table_of_the_same_name_goes_before_records() {
    let (shown, asked) = asked("select count(*) as n from wished").await;
    assert!(shown.contains("| 1 ") && asked.is_empty(), "{shown}");
    let (shown, _) = self::asked("select count(*) as n from baton.wished").await;
    assert!(shown.contains("| 3 "), "{shown}");
}

/// What is asked of `points`, which is joined with `runs`, by what is known of their rows.
async fn joined(sql: &str, points: Option<usize>, runs: Option<usize>) -> Vec<Condition> {
    let folder = tempfile::tempdir().unwrap();
    let options = EngineOptions { memory_limit_bytes: 1 << 28, spill_dir: folder.path().to_owned(), threads: 2 };
    let points = Arc::new(Noted { expected: points, ..Noted::default() });
    let runs = Arc::new(Noted { expected: runs, ..Noted::default() });
    let records = BTreeMap::from([
        ("points".to_owned(), Arc::clone(&points) as Arc<dyn RecordSource>),
        ("runs".to_owned(), runs as Arc<dyn RecordSource>),
    ]);
    let session = Engine::new(options).unwrap().session(SessionInput::default()).unwrap();
    session.with_records(records).unwrap().query(sql).await.unwrap();
    let asked = points.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    asked[0].conditions.clone()
}

fn keys(conditions: &[Condition]) -> Vec<String> {
    let told = conditions.iter().filter(|condition| condition.column == "key");
    let mut keys: Vec<String> = told
        .filter_map(|condition| match &condition.is {
            Is::OneOf(values) => Some(values),
            _ => None,
        })
        .flatten()
        .map(|value| match value {
            Comparand::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn the_side_of_fewer_rows_is_read_first_wherever_it_stands() {
    for sql in [
        "select p.step from points p join runs r on r.key = p.key where r.step = 2",
        "select p.step from runs r join points p using (key) where r.step = 2",
    ] {
        assert_eq!(keys(&joined(sql, Some(10_000_000), Some(10_000)).await), ["b"], "{sql}");
    }
}

/// Nothing is known of the rows, so that both sides are split in parts, of which each has some keys.
#[tokio::test]
async fn keys_of_a_join_in_parts_are_told_together() {
    let sql = "select p.step from runs r join points p on p.key = r.key where r.step >= 1";
    assert_eq!(keys(&joined(sql, None, None).await), ["a", "b", "c"]);
}

#[test]
fn what_is_met_in_one_of_the_parts_is_the_wider_condition() {
    let number = |number| Comparand::Integer(number);
    let (least, most) = (Is::AtLeast(number(3)), Is::AtMost(number(3)));
    assert_eq!(least.or(&Is::AtLeast(number(1))), Some(Is::AtLeast(number(1))));
    assert_eq!(most.or(&Is::AtMost(number(7))), Some(Is::AtMost(number(7))));
    assert_eq!(least.or(&most), None);
    assert_eq!(least.or(&Is::AtLeast(Comparand::Text("a".to_owned()))), None);
    let one_of = |numbers: &[i64]| Is::OneOf(numbers.iter().copied().map(Comparand::Integer).collect());
    assert_eq!(one_of(&[1, 2]).or(&one_of(&[2, 3])), Some(one_of(&[1, 2, 3])));
}

#[tokio::test]
async fn keys_of_a_join_are_told() {
    let (shown, asked) = asked("select p.step from wished w join baton.points p on p.key = w.key").await;
    assert!(shown.contains("| 3 ") && !shown.contains("| 1 "), "{shown}");
    assert!(asked[0].conditions.contains(&one_of("key", &["c"])), "{asked:?}");
}
