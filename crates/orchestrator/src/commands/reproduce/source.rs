//! Rebuilding a source: every delivery that the version holds, read again where it is still there, byte for byte.

use std::collections::BTreeMap;

use baton_connectors::Unit;
use baton_core::asset::Source;
use baton_core::{AssetName, TableVersion, Timestamp};
use baton_lake::{RowDigest, StagedFile};

use super::recipe::Reason;
use super::scratch::Scratch;
use crate::commands::diff::RowSide;
use crate::error::RunError;
use crate::services::Services;
use crate::steps::{Destination, LandingCache, arrived_units, landed_units, stage_unit};

/// A source landed again.
pub(super) struct Landed {
    pub(super) digest: RowDigest,
    pub(super) side: RowSide,
    pub(super) deliveries: usize,
}

/// Lands the deliveries of `version` again into `scratch`.
pub(super) async fn land_again(
    services: &Services,
    asset: &AssetName,
    source: &Source,
    version: &TableVersion,
    scratch: &Scratch,
) -> Result<Result<Landed, Reason>, RunError> {
    if source.pull.is_some() {
        return Ok(Err("its rows were asked for at their origin, which holds others by now".to_owned()));
    }
    let landed = landed_units(services, &LandingCache::default(), version).await?;
    if landed.is_empty() {
        return Ok(Err("its deliveries are not recorded".to_owned()));
    }
    let (connector, units) = arrived_units(services, source, Timestamp::MAX_UTC)?;
    let there: BTreeMap<String, Unit> = units.into_iter().map(|unit| (unit.path.clone(), unit)).collect();
    let schema = services.lake.snapshot(version).await?.schema().clone();
    let mut files: Vec<StagedFile> = Vec::new();
    for (done, (path, known)) in landed.iter().enumerate() {
        services.progress.advanced(asset, done as u64, landed.len() as u64);
        let Some(unit) = there.get(path) else { return Ok(Err(format!("delivery {path} is gone"))) };
        if connector.fingerprint(unit)? != known.hash {
            return Ok(Err(format!("delivery {path} holds something else now")));
        }
        // Rows became known when the delivery arrived, whatever a copy of the file says.
        let unit = Unit { modified_at: known.arrived_at, ..unit.clone() };
        let destination = Destination {
            asset,
            location: &scratch.location,
            base: None,
            files_before: 0,
            checks: &[],
            now: services.clock.now(),
            usual: Some(&schema),
        };
        let staged = stage_unit(services, connector, &unit, source, &destination).await?;
        files.extend(staged.written.files);
    }
    let digest = files.iter().map(|file| file.digest).sum();
    Ok(Ok(Landed { digest, side: RowSide { schema, files, clock: None }, deliveries: landed.len() }))
}
