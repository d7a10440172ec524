//! Steps that wait for each other, by their places: which may begin, for threads that take one after the other. It knows
//! nothing of what a step does.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Steps that several threads work off.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// What is known of a step before it begins.
#[derive(Default)]
pub(super) struct Ahead {
    /// The places of those before it that have to be finished first.
    pub(super) waits_for: Vec<usize>,
    /// How much work it may be, compared with others: the most comes first, so that at the end no thread has much left.
    pub(super) work: u64,
}

struct State {
    /// Steps that may begin, those of most work first.
    ready: BTreeSet<(Reverse<u64>, usize)>,
    work: Vec<u64>,
    /// For each place how many of those that it waits for are not finished.
    missing: Vec<usize>,
    /// For each place those that wait for it.
    readers: Vec<Vec<usize>>,
    n_not_taken: usize,
    n_running: usize,
    is_over: bool,
}

impl Queue {
    /// Steps by their place.
    pub(super) fn new(ahead: &[Ahead]) -> Self {
        let mut readers = vec![Vec::new(); ahead.len()];
        for (place, step) in ahead.iter().enumerate() {
            step.waits_for.iter().for_each(|before| readers[*before].push(place));
        }
        let missing: Vec<usize> = ahead.iter().map(|step| step.waits_for.len()).collect();
        let free = ahead.iter().enumerate().filter(|(_, step)| step.waits_for.is_empty());
        let state = State {
            ready: free.map(|(place, step)| (Reverse(step.work), place)).collect(),
            work: ahead.iter().map(|step| step.work).collect(),
            missing,
            readers,
            n_not_taken: ahead.len(),
            n_running: 0,
            is_over: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Of the steps that may begin the one of most work, among equals the first, and how many can be at work with it (itself
    /// included); waits while there may still be one. `None` when all were taken, or it is over.
    pub(super) fn take(&self) -> Option<(usize, usize)> {
        let mut state = self.locked();
        loop {
            if state.is_over || state.n_not_taken == 0 {
                return None;
            }
            if let Some((_, place)) = state.ready.pop_first() {
                state.n_not_taken -= 1;
                state.n_running += 1;
                return Some((place, state.n_running + state.ready.len()));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A step that was taken is finished: those that waited for it may begin.
    pub(super) fn finish(&self, place: usize) {
        let mut state = self.locked();
        state.n_running -= 1;
        for reader in mem::take(&mut state.readers[place]) {
            state.missing[reader] -= 1;
            if state.missing[reader] == 0 {
                let work = Reverse(state.work[reader]);
                state.ready.insert((work, reader));
            }
        }
        self.changed.notify_all();
    }

    /// Nothing more begins.
    pub(super) fn end(&self) {
        self.locked().is_over = true;
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn queue(steps: &[(&[usize], u64)]) -> Queue {
        let ahead = |(waits_for, work): &(&[usize], u64)| Ahead { waits_for: waits_for.to_vec(), work: *work };
        Queue::new(&steps.iter().map(ahead).collect::<Vec<_>>())
    }

    #[test]
    fn steps_begin_in_order_once_what_they_wait_for_is_finished() {
        let queue = queue(&[(&[], 0), (&[0], 0), (&[], 0), (&[1, 2], 0)]);
        assert_eq!(queue.take(), Some((0, 2)), "the third step can go on beside it");
        assert_eq!(queue.take(), Some((2, 2)));
        queue.finish(0);
        assert_eq!(queue.take(), Some((1, 2)));
        queue.finish(2);
        queue.finish(1);
        assert_eq!(queue.take(), Some((3, 1)));
        assert_eq!(queue.take(), None, "all were taken");
    }

    #[test]
    fn what_may_be_the_most_work_begins_first() {
        let queue = queue(&[(&[], 1), (&[], 9), (&[], 9), (&[1], 99)]);
        assert_eq!((queue.take(), queue.take()), (Some((1, 3)), Some((2, 3))));
        queue.finish(1);
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some((3, 3)), Some((0, 3)), None));
    }

    #[test]
    fn a_thread_waits_until_a_step_may_begin_or_it_is_over() {
        let queue = queue(&[(&[], 0), (&[0], 0), (&[1], 0)]);
        assert_eq!(queue.take(), Some((0, 1)));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| (queue.take(), queue.take()));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waits.is_finished());
            queue.finish(0);
            std::thread::sleep(Duration::from_millis(20));
            queue.end();
            assert_eq!(waits.join().unwrap(), (Some((1, 1)), None));
        });
    }
}
