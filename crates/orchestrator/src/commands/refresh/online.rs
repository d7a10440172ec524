//! Online values of feature views beside the tables that they come from.

use baton_core::asset::FeatureView;
use baton_core::scalar::{Scalar, entity_key};
use baton_core::{Commit, Definition, Version};
use baton_engine::AVAILABLE_AT;
use futures::TryStreamExt as _;

use super::{DriftKind, RefreshReport};
use crate::checks::quoted;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::sessions::session_of;
use crate::values::{micros_at, scalar_at};

impl RefreshReport {
    /// For every online view: whether each entity's newest row that is known and due is there.
    pub(super) async fn look_at_online(
        &mut self,
        services: &Services,
        prepared: &Prepared,
        commit: &Commit,
    ) -> Result<(), RunError> {
        let hint = format!("`baton rollback {}` fills them anew, in a fresh place", commit.id.short());
        for (name, pin) in &commit.assets {
            let Version::FeatureView { online: Some(namespace), .. } = &pin.version else { continue };
            let Some(Definition::FeatureView(view)) = prepared.project.assets.get(name).map(|found| &found.definition)
            else {
                continue;
            };
            let clock = pin.known_through.unwrap_or_else(|| commit.as_of.timestamp_micros());
            match lacks(services, commit, view, namespace, clock).await {
                Ok((0, 0, _)) => {}
                Ok((missing, behind, of)) => {
                    let what = format!(
                        "of {of} entities, {missing} have no online values and {behind} have older ones than the table"
                    );
                    self.note(DriftKind::Online, name, what, &hint);
                }
                // Files that are gone were told with their table.
                Err(RunError::Online(error)) => self.note(DriftKind::Online, name, error.to_string(), &hint),
                Err(_) if !self.drift.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Entities without online values, with older ones than the table has, and all.
async fn lacks(
    services: &Services,
    commit: &Commit,
    view: &FeatureView,
    namespace: &str,
    clock: i64,
) -> Result<(usize, usize, usize), RunError> {
    let keys: Vec<String> = view.entity.iter().map(|name| quoted(name)).collect();
    let (keys, time) = (keys.join(", "), quoted(&view.time));
    let at = format!("to_timestamp_micros({clock})");
    let sql = format!(
        "select {keys}, max({time}) from system.{} where {time} <= {at} and ({AVAILABLE_AT} is null or {AVAILABLE_AT} <= {at}) group by {keys}",
        quoted(&view.from)
    );
    let session = session_of(services, &commit.assets, [&view.from], None).await?;
    let mut stream = session.query_stream(&sql).await?;
    let online = services.online.snapshot()?;
    let (mut missing, mut behind, mut of) = (0, 0, 0);
    while let Some(batch) = stream.try_next().await? {
        let n_keys = view.entity.len();
        let key = |row: usize| {
            let values: Vec<Scalar> = batch.columns()[..n_keys].iter().map(|column| scalar_at(column, row)).collect();
            entity_key(&values)
        };
        let keys: Vec<Vec<u8>> = (0..batch.num_rows()).map(key).collect();
        for (row, found) in online.read(namespace, &keys)?.into_iter().enumerate() {
            let newest = micros_at(batch.column(n_keys), row);
            of += 1;
            match found {
                None => missing += usize::from(newest.is_some()),
                Some(found) => behind += usize::from(newest.is_some_and(|newest| found.event_at < newest)),
            }
        }
    }
    Ok((missing, behind, of))
}
