//! Where a server does its runs, one after the other: threads, open stores and what is known of the project are there for the
//! next run, too. It does not know what a run is.

use std::future::Future;
use std::sync::{Mutex, PoisonError, mpsc};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::commands::{STACK, runtime};
use crate::context::Context;
use crate::project::Remembered;

/// Threads that wait for a job and hold what the last one kept.
struct Bench {
    jobs: mpsc::Sender<Job>,
    remembered: Remembered,
}

/// What is done on the threads of a bench; answers whether the bench is in order afterwards.
type Job = Box<dyn FnOnce(&Runtime) -> bool + Send>;

/// Runs jobs on threads of its own: whatever they compute, who asks for them stays alive.
#[derive(Default)]
pub(crate) struct Workshop {
    free: Mutex<Option<Bench>>,
}

impl Workshop {
    /// Does a job, which is given `context` with what was kept for it. Dropped before its end, the job ends at its next pause.
    /// What a job leaves behind that did not end well is not kept. `None` when there are no threads, or the job panicked.
    pub(crate) async fn run<T, E, F>(
        &self,
        context: Context,
        job: impl FnOnce(Context) -> F + Send + 'static,
    ) -> Option<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Future<Output = Result<T, E>>,
    {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).take();
        let bench = free.map_or_else(Bench::new, Some)?;
        let context = Context { remembered: Some(bench.remembered.clone()), ..context };
        let (answer, answered) = oneshot::channel();
        let (_wanted, given_up) = oneshot::channel::<()>();
        let work = move |runtime: &Runtime| {
            let done = runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = given_up => None,
                    done = job(context) => Some(done),
                }
            });
            let is_well = matches!(done, Some(Ok(_)));
            // Who gave the job up does not ask what came of it.
            let _asked_or_not = done.map(|done| answer.send(done));
            is_well
        };
        bench.jobs.send(Box::new(work)).ok()?;
        let done = answered.await.ok()?;
        if done.is_ok() {
            *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Some(bench);
        }
        Some(done)
    }
}

impl Bench {
    /// Starts its threads; they go when nobody has a job for them any more, or after a job that did not end well.
    fn new() -> Option<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let work = move || {
            let Ok(runtime) = runtime() else { return };
            while let Ok(job) = waiting.recv() {
                if !job(&runtime) {
                    break;
                }
            }
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("run".to_owned()).stack_size(STACK).spawn(work).ok()?;
        Some(Self { jobs, remembered: Remembered::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::settings::Settings;

    fn context() -> Context {
        let words = ["baton", "status"];
        let arguments = <crate::args::Arguments as clap::Parser>::parse_from(words);
        Context::new(arguments.global, Settings::default()).unwrap()
    }

    /// A job that tells on which thread it was done.
    async fn thread(workshop: &Workshop) -> Option<std::thread::ThreadId> {
        let job = async |_: Context| Ok::<_, ()>(std::thread::current().id());
        workshop.run(context(), job).await?.ok()
    }

    #[tokio::test]
    async fn the_next_job_finds_what_one_that_ended_well_left() {
        let workshop = Workshop::default();
        let first = thread(&workshop).await.unwrap();
        assert_eq!(thread(&workshop).await, Some(first));
        assert_eq!(workshop.run(context(), async |_| Err::<(), _>("broke")).await, Some(Err("broke")));
        let second = thread(&workshop).await.unwrap();
        assert_ne!(second, first, "threads of a job that failed are not used again");
        let panics = async |_: Context| -> Result<(), ()> { panic!("on purpose") };
        assert_eq!(workshop.run(context(), panics).await, None);
        assert_ne!(thread(&workshop).await, Some(second));
    }

    #[tokio::test]
    async fn a_job_that_is_given_up_ends() {
        let workshop = Workshop::default();
        let (alive, mut is_over) = oneshot::channel::<()>();
        let job = async move |_: Context| {
            let _alive = alive;
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok::<_, ()>(())
        };
        let given_up = tokio::time::timeout(Duration::from_millis(50), workshop.run(context(), job)).await;
        assert!(given_up.is_err());
        let ended = tokio::time::timeout(Duration::from_secs(60), &mut is_over).await;
        assert!(ended.is_ok_and(|ended| ended.is_err()), "it goes on");
        assert!(thread(&workshop).await.is_some());
    }
}
