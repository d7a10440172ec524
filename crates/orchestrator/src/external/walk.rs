//! The walk from an asset into what other tools make of it, or make it from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::{DATASET, ExternalLineage, ExternalName, JOB, Known};
use crate::commands::{Direction, LineageReport};
use crate::prepare::Prepared;

/// Adds the jobs and datasets of others that are reached from the assets of a report, the same way on; assets that are
/// reached through them are not walked from again.
pub(crate) fn add_external(
    report: &mut LineageReport,
    lineage: &ExternalLineage,
    (prepared, environment, folder): (&Prepared, &str, &Path),
    direction: Direction,
) {
    let walk = Walk { lineage, known: Known::of(prepared, environment, folder), direction };
    let reached = report.edges.iter().flat_map(|(from, to)| [from.clone(), to.clone()]);
    let reached: BTreeSet<String> = reached.chain([report.asset.clone()]).collect();
    let mut queue: VecDeque<String> = reached.iter().cloned().collect();
    let mut seen = reached;
    while let Some(here) = queue.pop_front() {
        for (job, beyond) in walk.jobs_at(&here) {
            report.external.insert(job.clone(), JOB.to_owned());
            report.edges.push(walk.edge(&here, &job));
            for (name, is_external) in beyond {
                report.edges.push(walk.edge(&job, &name));
                if is_external {
                    report.external.insert(name.clone(), DATASET.to_owned());
                }
                if seen.insert(name.clone()) {
                    queue.push_back(name);
                }
            }
        }
    }
    report.edges.sort();
    report.edges.dedup();
}

struct Walk<'a> {
    lineage: &'a ExternalLineage,
    known: Known<'a>,
    direction: Direction,
}

impl Walk<'_> {
    /// Jobs that write (or read) what is called `here`, each with what it reads (or writes).
    fn jobs_at(&self, here: &str) -> BTreeMap<String, Vec<(String, bool)>> {
        let mut found = BTreeMap::new();
        for (name, job) in &self.lineage.jobs {
            let (near, far) = match self.direction {
                Direction::Up => (&job.outputs, &job.inputs),
                Direction::Down => (&job.inputs, &job.outputs),
            };
            if near.iter().any(|dataset| self.called(dataset).0 == here) {
                found.insert(name.to_string(), far.iter().map(|dataset| self.called(dataset)).collect());
            }
        }
        found
    }

    /// The asset that a dataset is, else its own name; and whether it is none of the project's.
    fn called(&self, dataset: &ExternalName) -> (String, bool) {
        match self.known.asset(dataset, self.lineage) {
            Some(asset) => (asset.to_string(), false),
            None => (dataset.to_string(), true),
        }
    }

    /// From what is read to who reads it.
    fn edge(&self, here: &str, there: &str) -> (String, String) {
        match self.direction {
            Direction::Up => (there.to_owned(), here.to_owned()),
            Direction::Down => (here.to_owned(), there.to_owned()),
        }
    }
}
