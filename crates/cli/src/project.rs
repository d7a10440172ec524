//! Opening a project: its files, the environment to work on, and the parts that a command works with.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use baton_core::{Kind, Timestamp};
use baton_diagnostics::{Diagnostic, has_errors, nearest};
use baton_ledger::{LockGuard, StorageGuard};
use baton_orchestrator::{Asked, Prepared, Services};
use baton_project::Project;

use crate::context::Context;
use crate::error::CliError;
use crate::output;
use crate::wire::{self, Access, KeptStores, Parts};

/// What a folder declares, and what is wrong with it.
type Read = (Arc<Project>, Vec<Diagnostic>);

/// What a server keeps from one run to the next: what the folder declares, and the stores that runs work with. Most runs find
/// both as they were.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remembered(Arc<Mutex<Option<Kept>>>);

struct Kept {
    stamp: String,
    read: Read,
    /// Stores of the project as it was read; `None` before the first run.
    stores: Option<KeptStores>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Kept").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

impl Remembered {
    /// What the folder declares now, and the stores that were kept for it.
    fn read(&self, folder: &Path) -> (Read, Option<KeptStores>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = last.as_ref().and_then(|kept| kept.read.0.settings.python.lock.clone());
        // Before the files are read: of a change meanwhile the next one learns.
        let stamp = baton_project::stamp_of_project(folder, lock.as_deref());
        match &*last {
            Some(kept) if kept.stamp == stamp => (kept.read.clone(), kept.stores.clone()),
            _ => (last.insert(Kept { stamp, read: read(folder), stores: None }).read.clone(), None),
        }
    }

    /// Keeps the stores of a project for the next run, unless it was read anew meanwhile.
    fn keep(&self, project: &Arc<Project>, parts: &Parts) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = last.as_mut().filter(|kept| Arc::ptr_eq(&kept.read.0, project)) {
            kept.stores = KeptStores::of(parts);
        }
    }
}

fn read(folder: &Path) -> Read {
    let loaded = baton_project::load(folder);
    (Arc::new(loaded.project), loaded.diagnostics)
}

/// An open project.
pub(crate) struct Workspace {
    /// How the command was called.
    pub(crate) context: Context,
    /// What the folder declares.
    pub(crate) project: Arc<Project>,
    /// What is wrong with it so far.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The environment to work on.
    pub(crate) environment: String,
    /// The project with the defaults of its parameters, where it has others.
    with_defaults: Option<Arc<Project>>,
    parts: Parts,
    /// Keeps what is read from being collected meanwhile.
    _storage: Option<StorageGuard>,
}

impl Workspace {
    /// Opens the project of this call.
    ///
    /// # Errors
    /// [`CliError::NotAProject`], [`CliError::UnknownEnvironment`], and those of the stores.
    pub(crate) async fn open(context: &Context, access: Access) -> Result<Self, CliError> {
        let mut workspace = Self::open_alone(context, access).await?;
        workspace._storage = match &workspace.parts.ledger {
            Some(ledger) => ledger.use_storage("baton").await?,
            None => None,
        };
        // From here on nobody deletes what the run before may have remembered.
        workspace.parts.services.lake = workspace.parts.services.lake.again();
        Ok(workspace)
    }

    /// As [`Self::open`], without keeping a collection of stored files from beginning: for the collection itself, and for
    /// servers, which hold in memory what they read.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn open_alone(context: &Context, access: Access) -> Result<Self, CliError> {
        let folder = project_folder(&context.folder)?;
        let ((project, diagnostics), stores) = match &context.remembered {
            Some(remembered) => remembered.read(&folder),
            None => (read(&folder), None),
        };
        let parts = wire::parts(context, &folder, &project.settings, access, stores.as_ref()).await?;
        if let (Some(remembered), None) = (&context.remembered, stores) {
            remembered.keep(&project, &parts);
        }
        let environment = pick_environment(context, &project, &parts.services).await?;
        let context = context.clone();
        Ok(Self { context, project, diagnostics, environment, with_defaults: None, parts, _storage: None })
    }

    /// What the orchestrator works with.
    pub(crate) fn services(&self) -> &Services {
        &self.parts.services
    }

    /// The same workspace, whose runs say what asked for them.
    pub(crate) fn asked_by(mut self, asked: Asked) -> Self {
        self.parts.services.asked = asked;
        self
    }

    /// Puts other values into the place of parameters' defaults.
    pub(crate) fn vary(&mut self, values: BTreeMap<String, serde_json::Value>) {
        let (project, diagnostics) = self.project.with_vars(&values);
        self.diagnostics = diagnostics;
        self.with_defaults = Some(std::mem::replace(&mut self.project, Arc::new(project)));
        self.parts.services.asked.parameters = values;
    }

    /// The logical clock of this call: as asked for, or now.
    pub(crate) fn as_of(&self) -> Timestamp {
        self.context.as_of.unwrap_or_else(|| self.services().clock.now())
    }

    /// The clock to look at the environment with: as asked for, else that of its newest commit, else now.
    ///
    /// # Errors
    /// Those of the ledger.
    pub(crate) async fn viewed_at(&self) -> Result<Timestamp, CliError> {
        if let Some(asked) = self.context.as_of {
            return Ok(asked);
        }
        let head = self.services().ledger.head(&self.environment).await?;
        Ok(head.map_or_else(|| self.as_of(), |commit| commit.as_of))
    }

    /// Resolves the project at `as_of`; warnings go to standard error.
    ///
    /// # Errors
    /// [`CliError::Project`] with all diagnostics when there is an error among them.
    pub(crate) async fn prepare(&self, as_of: Timestamp) -> Result<Prepared, CliError> {
        let (prepared, diagnostics) = self.examine(as_of).await?;
        let rendered = || self.project.render(&diagnostics, output::stderr_has_color());
        match prepared {
            Some(prepared) => {
                if !diagnostics.is_empty() && !self.context.quiet {
                    output::say(rendered().trim_end());
                }
                Ok(prepared)
            }
            None => Err(CliError::Project { rendered: rendered() }),
        }
    }

    /// Resolves the project at `as_of` as far as it goes, with everything that is wrong with it.
    ///
    /// # Errors
    /// Those of the stores; mistakes in the project are diagnostics.
    pub(crate) async fn examine(&self, as_of: Timestamp) -> Result<(Option<Prepared>, Vec<Diagnostic>), CliError> {
        let project = Arc::clone(&self.project);
        let (prepared, found) = baton_orchestrator::prepare(self.services(), project, &self.environment, as_of).await?;
        let mut diagnostics = self.diagnostics.clone();
        diagnostics.extend(found);
        let mut prepared = prepared.filter(|_| !has_errors(&diagnostics));
        if let (Some(found), Some(project)) = (prepared.take_if(|_| self.with_defaults.is_some()), &self.with_defaults)
        {
            let project = Arc::clone(project);
            let (with_defaults, mistakes) =
                baton_orchestrator::prepare(self.services(), project, &self.environment, as_of).await?;
            match with_defaults {
                Some(with_defaults) => prepared = Some(found.varying(&with_defaults)),
                None => diagnostics.extend(mistakes),
            }
        }
        Ok((prepared, diagnostics))
    }

    /// Locks the environment against other processes until the guard is dropped. `command` is what they are told.
    ///
    /// # Errors
    /// `LedgerError::Locked` when another process holds it.
    pub(crate) async fn lock(&self, command: &str) -> Result<Option<LockGuard>, CliError> {
        self.lock_environment(&self.environment, command).await
    }

    /// As [`Self::lock`], for an environment by name.
    ///
    /// # Errors
    /// `LedgerError::Locked` when another process holds it.
    pub(crate) async fn lock_environment(&self, name: &str, command: &str) -> Result<Option<LockGuard>, CliError> {
        Ok(match &self.parts.ledger {
            Some(ledger) => Some(ledger.lock(name, command).await?),
            None => None,
        })
    }

    /// Takes the stored files for deleting; nobody else reads or writes them until the guard is dropped.
    ///
    /// # Errors
    /// `LedgerError::StorageLocked` when another process works with them.
    pub(crate) async fn own_storage(&self, command: &str) -> Result<Option<StorageGuard>, CliError> {
        Ok(match &self.parts.ledger {
            Some(ledger) => Some(ledger.own_storage(command).await?),
            None => None,
        })
    }

    /// Whether the environment moves only by apply of a checked plan.
    pub(crate) fn is_protected(&self) -> bool {
        self.project.environments.get(&self.environment).is_some_and(|environment| environment.protected)
    }

    /// Checks that the project has an asset of this name.
    ///
    /// # Errors
    /// [`CliError::UnknownAsset`] with the nearest name.
    pub(crate) fn need_asset(&self, name: &str) -> Result<(), CliError> {
        if self.project.assets.contains_key(name) {
            return Ok(());
        }
        let names = self.project.assets.keys().map(|known| known.as_str());
        Err(CliError::UnknownAsset { name: name.to_owned(), nearest: nearest(name, names).map(str::to_owned) })
    }

    /// Checks that the project has an endpoint of this name.
    ///
    /// # Errors
    /// [`CliError::UnknownAsset`] or [`CliError::WrongKind`].
    pub(crate) fn need_endpoint(&self, name: &str, command: &'static str) -> Result<(), CliError> {
        self.need_asset(name)?;
        match self.project.assets.get(name).map(|asset| asset.kind()) {
            Some(Kind::Endpoint) | None => Ok(()),
            Some(kind) => {
                let (found, wanted) = (kind.word(), Kind::Endpoint.word());
                Err(CliError::WrongKind { name: name.to_owned(), found, wanted, command })
            }
        }
    }
}

/// The folder of the project, if it is one.
///
/// # Errors
/// [`CliError::NotAProject`].
pub(crate) fn project_folder(folder: &Path) -> Result<PathBuf, CliError> {
    if folder.join("baton.yml").is_file() {
        return Ok(folder.to_owned());
    }
    // The message names a folder that the reader can find again.
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    Err(CliError::NotAProject { folder: shown })
}

/// The environment of this call: declared ones, and copies that only the ledger knows.
async fn pick_environment(context: &Context, project: &Project, services: &Services) -> Result<String, CliError> {
    let declared: Vec<&str> = project.environments.keys().map(String::as_str).collect();
    let Some(asked) = &context.environment else {
        let first = if declared.contains(&"prod") { Some("prod") } else { declared.first().copied() };
        return Ok(first.unwrap_or("prod").to_owned());
    };
    let copies: Vec<String> = services.ledger.environments().await?.into_iter().map(|found| found.name).collect();
    let mut known: Vec<String> = declared.into_iter().map(str::to_owned).chain(copies).collect();
    known.sort();
    known.dedup();
    if known.contains(asked) {
        return Ok(asked.clone());
    }
    let nearest = nearest(asked, known.iter().map(String::as_str)).map(str::to_owned);
    Err(CliError::UnknownEnvironment { name: asked.clone(), nearest, known })
}
