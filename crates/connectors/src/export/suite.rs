//! What the tests of destinations share: rows of every type, and deliveries.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use serde_json::{Map, Value, json};

use super::{Change, Delivery, DeliveryMode, ExportTarget, Exporter, Gone, Mark, Sent};
use crate::ConnectorError;

/// An export called `crm` with the key `id`.
pub(crate) fn target(mode: DeliveryMode, options: Value) -> ExportTarget {
    let Value::Object(options) = options else { unreachable!("options are an object") };
    let options: Map<String, Value> = options;
    let key = if mode == DeliveryMode::Upsert { vec!["id".to_owned()] } else { Vec::new() };
    ExportTarget {
        name: "crm".to_owned(),
        environment: "prod".to_owned(),
        identity: "shop/prod/crm".to_owned(),
        root: std::env::temp_dir(),
        options,
        mode,
        key,
        gone: Gone::Delete,
        evolve: false,
        batch: 1_000,
    }
}

/// Rows of `id` and `name`.
pub(crate) fn rows(rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
    let names: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|(_, name)| *name)));
    RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("name", names, true)]).unwrap()
}

/// Keys.
pub(crate) fn keys(ids: &[i64]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.iter().copied()));
    RecordBatch::try_from_iter_with_nullable([("id", ids, false)]).unwrap()
}

/// One row of every type, and one of nulls.
pub(crate) fn every_type() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2])), false),
        ("paid", Arc::new(BooleanArray::from(vec![Some(true), None])), true),
        ("ratio", Arc::new(Float64Array::from(vec![Some(0.1), None])), true),
        (
            "price",
            Arc::new(Decimal128Array::from(vec![Some(1250), None]).with_precision_and_scale(10, 2).unwrap()),
            true,
        ),
        ("note", Arc::new(StringArray::from(vec![Some("tab\tback\\slash\nline 'é'"), None])), true),
        ("raw", Arc::new(BinaryArray::from(vec![Some(&[0_u8, 255, 92][..]), None])), true),
        ("day", Arc::new(Date32Array::from(vec![Some(15_887), None])), true),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_372_636_800_000_001), None]).with_timezone("UTC")),
            true,
        ),
        ("local", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_372_636_800_000_000), None])), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// How a delivery is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'h> {
    /// Its name, which is also that of the version.
    pub(crate) id: &'h str,
    pub(crate) whole: bool,
    pub(crate) mirror: bool,
}

impl<'h> How<'h> {
    /// All rows.
    pub(crate) fn whole(id: &'h str) -> Self {
        Self { id, whole: true, mirror: false }
    }

    /// What changed.
    pub(crate) fn changes(id: &'h str) -> Self {
        Self { id, whole: false, mirror: false }
    }
}

/// The delivery after what a destination says it holds.
pub(crate) fn delivery(how: How<'_>, before: Option<Mark>, schema: &RecordBatch) -> Delivery {
    let version = json!({"version": how.id});
    let mark = Mark { delivery: how.id.to_owned(), definition: "d".to_owned(), version };
    Delivery { before, mark, schema: schema.schema(), whole: how.whole, mirror: how.mirror }
}

/// Makes a delivery.
pub(crate) async fn deliver(
    exporter: &dyn Exporter,
    target: &ExportTarget,
    how: How<'_>,
    changes: &[(Change, RecordBatch)],
) -> Result<Sent, ConnectorError> {
    let mut destination = exporter.open(target).await?;
    let before = destination.mark().await?;
    let shape = changes.iter().find(|(change, _)| *change == Change::Upsert).map(|(_, rows)| rows.clone());
    let shape = shape.unwrap_or_else(|| rows(&[]));
    destination.begin(&delivery(how, before, &shape)).await?;
    for (change, rows) in changes {
        destination.send(*change, rows).await?;
    }
    destination.seal().await?;
    let sent = destination.publish().await?;
    destination.tidy().await?;
    Ok(sent)
}

/// The version that a destination says it holds.
pub(crate) async fn held(exporter: &dyn Exporter, target: &ExportTarget) -> Option<String> {
    let mark = exporter.open(target).await.unwrap().mark().await.unwrap();
    mark.map(|mark| mark.version["version"].as_str().unwrap().to_owned())
}
