//! How far back the inputs of an incremental table differ from those that it was last made from.

use std::collections::BTreeSet;

use baton_core::{AssetName, Definition, Pin, TableVersion};

use crate::error::RunError;
use crate::execution::Execution;
use crate::extent::oldest_in;

impl Execution<'_> {
    /// The oldest instant, in microseconds, at which an input holds other rows than when `previous` was made.
    ///
    /// A source tells by its files, whenever they were landed. A table was brought up to date by this run, which
    /// remembers how far back it had to go.
    pub(crate) async fn moved_since(&self, asset: &AssetName, previous: &Pin) -> Result<Option<i64>, RunError> {
        let mut oldest: Option<i64> = None;
        for input in self.prepared.graph.inputs(asset) {
            let moved = match self.moved_source(input, previous).await? {
                Some(moved) => Some(moved),
                None => self.moved_from.get(input).copied(),
            };
            oldest = [oldest, moved].into_iter().flatten().min();
        }
        Ok(oldest)
    }

    /// Whether it is known since when `input` holds other rows than when `previous` was made.
    pub(crate) async fn tells_when_it_moved(&self, input: &AssetName, previous: &Pin) -> Result<bool, RunError> {
        Ok(self.moved_source(input, previous).await?.is_some() || self.moved_from.contains_key(input))
    }

    async fn moved_source(&self, input: &AssetName, previous: &Pin) -> Result<Option<i64>, RunError> {
        let Some(Definition::Source(source)) = self.prepared.project.assets.get(input).map(|found| &found.definition)
        else {
            return Ok(None);
        };
        let now = self.working.get(input).and_then(|pin| pin.version.table());
        let before = previous.inputs.get(input).and_then(|text| version_of(text));
        match (&source.time, now, before) {
            (Some(time), Some(now), Some(before)) if *now != before => self.oldest_change(&before, now, time).await,
            _ => Ok(None),
        }
    }

    /// The oldest value of `time` among files that only one of two versions has.
    pub(crate) async fn oldest_change(
        &self,
        before: &TableVersion,
        now: &TableVersion,
        time: &str,
    ) -> Result<Option<i64>, RunError> {
        let (before, now) = (self.services.lake.snapshot(before).await?, self.services.lake.snapshot(now).await?);
        let names = |files: &[baton_lake::StagedFile]| -> BTreeSet<String> {
            files.iter().map(|file| file.name.clone()).collect()
        };
        let (old, new) = (names(before.files()), names(now.files()));
        let gone = before.files().iter().filter(|file| !new.contains(&file.name));
        let came = now.files().iter().filter(|file| !old.contains(&file.name));
        Ok(oldest_in(gone.chain(came), time))
    }
}

/// The table version in the text of a pin's input, `tables/flights/4f0c…@3` with or without a clock behind it.
pub(crate) fn version_of(text: &str) -> Option<TableVersion> {
    let version = text.split(" as of ").next()?;
    let (location, number) = version.rsplit_once('@')?;
    Some(TableVersion { location: location.to_owned(), version: number.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_texts_name_their_version() {
        let version = TableVersion { location: "tables/flights/4f0c".to_owned(), version: 3 };
        assert_eq!(version_of(&version.to_string()), Some(version.clone()));
        assert_eq!(version_of(&format!("{version} as of 1380000000000000")), Some(version));
        assert_eq!(version_of("champion=1"), None);
    }
}
