//! Finding runs.
//!
//! A search reads runs in the order that is asked for, by an index, and checks each against the filter, until the page is full;
//! or, where one part of the filter is met by few runs, it begins with those and sorts them. Which it is decide bounded counts
//! and a sample (`plan`). Pages go on behind the last row of the one before (keyset), so that a deep page costs what the first does.

mod attribute;
mod order;
mod plan;
mod predicate;

use baton_ledger::database::{Statement, Transaction};

use self::order::Sorting;
use self::plan::{Access, Found};
use self::predicate::Predicate;
use super::{Run, data};
use crate::error::Result;
use crate::filter::{self, Dialect};
use crate::page::{self, Part};
use crate::store::TrackingStore;
use crate::{Page, View};

/// What runs are looked for.
#[derive(Debug, Clone, Default)]
pub struct RunSearch {
    /// The numbers of the experiments; without any, nothing is found.
    pub experiments: Vec<i64>,
    /// A filter; an empty one finds all.
    pub filter: String,
    /// What the filter may hold.
    pub dialect: Dialect,
    /// Which stage is looked at.
    pub view: View,
    /// The most that are answered.
    pub max_results: usize,
    /// Keys to order by; equals, and all without keys, come the newest first.
    pub order_by: Vec<String>,
    /// The page, as the one before it said.
    pub page_token: Option<String>,
}

/// A search whose words are understood.
struct Understood {
    experiments: Vec<i64>,
    view: View,
    predicate: Predicate,
    sorting: Sorting,
    /// Where the page begins.
    begin: Option<Vec<Part>>,
    /// One more than the page has.
    limit: usize,
}

impl RunSearch {
    fn understand(&self) -> Result<Understood> {
        let predicate = Predicate::of(&filter::parse(&self.filter, self.dialect)?, self.dialect)?;
        let sorting = Sorting::of(&self.order_by)?;
        let token = self.page_token.as_deref().filter(|token| !token.is_empty());
        let begin = token.map(|token| page::decode(token, sorting.length())).transpose()?;
        let mut experiments = self.experiments.clone();
        experiments.sort_unstable();
        experiments.dedup();
        Ok(Understood {
            experiments,
            view: self.view,
            predicate,
            sorting,
            begin,
            limit: self.max_results.saturating_add(1),
        })
    }
}

impl Understood {
    /// Adds what is asked of a run besides its experiment.
    fn write_conditions(&self, statement: &mut Statement) -> Result<()> {
        if let Some(stage) = self.view.stage() {
            statement.push(" AND r.lifecycle_stage = ").push_bind(stage.as_str());
        }
        statement.push(" AND ");
        self.predicate.write(statement)
    }
}

impl TrackingStore {
    /// Finds runs, with all that they logged.
    ///
    /// # Errors
    /// [`crate::TrackingError::Invalid`] for a filter, an order or a token that cannot be read.
    pub async fn search_runs(&self, search: RunSearch) -> Result<Page<Run>> {
        let understood = search.understand()?;
        if understood.experiments.is_empty() {
            return Ok(Page { rows: Vec::new(), next: None });
        }
        let mut transaction = self.snapshot().await?;
        let access = plan::choose(&mut transaction, &understood).await?;
        let mut ids = find(&mut transaction, &understood, &access).await?;
        let follows = ids.len() > search.max_results;
        ids.truncate(search.max_results);
        let rows = data::rows(&mut transaction, &ids).await?;
        let runs = data::load(&mut transaction, rows).await?;
        let next = if follows { runs.last().map(|run| page::encode(&understood.sorting.parts(run))) } else { None };
        Ok(Page { rows: runs, next })
    }
}

/// The row numbers of a page, and one more if there are more.
async fn find(transaction: &mut Transaction, search: &Understood, access: &Access) -> Result<Vec<i64>> {
    let mut ids: Vec<i64> = Vec::new();
    for found in search.sorting.passes(access, search.begin.as_deref()) {
        if ids.len() >= search.limit {
            break;
        }
        let statement = statement(search, access, &found, search.limit - ids.len())?;
        ids.extend(transaction.all::<(i64,)>(statement).await?.into_iter().map(|(id,)| id));
    }
    Ok(ids)
}

/// One pass over the runs.
fn statement(search: &Understood, access: &Access, found: &Found, limit: usize) -> Result<Statement> {
    let mut statement = Statement::new("SELECT r.id FROM ");
    search.sorting.write_from(&mut statement, search, access, found)?;
    search.write_conditions(&mut statement)?;
    let columns = search.sorting.columns(found);
    if let Some(begin) = &found.begin {
        page::behind(&mut statement, &columns, begin);
    }
    page::order_by(&mut statement, &columns);
    statement.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(statement)
}

/// Adds ` = n` or ` IN (…)`.
fn write_experiments(statement: &mut Statement, column: &str, experiments: &[i64]) {
    statement.push(column);
    match experiments {
        [only] => {
            statement.push(" = ").push_bind(*only);
        }
        several => {
            statement.push(" IN (");
            for (place, experiment) in several.iter().enumerate() {
                statement.push(if place == 0 { "" } else { ", " }).push_bind(*experiment);
            }
            statement.push(")");
        }
    }
}
