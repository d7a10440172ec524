//! One writer for all: jobs that wait together share one transaction and one sync to disk. A job that fails is undone alone.

use std::pin::Pin;

use baton_ledger::database::{Database, Statement, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Result, TrackingError};

/// What a job does in the transaction that it is given.
pub(crate) type Work<'t, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>;

/// Jobs that share one transaction at most: nobody is to wait for long behind the others.
const MOST: usize = 256;
/// Jobs that wait at most; more wait to be let in.
const WAITING: usize = 1024;
const ACTION: &str = "keep what is tracked";

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
}

/// A job is given the transaction, or why there is none.
type Job =
    Box<dyn for<'t> FnOnce(Result<&'t mut Transaction>) -> Pin<Box<dyn Future<Output = Done> + Send + 't>> + Send>;

/// What became of a job.
struct Done {
    /// Whether what it wrote stays.
    keeps: bool,
    /// Tells who waits, once it is known whether the transaction is durable.
    answer: Answer,
}

type Answer = Box<dyn FnOnce(Result<()>) + Send>;

impl Writer {
    /// Starts the writer of `database`, which ends when nobody can reach it any more.
    pub(crate) fn start(database: Database) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING);
        tokio::spawn(run(database, jobs));
        Self { queue }
    }

    /// Carries out `work` in the next transaction; what it wrote is durable when this returns.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Transaction) -> Work<'t, T> + Send + 'static,
    {
        let (told, answer) = oneshot::channel();
        let sent = self.queue.send(job(work, told)).await;
        let ended = || TrackingError::Storage("the server ends and writes nothing more; try again".to_owned());
        sent.map_err(|_ended| ended())?;
        answer.await.map_err(|_ended| ended())?
    }
}

fn job<T, W>(work: W, told: oneshot::Sender<Result<T>>) -> Job
where
    T: Send + 'static,
    W: for<'t> FnOnce(&'t mut Transaction) -> Work<'t, T> + Send + 'static,
{
    boxed(move |transaction| {
        Box::pin(async move {
            let outcome = match transaction {
                Ok(transaction) => work(transaction).await,
                Err(error) => Err(error),
            };
            let keeps = outcome.is_ok();
            let answer = move |durable: Result<()>| {
                // Who asked may be gone: what is written stays written.
                let _gone = told.send(outcome.and_then(|value| durable.map(|()| value)));
            };
            Done { keeps, answer: Box::new(answer) }
        })
    })
}

/// Names the type of a job, which closures are not understood to have otherwise.
fn boxed<F>(job: F) -> Job
where
    F: for<'t> FnOnce(Result<&'t mut Transaction>) -> Pin<Box<dyn Future<Output = Done> + Send + 't>> + Send + 'static,
{
    Box::new(job)
}

async fn run(database: Database, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.recv().await {
        together(&database, first, &mut jobs).await;
    }
}

/// Carries out `first` and whatever waits behind it in one transaction.
async fn together(database: &Database, first: Job, jobs: &mut mpsc::Receiver<Job>) {
    let mut transaction = match database.begin(ACTION).await {
        Ok(transaction) => transaction,
        Err(error) => return (first(Err(error.into())).await.answer)(Ok(())),
    };
    let mut answers = Vec::new();
    if jobs.is_empty() {
        // The only one needs no way back but that of the transaction itself.
        let done = first(Ok(&mut transaction)).await;
        if !done.keeps {
            drop(transaction);
            return (done.answer)(Ok(()));
        }
        answers.push(done.answer);
    } else {
        answers.push(guarded(&mut transaction, first).await);
    }
    while answers.len() < MOST
        && let Ok(job) = jobs.try_recv()
    {
        answers.push(guarded(&mut transaction, job).await);
    }
    let durable = transaction.commit(ACTION).await.map_err(TrackingError::from);
    for answer in answers {
        answer(durable.clone());
    }
}

/// Carries out a job so that it can be undone without the others.
async fn guarded(transaction: &mut Transaction, job: Job) -> Answer {
    if let Err(error) = transaction.execute(Statement::new("SAVEPOINT job")).await {
        return job(Err(error.into())).await.answer;
    }
    let done = job(Ok(transaction)).await;
    let end = if done.keeps { "RELEASE job" } else { "ROLLBACK TO job" };
    match transaction.execute(Statement::new(end)).await {
        Ok(_) => done.answer,
        Err(error) => Box::new(move |_durable| (done.answer)(Err(error.into()))),
    }
}
