//! The ledger in memory: the fake that tests of upper layers use. Held to the same contract suite as the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use super::{Ancestor, Environment, Ledger, LedgerError, LogRoot, Tag};
use crate::commit::{Commit, CommitId};
use crate::event::{Event, EventFilter, NewEvent};
use crate::fingerprint::Fingerprint;

#[derive(Default)]
struct State {
    events: Vec<Event>,
    commits: BTreeMap<CommitId, Commit>,
    environments: BTreeMap<String, CommitId>,
    tags: BTreeMap<String, CommitId>,
}

/// A ledger that lives as long as the value. Its [`Ledger::root`] is a hash over all events, not a Merkle tree.
#[derive(Default)]
pub struct MemoryLedger {
    state: Mutex<State>,
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, events: Vec<NewEvent>) {
        for event in events {
            let sequence = self.events.len() as u64 + 1;
            self.events.push(Event { sequence, event });
        }
    }
}

/// What to do when an environment is there already.
const ENVIRONMENT_EXISTS: &str = "choose another name, or remove it first with `baton env rm`";

fn no_such_commit(action: String) -> LedgerError {
    LedgerError::Storage { action, reason: "there is no such commit".to_owned() }
}

fn matches(filter: &EventFilter, event: &NewEvent) -> bool {
    filter.environment.as_ref().is_none_or(|wanted| *wanted == event.environment)
        && filter.run.as_ref().is_none_or(|wanted| Some(wanted) == event.run.as_ref())
        && filter.asset.as_ref().is_none_or(|wanted| Some(wanted) == event.asset.as_ref())
        && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
        && filter.key.as_ref().is_none_or(|wanted| *wanted == event.key)
        && filter.from.is_none_or(|from| event.as_of >= from)
        && filter.until.is_none_or(|until| event.as_of < until)
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn append(&self, events: Vec<NewEvent>) -> Result<u64, LedgerError> {
        let mut state = self.lock();
        state.append(events);
        Ok(state.events.len() as u64)
    }

    async fn append_unless(&self, there: &EventFilter, events: Vec<NewEvent>) -> Result<bool, LedgerError> {
        let mut state = self.lock();
        if state.events.iter().any(|event| matches(there, &event.event)) {
            return Ok(false);
        }
        state.append(events);
        Ok(true)
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, LedgerError> {
        let state = self.lock();
        let found: Vec<Event> = state.events.iter().filter(|event| matches(filter, &event.event)).cloned().collect();
        let skipped = filter.last.map_or(0, |last| found.len().saturating_sub(last as usize));
        Ok(found.into_iter().skip(skipped).collect())
    }

    async fn commit(&self, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let mut state = self.lock();
        let found = state.environments.get(&commit.environment);
        if found != commit.parent.as_ref() {
            let show = |id: Option<&CommitId>| id.map_or("no commit".to_owned(), |id| id.short().to_owned());
            return Err(LedgerError::Moved {
                environment: commit.environment.clone(),
                expected: show(commit.parent.as_ref()),
                found: show(found),
            });
        }
        state.commits.insert(commit.id.clone(), commit.clone());
        state.environments.insert(commit.environment.clone(), commit.id.clone());
        state.append(events);
        Ok(())
    }

    async fn read_commit(&self, id: &CommitId) -> Result<Option<Commit>, LedgerError> {
        Ok(self.lock().commits.get(id).cloned())
    }

    async fn history(&self, environment: &str, limit: u32) -> Result<Vec<Commit>, LedgerError> {
        let state = self.lock();
        let mut found = Vec::new();
        let mut next = state.environments.get(environment).cloned();
        while let Some(commit) = next.and_then(|id| state.commits.get(&id)) {
            if found.len() >= limit as usize {
                break;
            }
            found.push(commit.clone());
            next = commit.parent.clone();
        }
        Ok(found)
    }

    async fn environments(&self) -> Result<Vec<Environment>, LedgerError> {
        let state = self.lock();
        let list = state.environments.iter();
        Ok(list.map(|(name, commit)| Environment { name: name.clone(), commit: commit.clone() }).collect())
    }

    async fn point(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let mut state = self.lock();
        if !state.commits.contains_key(commit) {
            return Err(no_such_commit(format!("point `{name}` at {}", commit.short())));
        }
        state.environments.insert(name.to_owned(), commit.clone());
        state.append(events);
        Ok(())
    }

    async fn start(&self, environment: &str, commit: &Commit, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let mut state = self.lock();
        if state.environments.contains_key(environment) {
            return Err(LedgerError::Exists {
                what: "environment",
                name: environment.to_owned(),
                hint: ENVIRONMENT_EXISTS.to_owned(),
            });
        }
        state.commits.insert(commit.id.clone(), commit.clone());
        state.environments.insert(environment.to_owned(), commit.id.clone());
        state.append(events);
        Ok(())
    }

    async fn remove(&self, name: &str, head: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let mut state = self.lock();
        let found = state.environments.get(name);
        if found != Some(head) {
            return Err(LedgerError::Moved {
                environment: name.to_owned(),
                expected: head.short().to_owned(),
                found: found.map_or("no commit".to_owned(), |id| id.short().to_owned()),
            });
        }
        state.environments.remove(name);
        state.append(events);
        Ok(())
    }

    async fn ancestry(&self, id: &CommitId) -> Result<Vec<Ancestor>, LedgerError> {
        let state = self.lock();
        let mut found: BTreeMap<CommitId, Ancestor> = BTreeMap::new();
        let mut next = vec![id.clone()];
        while let Some(id) = next.pop() {
            let Some(commit) = state.commits.get(&id).filter(|_| !found.contains_key(&id)) else { continue };
            let node = Ancestor { id: id.clone(), parent: commit.parent.clone(), merged: commit.merged.clone() };
            next.extend(node.parents().cloned());
            found.insert(id, node);
        }
        Ok(found.into_values().collect())
    }

    async fn commits_starting(&self, prefix: &str) -> Result<Vec<CommitId>, LedgerError> {
        let state = self.lock();
        Ok(state.commits.keys().filter(|id| id.0.starts_with(prefix)).take(2).cloned().collect())
    }

    async fn tags(&self) -> Result<Vec<Tag>, LedgerError> {
        let state = self.lock();
        Ok(state.tags.iter().map(|(name, commit)| Tag { name: name.clone(), commit: commit.clone() }).collect())
    }

    async fn tag(&self, name: &str, commit: &CommitId, events: Vec<NewEvent>) -> Result<(), LedgerError> {
        let mut state = self.lock();
        if !state.commits.contains_key(commit) {
            return Err(no_such_commit(format!("tag {} as `{name}`", commit.short())));
        }
        state.tags.insert(name.to_owned(), commit.clone());
        state.append(events);
        Ok(())
    }

    async fn untag(&self, name: &str, events: Vec<NewEvent>) -> Result<bool, LedgerError> {
        let mut state = self.lock();
        let was_there = state.tags.remove(name).is_some();
        if was_there {
            state.append(events);
        }
        Ok(was_there)
    }

    async fn root(&self) -> Result<LogRoot, LedgerError> {
        let state = self.lock();
        let leaves = state.events.iter().map(|event| serde_json::to_vec(event).unwrap_or_default());
        Ok(LogRoot { size: state.events.len() as u64, hash: Fingerprint::of(leaves).as_str().to_owned() })
    }
}
