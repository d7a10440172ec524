//! Promoting an environment into another: a three-way merge of everything at once, in one transaction.

mod conflicts;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::Materialize;
use baton_core::{AssetName, Commit, CommitId, Definition, EventKind, NewEvent, Pin, Timestamp, Version, failpoint};
use baton_plan::{Behind, PlannedPromotion, SavedPlan, all_behind, settle_inputs};
use serde_json::json;

pub use report::{PromoteOptions, PromoteReport, SideChange};

use super::ancestor::common_ancestor;
use super::compare::changed_lines;
use super::event_of;
use super::merge::{Conflict, Move, MoveKind, Prefer, Sides, TableTraits, Verdict, broken, verdicts};
use super::names::check_name;
use super::online::own_online;
use super::policy::planned;
use super::rows::{MergedRows, RowMerge};
use super::settle::{settle_endpoints, settle_views};
use crate::commands::approve::missing_approvals;
use crate::commands::change::owners_approve;
use crate::commands::head;
use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::execution::{Execution, commit_event};
use crate::prepare::Prepared;
use crate::services::Services;
use crate::watch::served_of;

/// Brings what `source` changed since both environments were the same into `target`.
///
/// # Errors
/// Those of the ledger and the lake; `LedgerError::Moved` when the target moved meanwhile. Conflicts are no error: they are
/// in the report, and nothing moves.
pub async fn promote(
    services: &Services,
    prepared: &Prepared,
    source: &str,
    target: &str,
    options: PromoteOptions,
) -> Result<PromoteReport, RunError> {
    check_name("environment", target)?;
    let source_head = head(services, source).await?;
    let target_head = services.ledger.head(target).await?;
    let base = match &target_head {
        Some(target) => common_ancestor(services, &source_head.id, &target.id).await?,
        None => None,
    };
    let sides = Sides { base: base.as_ref(), source: &source_head, target: target_head.as_ref() };
    let promotion = Promotion { services, prepared, sides, names: (source, target), options };
    promotion.go().await
}

struct Promotion<'a> {
    services: &'a Services,
    prepared: &'a Prepared,
    sides: Sides<'a>,
    names: (&'a str, &'a str),
    options: PromoteOptions,
}

impl Promotion<'_> {
    async fn go(self) -> Result<PromoteReport, RunError> {
        let traits = self.traits().await?;
        let mut verdicts = verdicts(self.sides, &traits, self.options.merge_rows, self.options.prefer);
        let mut conflicts = self.conflicts(&verdicts).await?;
        conflicts.extend(self.row_conflicts(&mut verdicts, &traits).await?);
        let before = self.sides.target.map(|commit| commit.assets.clone()).unwrap_or_default();
        let mut merged = self.taken(&verdicts, &before);
        conflicts.extend(self.broken(&merged));
        let as_of = self.sides.target.map_or(self.sides.source.as_of, |there| there.as_of.max(self.sides.source.as_of));
        let origin = |name: &AssetName| match verdicts.get(name) {
            Some(Verdict::Take) => &self.sides.source.assets,
            _ => &before,
        };
        settle_endpoints(&mut merged, &before, origin);
        settle_inputs(&mut merged, &self.sides.source.assets);
        settle_inputs(&mut merged, &before);
        let is_moved = |verdict: &Verdict| *verdict != Verdict::Keep;
        let moved = verdicts.iter().map(|(name, verdict)| (name.clone(), is_moved(verdict))).collect();
        let online = settle_views(&mut merged, &before, &moved);
        let mut report = PromoteReport {
            source: self.names.0.to_owned(),
            target: self.names.1.to_owned(),
            base: self.sides.base.map(|commit| commit.id.0.clone()),
            commit: None,
            as_of,
            dry_run: self.options.dry_run,
            moves: self.moves(&verdicts, &merged, &before),
            behind: self.behind(&merged, &before).await?,
            conflicts,
            approvals: Vec::new(),
            saved: None,
        };
        if !report.conflicts.is_empty() || report.moves.is_empty() {
            return Ok(report);
        }
        report.saved = self.planned(&merged, as_of).await?;
        if let Some(saved) = &report.saved {
            report.approvals = missing_approvals(self.services, saved).await?;
        }
        if report.approvals.is_empty() && !self.options.dry_run {
            let commit = self.publish(merged, &verdicts, &traits, as_of, &online).await?;
            report.behind = self.behind(&commit.assets, &before).await?;
            report.commit = Some(commit.id.0);
        }
        Ok(report)
    }

    /// The promotion as a plan of the target, where somebody asks for it.
    async fn planned(
        &self,
        merged: &BTreeMap<AssetName, Pin>,
        as_of: Timestamp,
    ) -> Result<Option<SavedPlan>, RunError> {
        let (source, target) = self.names;
        let PromoteOptions { merge_rows, prefer, plan, exactly, .. } = &self.options;
        if !plan && exactly.is_none() && !owners_approve(self.prepared, target) {
            return Ok(None);
        }
        let promotion = PlannedPromotion {
            source: source.to_owned(),
            commit: self.sides.source.id.clone(),
            merge_rows: *merge_rows,
            prefer: prefer.map(|side| side.word().to_owned()),
        };
        let saved = planned(self.services, self.prepared, (target, as_of), merged, promotion).await?;
        match exactly {
            Some(digest) if *digest != saved.digest => Err(RunError::Project(format!(
                "the promotion of `{source}` into `{target}` is another one than was saved: the project's policies or owners have changed; save it again with `baton promote {source} {target} --out FILE`"
            ))),
            _ => Ok(Some(saved)),
        }
    }

    /// What the promotion leaves behind: what moved, and what something moved beside.
    async fn behind(
        &self,
        merged: &BTreeMap<AssetName, Pin>,
        before: &BTreeMap<AssetName, Pin>,
    ) -> Result<Vec<Behind>, RunError> {
        let known: Vec<Behind> = all_behind(before);
        let is_news = |found: &Behind| !known.contains(found) || merged.get(&found.asset) != before.get(&found.asset);
        let mut news = Vec::new();
        for found in all_behind(merged).into_iter().filter(is_news) {
            let definition = match merged.get(&found.asset) {
                Some(pin) => self.definition(&found.asset, pin).await?,
                None => None,
            };
            // A snapshot takes in what moved with its next batch.
            let is_snapshot =
                matches!(definition, Some(Definition::Table(table)) if table.materialize == Materialize::Snapshot);
            if !is_snapshot {
                news.push(found);
            }
        }
        Ok(news)
    }

    /// How the rows of those tables behave that both sides changed.
    async fn traits(&self) -> Result<BTreeMap<AssetName, TableTraits>, RunError> {
        let mut found = BTreeMap::new();
        for name in self.sides.names() {
            let (base, source, target) = self.sides.pins(name);
            let (Some(source), Some(target)) = (source, target) else { continue };
            if source == target || base == Some(source) || base == Some(target) {
                continue;
            }
            if let Some(Definition::Table(table)) = self.definition(name, source).await? {
                let added = match table.materialize {
                    Materialize::History => vec![baton_core::asset::VALID_FROM.to_owned()],
                    Materialize::Snapshot => vec![baton_core::asset::SNAPSHOT_AT.to_owned()],
                    _ => Vec::new(),
                };
                let keys = if table.grain.is_empty() { Vec::new() } else { [table.grain, added].concat() };
                found.insert(name.clone(), TableTraits { is_stateful: table.materialize.is_stateful(), keys });
            }
        }
        Ok(found)
    }

    /// As declared when the pin was made; for pins older than recorded definitions, as the project has it.
    async fn definition(&self, name: &AssetName, pin: &Pin) -> Result<Option<Definition>, RunError> {
        let recorded = match &pin.definition {
            Some(key) => recorded_definition(self.services, key).await?,
            None => None,
        };
        let declared = || self.prepared.project.assets.get(name).cloned();
        Ok(recorded.or_else(declared).map(|asset| asset.definition))
    }

    /// Tables whose rows are to be merged and cannot be: both sides changed the same keys.
    async fn row_conflicts(
        &self,
        verdicts: &mut BTreeMap<AssetName, Verdict>,
        traits: &BTreeMap<AssetName, TableTraits>,
    ) -> Result<Vec<Conflict>, RunError> {
        let mut conflicts = Vec::new();
        let names: Vec<AssetName> =
            verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Rows).map(|(name, _)| name.clone()).collect();
        for name in names {
            let Some(merge) = self.row_merge(&name, traits).await? else { continue };
            let (rows, count) = merge.conflicts().await?;
            match (count, self.options.prefer) {
                (0, _) => {}
                (_, Some(Prefer::Source)) => drop(verdicts.insert(name, Verdict::Take)),
                (_, Some(Prefer::Target)) => drop(verdicts.insert(name, Verdict::Keep)),
                (count, None) => {
                    let what =
                        format!("both sides changed the rows of {count} key{}", if count == 1 { "" } else { "s" });
                    conflicts.push(Conflict { rows, ..self.conflict(&name, what).await? });
                }
            }
        }
        Ok(conflicts)
    }

    async fn row_merge(
        &self,
        name: &AssetName,
        traits: &BTreeMap<AssetName, TableTraits>,
    ) -> Result<Option<RowMerge>, RunError> {
        let (base, source, target) = self.sides.pins(name);
        let table = |pin: Option<&'_ Pin>| pin.and_then(|pin| pin.version.table().cloned());
        let (Some(base), Some(source), Some(target)) = (table(base), table(source), table(target)) else {
            return Ok(None);
        };
        let Some(traits) = traits.get(name) else { return Ok(None) };
        let of = MergedRows { base, source, target, keys: traits.keys.clone() };
        Ok(Some(RowMerge::open(self.services, of).await?))
    }

    fn taken(
        &self,
        verdicts: &BTreeMap<AssetName, Verdict>,
        before: &BTreeMap<AssetName, Pin>,
    ) -> BTreeMap<AssetName, Pin> {
        let mut merged = before.clone();
        for (name, verdict) in verdicts {
            match (verdict, self.sides.source.assets.get(name)) {
                (Verdict::Take, Some(pin)) => drop(merged.insert(name.clone(), pin.clone())),
                (Verdict::Remove, _) => drop(merged.remove(name)),
                _ => {}
            }
        }
        merged
    }

    fn broken(&self, merged: &BTreeMap<AssetName, Pin>) -> Vec<Conflict> {
        let conflict = |(asset, missing): (AssetName, AssetName)| Conflict {
            kind: merged.get(&asset).map_or(baton_core::Kind::Table, |pin| pin.kind),
            what: format!("it reads `{missing}`, which would not be there"),
            asset,
            source: None,
            target: None,
            rows: Vec::new(),
        };
        let already: BTreeSet<(AssetName, AssetName)> =
            self.sides.target.map(|commit| broken(&commit.assets)).unwrap_or_default().into_iter().collect();
        broken(merged).into_iter().filter(|found| !already.contains(found)).map(conflict).collect()
    }

    fn moves(
        &self,
        verdicts: &BTreeMap<AssetName, Verdict>,
        merged: &BTreeMap<AssetName, Pin>,
        before: &BTreeMap<AssetName, Pin>,
    ) -> Vec<Move> {
        let names: BTreeSet<&AssetName> = merged.keys().chain(before.keys()).collect();
        let of = |name: &AssetName| {
            let (old, new) = (before.get(name), merged.get(name));
            let details = changed_lines(old, new);
            let change = match (old, new, verdicts.get(name)) {
                (Some(_), Some(_), Some(Verdict::Rows)) => MoveKind::RowsMerged,
                (Some(_), Some(_), _) if details.is_empty() => return None,
                (Some(_), Some(_), _) => MoveKind::Changed,
                (None, _, _) => MoveKind::Added,
                (_, None, _) => MoveKind::Removed,
            };
            let kind = new.or(old)?.kind;
            Some(Move { asset: name.clone(), kind, change, details })
        };
        names.into_iter().filter_map(of).collect()
    }

    /// Writes merged rows and online values aside, then moves the target in one transaction.
    async fn publish(
        &self,
        mut merged: BTreeMap<AssetName, Pin>,
        verdicts: &BTreeMap<AssetName, Verdict>,
        traits: &BTreeMap<AssetName, TableTraits>,
        as_of: Timestamp,
        online: &[AssetName],
    ) -> Result<Commit, RunError> {
        let target = self.names.1;
        let mut execution = Execution::begin(self.services, self.prepared, target, as_of, "promote").await?;
        execution.working = merged.clone();
        for name in verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Rows).map(|(name, _)| name) {
            let (Some(merge), Some(pin)) = (self.row_merge(name, traits).await?, merged.get(name)) else { continue };
            let pin = execution.write_merged(name, &merge, pin).await?;
            merged.insert(name.clone(), pin);
        }
        let mut commit = Commit {
            id: CommitId(String::new()),
            parent: self.sides.target.map(|commit| commit.id.clone()),
            merged: Some(self.sides.source.id.clone()),
            environment: target.to_owned(),
            created_at: self.services.clock.now(),
            as_of,
            author: self.services.author.clone(),
            reason: format!("promote {}", self.names.0),
            git_revision: self.sides.source.git_revision.clone(),
            assets: merged,
        };
        let parent = commit.parent.as_ref().map_or_else(|| "first".to_owned(), |id| id.short().to_owned());
        let suffix = format!("{parent}-{}", self.sides.source.id.short());
        own_online(self.services, Some(self.prepared), &mut commit, &suffix, |name, _| online.contains(name)).await?;
        failpoint::reach("promote.online_written");
        let commit = commit.sealed();
        let mut events: Vec<NewEvent> = std::mem::take(&mut execution.pending);
        events.extend(self.deployments(&commit));
        events.push(commit_event(&commit, self.services, "promote"));
        failpoint::reach("promote.before_commit");
        self.services.ledger.commit(&commit, events).await?;
        failpoint::reach("promote.after_commit");
        Ok(commit)
    }

    fn deployments(&self, commit: &Commit) -> Vec<NewEvent> {
        let before = self.sides.target.map(|commit| &commit.assets);
        let mut events = Vec::new();
        for (name, pin) in commit.assets.iter().filter(|(_, pin)| matches!(pin.version, Version::Endpoint { .. })) {
            let old = before.and_then(|assets| assets.get(name)).map(served_of);
            let (revision, serves) = served_of(pin);
            if old.as_ref().map(|(_, serves)| serves) != Some(&serves) {
                let body = json!({"revision": revision, "serves": serves, "before": old.map(|(_, serves)| serves)});
                let (kind, environment) = (EventKind::EndpointDeployed, &commit.environment);
                events.push(event_of(self.services, environment, commit.as_of, Some(name), kind, (name, body)));
            }
        }
        events
    }
}
