//! Steps that wait for each other, by their places: which may begin, for threads that take one after the other. It knows
//! nothing of what a step does.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Steps that several threads work off.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// For each place those before it that have to be finished first.
    waits_for: Vec<Vec<usize>>,
    stands: Vec<Stand>,
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Waiting,
    Running,
    Finished,
}

impl Queue {
    /// Steps of which each waits for others before it, by place.
    pub(super) fn new(waits_for: Vec<Vec<usize>>) -> Self {
        let stands = vec![Stand::Waiting; waits_for.len()];
        Self { state: Mutex::new(State { waits_for, stands, is_over: false }), changed: Condvar::new() }
    }

    /// The first step that may begin, and how many can be at work with it (itself included); waits while there may still
    /// be one. `None` when all were taken, or it is over.
    pub(super) fn take(&self) -> Option<(usize, usize)> {
        let mut state = self.locked();
        loop {
            if state.is_over || !state.stands.contains(&Stand::Waiting) {
                return None;
            }
            let ready: Vec<usize> = state.ready().collect();
            if let Some(place) = ready.first().copied() {
                let n_running = state.stands.iter().filter(|stand| **stand == Stand::Running).count();
                state.stands[place] = Stand::Running;
                return Some((place, n_running + ready.len()));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A step was finished: those that waited for it may begin.
    pub(super) fn finish(&self, place: usize) {
        self.locked().stands[place] = Stand::Finished;
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

impl State {
    fn ready(&self) -> impl Iterator<Item = usize> {
        let is_finished = |place: &usize| self.stands[*place] == Stand::Finished;
        let is_ready = move |place: &usize| {
            self.stands[*place] == Stand::Waiting && self.waits_for[*place].iter().all(is_finished)
        };
        (0..self.stands.len()).filter(is_ready)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn steps_begin_in_order_once_what_they_wait_for_is_finished() {
        let queue = Queue::new(vec![vec![], vec![0], vec![], vec![1, 2]]);
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
    fn a_thread_waits_until_a_step_may_begin_or_it_is_over() {
        let queue = Queue::new(vec![vec![], vec![0], vec![1]]);
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
