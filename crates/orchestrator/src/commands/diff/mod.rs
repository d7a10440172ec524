//! Diff: what differs between two commits, asset by asset: declared text, columns, rows, statistics, models, what is
//! served. Assets that both commits have at one version are passed over without reading anything.

mod definition;
mod model;
mod plan;
mod query;
mod report;
mod rows;
mod sample;
mod shift;

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use baton_core::{Asset, AssetName, Commit, Definition, Kind, Pin, TableVersion, Timestamp, Version};
use baton_engine::is_system_column;
use baton_project::Project;
use baton_stats::profile::TableProfile;

pub use report::{
    AssetDiff, ColumnChange, ColumnDrift, ColumnShift, DiffReport, DiffSide, ModelDiff, ModelLine, Presence, RowChange,
    RowDiff, RowMethod, SameRows, SampleRow, SchemaDiff,
};
pub use rows::RowOptions;
pub(crate) use rows::{RowSide, diff_rows};

use super::environments::resolve_commit;
use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::profiles::{profile, profile_at};
use crate::services::Services;

/// What is asked of a diff.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// Only these assets; empty means all.
    pub assets: Vec<AssetName>,
    /// How rows are compared.
    pub rows: RowOptions,
}

/// The definitions of an asset on both sides, as recorded.
pub(crate) struct Declared {
    pub(crate) before: Option<Asset>,
    pub(crate) after: Option<Asset>,
}

/// Compares two commits, each named by an environment, a tag, the beginning of an id, or `prod~1`. `project` says the
/// grain of tables whose definition was not recorded.
///
/// # Errors
/// When a side names no commit, and those of lake and ledger.
pub async fn diff(
    services: &Services,
    project: &Project,
    before: &str,
    after: &str,
    options: &DiffOptions,
) -> Result<DiffReport, RunError> {
    let old = resolve_commit(services, before).await?;
    let new = resolve_commit(services, after).await?;
    let names: BTreeSet<&AssetName> = old.assets.keys().chain(new.assets.keys()).collect();
    let wanted = |name: &&&AssetName| options.assets.is_empty() || options.assets.contains(**name);
    let mut report = DiffReport { before: side(before, &old), after: side(after, &new), same: 0, assets: Vec::new() };
    for name in names.iter().filter(wanted) {
        services.progress.started("diff", name);
        let comparison = Comparison { services, project, old: &old, new: &new, options };
        match comparison.asset(name).await? {
            Some(found) => report.assets.push(found),
            None => report.same += 1,
        }
    }
    report.assets.sort_by(|left, right| left.kind.cmp(&right.kind).then_with(|| left.name.cmp(&right.name)));
    Ok(report)
}

fn side(name: &str, commit: &Commit) -> DiffSide {
    DiffSide { name: name.to_owned(), commit: commit.id.clone(), as_of: commit.as_of }
}

struct Comparison<'a> {
    services: &'a Services,
    project: &'a Project,
    old: &'a Commit,
    new: &'a Commit,
    options: &'a DiffOptions,
}

impl Comparison<'_> {
    /// `None` when the asset is the same on both sides.
    async fn asset(&self, name: &AssetName) -> Result<Option<AssetDiff>, RunError> {
        let pins = (self.old.assets.get(name), self.new.assets.get(name));
        let kind = pins.1.or(pins.0).map_or(Kind::Table, |pin| pin.kind);
        let is_redefined = pins.0.map(|pin| &pin.definition) != pins.1.map(|pin| &pin.definition);
        if let (Some(old), Some(new)) = pins
            && !is_redefined
            && self.are_seen_alike(old, new)
        {
            return Ok(None);
        }
        let declared = Declared { before: self.declared(pins.0).await?, after: self.declared(pins.1).await? };
        let version = |pin: Option<&Pin>| pin.map(|pin| pin.version.to_string());
        let mut found = AssetDiff {
            name: name.clone(),
            kind,
            presence: presence(pins),
            before: version(pins.0),
            after: version(pins.1),
            definition: definition::definition_diff(declared.before.as_ref(), declared.after.as_ref()),
            plan: Vec::new(),
            schema: SchemaDiff::default(),
            rows: None,
            profile: Vec::new(),
            model: None,
            serves: moved_roles(pins),
            notes: match self.is_predictions(name) {
                true => Vec::new(),
                false => unrecorded(pins, &declared),
            },
        };
        match kind {
            Kind::Source | Kind::Table => self.table(&mut found, pins, &declared).await?,
            Kind::Model => {
                let (model, notes) = model::diff_models(self.services, name, pins, &declared).await?;
                found.model = Some(model);
                found.notes.extend(notes);
            }
            _ => {}
        }
        Ok(Some(found))
    }

    /// Whether a reader of either side sees the same version, and the same rows of it.
    fn are_seen_alike(&self, old: &Pin, new: &Pin) -> bool {
        let same = match (&old.version, &new.version) {
            // Online values are each environment's own; what they hold follows from the table.
            (Version::FeatureView { table: old, .. }, Version::FeatureView { table: new, .. }) => old == new,
            (Version::Endpoint { serves: old, .. }, Version::Endpoint { serves: new, .. }) => old == new,
            (Version::View { .. }, Version::View { .. }) => old.version == new.version && old.inputs == new.inputs,
            (old, new) => old == new,
        };
        let clock = self.old.as_of.min(self.new.as_of).timestamp_micros();
        let all_known = new.known_through.is_none_or(|known| known <= clock);
        same && (old.kind != Kind::Source && old.kind != Kind::Table || self.old.as_of == self.new.as_of || all_known)
    }

    async fn declared(&self, pin: Option<&Pin>) -> Result<Option<Asset>, RunError> {
        match pin.and_then(|pin| pin.definition.as_ref()) {
            Some(key) => recorded_definition(self.services, key).await,
            None => Ok(None),
        }
    }

    async fn table(
        &self,
        found: &mut AssetDiff,
        (old, new): (Option<&Pin>, Option<&Pin>),
        declared: &Declared,
    ) -> Result<(), RunError> {
        let stored = |pin: Option<&Pin>| pin.and_then(|pin| pin.version.table().cloned());
        let (before, after) = (stored(old), stored(new));
        if before.is_none() && after.is_none() {
            self.plan(found, (old, new), declared).await;
            found.notes.push("a view stores no rows: what it reads is compared".to_owned());
            return Ok(());
        }
        let schema = async |version: &Option<TableVersion>| -> Result<Option<SchemaRef>, RunError> {
            let Some(version) = version else { return Ok(None) };
            Ok(Some(self.services.lake.snapshot(version).await?.schema().clone()))
        };
        found.schema = schema_diff(schema(&before).await?.as_ref(), schema(&after).await?.as_ref());
        self.plan(found, (old, new), declared).await;
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        let sides = (
            RowSide::of(self.services, &before, self.old.as_of).await?,
            RowSide::of(self.services, &after, self.new.as_of).await?,
        );
        let hidden = (sides.0.clock.is_some(), sides.1.clock.is_some());
        let grain = self.grain(&found.name, declared);
        let (rows, notes) = diff_rows(self.services, sides.0, sides.1, &grain, &self.options.rows).await?;
        found.notes.extend(notes);
        if rows.added + rows.removed + rows.changed > 0 || !found.schema.is_empty() {
            let old = self.profile(&before, self.old.as_of, hidden.0).await?;
            let new = self.profile(&after, self.new.as_of, hidden.1).await?;
            found.profile = shift::column_shifts(&old, &new, &self.options.rows.columns);
            // What profiles estimate depends on the order in which rows came; where rows were compared, they know better.
            found.profile.retain(|shift| !rows.keeps(&shift.column));
        }
        found.rows = Some(rows);
        Ok(())
    }

    /// The profile of what is seen of a version; the stored one, unless the clock hides some of its rows.
    async fn profile(&self, version: &TableVersion, as_of: Timestamp, hidden: bool) -> Result<TableProfile, RunError> {
        let found = if hidden {
            profile_at(self.services, version, as_of).await?
        } else {
            profile(self.services, version).await?
        };
        Ok(found.unwrap_or_default())
    }

    /// The columns that identify a row, as declared on the newer side, else on the older, else in the project.
    fn grain(&self, name: &AssetName, declared: &Declared) -> Vec<String> {
        let assets = [declared.after.as_ref(), declared.before.as_ref(), self.project.assets.get(name)];
        let grain = assets.into_iter().flatten().find_map(|asset| match &asset.definition {
            Definition::Table(table) => Some(table.grain.clone()),
            _ => None,
        });
        grain.unwrap_or_else(|| match self.is_predictions(name) {
            true => vec!["prediction_id".to_owned()],
            false => Vec::new(),
        })
    }

    /// Whether scoring an endpoint makes the table; the project does not declare it.
    fn is_predictions(&self, name: &AssetName) -> bool {
        let endpoints = self.old.assets.iter().chain(&self.new.assets).filter(|(_, pin)| pin.kind == Kind::Endpoint);
        endpoints.into_iter().any(|(endpoint, _)| crate::watch::predictions_of(endpoint) == *name)
    }
}

fn presence(pins: (Option<&Pin>, Option<&Pin>)) -> Presence {
    match pins {
        (None, _) => Presence::Added,
        (_, None) => Presence::Removed,
        _ => Presence::Changed,
    }
}

/// The roles of an endpoint that are served by another version.
fn moved_roles(pins: (Option<&Pin>, Option<&Pin>)) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let roles = |pin: Option<&Pin>| match pin.map(|pin| &pin.version) {
        Some(Version::Endpoint { serves, .. }) => serves.clone(),
        _ => BTreeMap::new(),
    };
    let (old, new) = (roles(pins.0), roles(pins.1));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let both = names.into_iter().map(|role| (role.clone(), (old.get(role).cloned(), new.get(role).cloned())));
    both.filter(|(_, (old, new))| old != new).collect()
}

fn unrecorded(pins: (Option<&Pin>, Option<&Pin>), declared: &Declared) -> Vec<String> {
    let lacks = |pin: Option<&Pin>, asset: &Option<Asset>| pin.is_some() && asset.is_none();
    let mut sides = Vec::new();
    sides.extend(lacks(pins.0, &declared.before).then_some("before"));
    sides.extend(lacks(pins.1, &declared.after).then_some("after"));
    match sides.is_empty() {
        true => Vec::new(),
        false => vec![format!("its definition {} is not recorded", sides.join(" and "))],
    }
}

fn schema_diff(before: Option<&SchemaRef>, after: Option<&SchemaRef>) -> SchemaDiff {
    let columns = |schema: Option<&SchemaRef>| -> Vec<(String, String)> {
        let fields = schema.map(|schema| schema.fields().iter()).into_iter().flatten();
        let seen = fields.filter(|field| !is_system_column(field.name()));
        seen.map(|field| (field.name().clone(), field.data_type().to_string())).collect()
    };
    let (old, new) = (columns(before), columns(after));
    let type_in = |columns: &[(String, String)], name: &str| {
        columns.iter().find(|(column, _)| column == name).map(|(_, data_type)| data_type.clone())
    };
    let only = |these: &[(String, String)], those: &[(String, String)]| -> Vec<(String, String)> {
        these.iter().filter(|(name, _)| type_in(those, name).is_none()).cloned().collect()
    };
    let retyped = old.iter().filter_map(|(name, was)| {
        let is = type_in(&new, name).filter(|is| is != was)?;
        Some((name.clone(), was.clone(), is))
    });
    SchemaDiff { added: only(&new, &old), removed: only(&old, &new), retyped: retyped.collect() }
}
