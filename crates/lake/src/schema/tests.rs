//! What a table can hold, and what becomes of the rest.

use arrow::array::{DictionaryArray, Int64Array, StringArray, TimestampNanosecondArray, UInt64Array};
use arrow::datatypes::{Int32Type, IntervalUnit};
use expect_test::expect;

use super::*;

fn schema_of(types: Vec<DataType>) -> Schema {
    Schema::new(
        types
            .into_iter()
            .enumerate()
            .map(|(number, of)| Field::new(format!("c{number}"), of, false))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn types_become_what_delta_holds() {
    let list = DataType::LargeList(Arc::new(Field::new("item", DataType::UInt8, true)));
    let types = vec![
        DataType::UInt8,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float16,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::BinaryView,
        DataType::Date64,
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Timestamp(TimeUnit::Second, Some("America/New_York".into())),
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8)),
        DataType::Decimal256(20, 2),
        DataType::Null,
        list,
    ];
    let stored = delta_schema(&schema_of(types)).unwrap();
    let lines: Vec<String> =
        stored.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    expect![[r#"
        c0 Int16
        c1 Int64
        c2 Int64
        c3 Float32
        c4 Utf8
        c5 Utf8
        c6 Binary
        c7 Date32
        c8 Timestamp(µs, "UTC")
        c9 Timestamp(µs, "UTC")
        c10 Utf8
        c11 Utf8
        c12 Decimal128(20, 2)
        c13 Utf8
        c14 List(Int16, field: 'element')"#]]
    .assert_eq(&lines.join("\n"));
    assert!(stored.fields().iter().all(|field| field.is_nullable()));
    assert_eq!(delta_schema(&stored).unwrap(), stored, "a stored schema is its own stored schema");
}

#[test]
fn a_type_without_a_place_is_named_with_its_column() {
    let inner = Field::new("every", DataType::Interval(IntervalUnit::DayTime), true);
    let error = delta_schema(&schema_of(vec![DataType::Struct(vec![inner].into())])).unwrap_err();
    expect!["column `c0.every` is of type Interval(DayTime), which a table cannot hold; cast it to another type"]
        .assert_eq(&error.to_string());
}

#[test]
fn batches_are_cast_by_name_and_instants_kept() {
    let instants: ArrayRef =
        Arc::new(TimestampNanosecondArray::from(vec![1_372_636_800_000_000_123]).with_timezone("America/New_York"));
    let names: ArrayRef = Arc::new(vec![Some("JFK")].into_iter().collect::<DictionaryArray<Int32Type>>());
    let batch = RecordBatch::try_from_iter(vec![("at", instants), ("name", names)]).unwrap();
    let wider = Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("new", DataType::Int64, true),
    ]);
    let conforming = conform(&batch, &delta_schema(&wider).unwrap()).unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&[conforming]).unwrap().to_string();
    expect![[r#"
        +------+----------------------+-----+
        | name | at                   | new |
        +------+----------------------+-----+
        | JFK  | 2013-07-01T00:00:00Z |     |
        +------+----------------------+-----+"#]]
    .assert_eq(&shown);
}

#[test]
fn a_value_that_does_not_fit_is_an_error() {
    let batch = |array: ArrayRef| RecordBatch::try_from_iter(vec![("count", array)]).unwrap();
    let number = delta_schema(&Schema::new(vec![Field::new("count", DataType::UInt64, true)])).unwrap();
    assert!(conform(&batch(Arc::new(UInt64Array::from(vec![u64::MAX]))), &number).is_err());
    let error = conform(&batch(Arc::new(StringArray::from(vec!["many"]))), &number).unwrap_err();
    expect![
        "values of column `count` do not fit its table: Cast error: Cannot cast string 'many' to value of Int64 type"
    ]
    .assert_eq(&error.to_string());
    let rows = conform(&batch(Arc::new(UInt64Array::from(vec![7]))), &number).unwrap();
    assert_eq!(rows.column(0).as_ref(), &Int64Array::from(vec![7]));
}

#[test]
fn new_columns_come_last_and_changed_types_are_refused() {
    let field = |name: &str, of: DataType| Field::new(name, of, true);
    let recorded = Arc::new(Schema::new(vec![field("a", DataType::Int64), field("b", DataType::Utf8)]));
    let wider = Arc::new(Schema::new(vec![field("c", DataType::Int32), field("b", DataType::Utf8)]));
    let evolved = evolve("tables/t/f", &recorded, &wider).unwrap();
    let names: Vec<&str> = evolved.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let other = Arc::new(Schema::new(vec![field("b", DataType::Float64)]));
    expect!["column `b` of table `tables/t/f` is of type Utf8 and would become Float64; cast it to Utf8, or replace the whole table"].assert_eq(&evolve("tables/t/f", &recorded, &other).unwrap_err().to_string());
}
