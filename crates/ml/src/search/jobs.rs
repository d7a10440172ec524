//! Runs independent trainings side by side, their results in the order of the jobs.
//!
//! A training gains little from a second thread at the sizes of a search, so jobs share the threads out among
//! themselves: with fewer jobs than threads each job gets several.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Runs every job on as many threads as the current pool has, and calls `done` after each. The threads are not the
/// pool's own: a pool thread that waits inside one training would begin another one on top of it.
pub(super) fn run_all<J: Sync, T: Send>(
    jobs: &[J],
    run: impl Fn(&J) -> T + Sync,
    done: &mut (dyn FnMut() + Send),
) -> Vec<T> {
    let threads = rayon::current_num_threads();
    let workers = threads.min(jobs.len());
    let each = threads / workers.max(1);
    let next = AtomicUsize::new(0);
    let finished = Mutex::new((Vec::with_capacity(jobs.len()), done));
    let work = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(each).build().ok();
        while let Some((place, job)) = take(jobs, &next) {
            let result = match &pool {
                Some(pool) => pool.install(|| run(job)),
                None => run(job),
            };
            let mut finished = finished.lock().unwrap_or_else(PoisonError::into_inner);
            finished.0.push((place, result));
            (finished.1)();
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    let (mut results, _) = finished.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, J>(jobs: &'a [J], next: &AtomicUsize) -> Option<(usize, &'a J)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, jobs.get(place)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..100).collect();
        let mut calls = 0;
        let results = run_all(&jobs, |job| job * job, &mut || calls += 1);
        assert_eq!(results, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        assert_eq!(calls, 100);
        assert!(run_all(&[] as &[u64], |job| *job, &mut || {}).is_empty());
    }
}
