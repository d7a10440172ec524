//! Locks of a PostgreSQL session: the server frees them when the connection ends, and that with the process.
//!
//! A lock is a number made of schema and name. Its holder is named by the session's `application_name`, for the message of
//! whoever comes second. Each guard has a connection of its own, which is asked again and again whether it is there; when
//! it broke, as with a restart of the server, the lock is taken anew. If another process has it by then, this one writes
//! no more. A connection whose guard is gone lets go of its locks and is kept for the next guard.

use std::time::Duration;

use baton_core::ports::LedgerError;
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::oneshot;

use crate::database::{PostgresDatabase, connect};
use crate::error::{is_broken, postgres_code, storage};

/// How long one who needs the stored files waits for one who deletes some, and the other way round.
const PATIENCE: &str = "10s";
/// How long the server may take to notice that the last holder let go.
const NOTICE: Duration = Duration::from_secs(1);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(20);
/// How often a connection that holds a lock is asked whether it is there.
const LOOK: Duration = Duration::from_secs(2);
/// PostgreSQL cuts longer names.
const LONGEST_NAME: usize = 63;
/// So that the locks of a machine that is gone are free after half a minute.
const KEEPALIVE: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "4"),
    ("lock_timeout", PATIENCE),
];
const STORAGE_ACTION: &str = "lock the project's files";
/// `lock_not_available`.
const TIMED_OUT: &str = "55P03";

/// Locks of one session, free again when it is dropped.
#[derive(Debug)]
pub(super) struct SessionLock {
    /// Its keeper lets go when this is dropped. Where the keeper has gone, the connection has, and the locks with it.
    _held: oneshot::Sender<()>,
}

/// One lock by its number.
#[derive(Debug, Clone, Copy)]
struct Lock {
    number: i64,
    is_shared: bool,
}

impl Lock {
    fn of(database: &PostgresDatabase, name: &str, is_shared: bool) -> Self {
        let digest = Sha256::digest(format!("baton\n{}\n{name}", database.schema));
        let mut number = [0; 8];
        number.copy_from_slice(&digest[..8]);
        Self { number: i64::from_be_bytes(number), is_shared }
    }

    fn storage(database: &PostgresDatabase, is_shared: bool) -> Self {
        Self::of(database, "storage", is_shared)
    }

    /// Takes the lock if it is free.
    async fn is_taken(self, session: &mut PgConnection) -> sqlx::Result<bool> {
        let text = match self.is_shared {
            true => "SELECT pg_try_advisory_lock_shared($1)",
            false => "SELECT pg_try_advisory_lock($1)",
        };
        sqlx::query_scalar(text).bind(self.number).fetch_one(session).await
    }

    /// Waits for the lock, for as long as the session's settings allow.
    async fn wait(self, session: &mut PgConnection) -> sqlx::Result<()> {
        let text = match self.is_shared {
            true => "SELECT pg_advisory_lock_shared($1)",
            false => "SELECT pg_advisory_lock($1)",
        };
        sqlx::query(text).bind(self.number).execute(session).await.map(drop)
    }

    /// Who has it.
    async fn holder(self, session: &mut PgConnection) -> String {
        let [high, low] = [self.number.cast_unsigned() >> 32, self.number.cast_unsigned() & 0xffff_ffff];
        let found: sqlx::Result<Option<(Option<String>, Option<String>)>> = sqlx::query_as(
            "SELECT a.application_name, host(a.client_addr) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
              WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND l.classid::bigint = $1 AND l.objid::bigint = $2 LIMIT 1",
        )
        .bind(high.cast_signed())
        .bind(low.cast_signed())
        .fetch_optional(session)
        .await;
        let (name, address) = found.ok().flatten().unwrap_or_default();
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "another process".to_owned());
        let is_far = |address: &String| !address.starts_with("127.") && address != "::1";
        address.filter(is_far).map_or_else(|| name.clone(), |address| format!("{name} from {address}"))
    }
}

/// Takes the lock of the stored files together with others who read and write them.
pub(super) async fn share_storage(database: &PostgresDatabase, holder: &str) -> Result<SessionLock, LedgerError> {
    let lock = Lock::storage(database, true);
    let session = wait_for_storage(database, lock, holder).await?;
    Ok(keep(database, session, vec![lock], "the project's files", holder))
}

/// Takes the lock of the stored files alone.
pub(super) async fn own_storage(database: &PostgresDatabase, holder: &str) -> Result<SessionLock, LedgerError> {
    let lock = Lock::storage(database, false);
    let session = wait_for_storage(database, lock, holder).await?;
    Ok(keep(database, session, vec![lock], "the project's files", holder))
}

/// Locks `environment`, or says who holds it; and keeps the stored files from being collected.
pub(super) async fn acquire(
    database: &PostgresDatabase,
    environment: &str,
    holder: &str,
) -> Result<SessionLock, LedgerError> {
    let (storage_lock, lock) =
        (Lock::storage(database, true), Lock::of(database, &format!("environment\n{environment}"), false));
    let mut session = wait_for_storage(database, storage_lock, holder).await?;
    let mut waited = Duration::ZERO;
    while !lock.is_taken(&mut session).await.map_err(|error| storage(lock_action(environment), &error))? {
        if waited > NOTICE {
            let holder = lock.holder(&mut session).await;
            return Err(LedgerError::Locked { environment: environment.to_owned(), holder });
        }
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
    }
    Ok(keep(database, session, vec![storage_lock, lock], &format!("environment `{environment}`"), holder))
}

fn lock_action(environment: &str) -> String {
    format!("lock environment `{environment}`")
}

async fn wait_for_storage(database: &PostgresDatabase, lock: Lock, holder: &str) -> Result<PgConnection, LedgerError> {
    let failed = |error: sqlx::Error| storage(STORAGE_ACTION, &error);
    if let Some(mut session) = database.idle_session(&session_name(holder)) {
        match lock.wait(&mut session).await {
            // It broke while nobody needed it.
            Err(error) if is_broken(&error) => {}
            taken => return taken_or_told(taken, lock, session).await,
        }
    }
    let mut session = connect(&session_options(database, holder)).await.map_err(failed)?;
    let taken = lock.wait(&mut session).await;
    taken_or_told(taken, lock, session).await
}

/// The session that has the lock now; or who has it.
async fn taken_or_told(
    taken: sqlx::Result<()>,
    lock: Lock,
    mut session: PgConnection,
) -> Result<PgConnection, LedgerError> {
    match taken {
        Ok(()) => Ok(session),
        Err(error) if postgres_code(&error) == Some(TIMED_OUT) => {
            Err(LedgerError::StorageLocked { holder: lock.holder(&mut session).await })
        }
        Err(error) => Err(storage(STORAGE_ACTION, &error)),
    }
}

fn session_options(database: &PostgresDatabase, holder: &str) -> PgConnectOptions {
    (*database.options).clone().application_name(&session_name(holder)).options(KEEPALIVE)
}

fn session_name(holder: &str) -> String {
    let mut name =
        format!("`{holder}` (process {})", std::process::id()).replace(|letter: char| !letter.is_ascii(), "?");
    name.truncate(LONGEST_NAME);
    name
}

/// Looks after a session until the guard is dropped.
fn keep(database: &PostgresDatabase, session: PgConnection, locks: Vec<Lock>, what: &str, holder: &str) -> SessionLock {
    let (options, name) = (session_options(database, holder), session_name(holder));
    let (database, what) = (database.clone(), what.to_owned());
    let (held, mut let_go) = oneshot::channel();
    tokio::spawn(async move {
        let mut session = session;
        loop {
            tokio::select! {
                biased;
                _ = &mut let_go => return give_back(&database, name, session).await,
                () = tokio::time::sleep(LOOK) => {}
            }
            if session.ping().await.is_ok() {
                continue;
            }
            let taken = tokio::select! {
                biased;
                _ = &mut let_go => return,
                taken = take_again(&options, &locks) => taken,
            };
            match taken {
                Ok(new) => session = new,
                Err(holder) => {
                    return database.lose(format!(
                        "the connection that held the lock of {what} broke, and {holder} has it now; run the command again \
                         when that has ended"
                    ));
                }
            }
        }
    });
    SessionLock { _held: held }
}

/// Lets go of all locks of a session, and keeps it for the next who needs one. One that cannot ends, and the locks with it.
async fn give_back(database: &PostgresDatabase, name: String, mut session: PgConnection) {
    if sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut session).await.is_ok() {
        database.keep_session(name, session);
    }
}

/// Takes the locks on a new connection, as soon as the server is there again; or says who has one of them.
async fn take_again(options: &PgConnectOptions, locks: &[Lock]) -> Result<PgConnection, String> {
    loop {
        if let Ok(mut session) = connect(options).await {
            match take_all(&mut session, locks).await {
                Ok(None) => return Ok(session),
                Ok(Some(holder)) => return Err(holder),
                Err(_) => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes all locks that are free; who has the first one that is not.
async fn take_all(session: &mut PgConnection, locks: &[Lock]) -> sqlx::Result<Option<String>> {
    for lock in locks {
        if !lock.is_taken(session).await? {
            return Ok(Some(lock.holder(session).await));
        }
    }
    Ok(None)
}
