//! [`Project`]: all that a folder declares.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::Assets;
use baton_core::channel::Channel;
use baton_core::schedule::{Execution, Schedule};
use baton_core::{AssetName, Graph, Parameter, Runbook, UnitTest};
use baton_diagnostics::{Diagnostic, render_terminal};

use crate::graph::{Context, graph_with_context};
use crate::load::load_with_vars;
use crate::spec::{EnvironmentSpec, Policies, Settings};
use crate::unread::Unread;

/// A project and what is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// What could be read.
    pub project: Project,
    /// What could not, sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

/// All that a folder declares.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// The name; empty when `baton.yml` gives none.
    pub name: String,
    /// Environments by name.
    pub environments: BTreeMap<String, EnvironmentSpec>,
    /// Where things are kept and served.
    pub settings: Settings,
    /// What must hold before a protected environment moves.
    pub policies: Policies,
    /// Assets of all kinds by name, without those too broken to build.
    pub assets: Assets,
    /// Values for `var()`, those of parameters among them.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// Values that runs may be given, by name.
    pub params: BTreeMap<String, Parameter>,
    /// How steps of all runs are tried.
    pub execution: Execution,
    /// Slots of pools, by name.
    pub pools: BTreeMap<String, usize>,
    /// Schedules in the order of files.
    pub schedules: Vec<Schedule>,
    /// Whom to tell, in the order of files.
    pub channels: Vec<Channel>,
    /// Steps that mend something, in the order of files.
    pub runbooks: Vec<Runbook>,
    /// Unit tests in the order of files, without those too broken to run.
    pub tests: Vec<UnitTest>,
    /// Texts of the project files by path relative to the folder, for showing diagnostics.
    pub texts: BTreeMap<String, String>,
    pub(crate) unread: Unread,
}

impl Project {
    /// The same files read with other values for `var()`, with what is wrong with them then.
    pub fn with_vars(&self, vars: &BTreeMap<String, serde_json::Value>) -> (Self, Vec<Diagnostic>) {
        load_with_vars(self.texts.clone(), vars)
    }

    /// Draws diagnostics with excerpts of this project's files.
    pub fn render(&self, diagnostics: &[Diagnostic], color: bool) -> String {
        render_terminal(diagnostics, &|file| self.texts.get(file).cloned(), color)
    }

    /// Like [`crate::graph`], with places as they are in the files before templates were rendered, and in silence
    /// about what loading could not read.
    pub fn graph(&self, sql_reads: &BTreeMap<AssetName, BTreeSet<String>>) -> (Graph, Vec<Diagnostic>) {
        graph_with_context(&self.assets, sql_reads, Context { texts: &self.texts, unread: &self.unread })
    }
}
