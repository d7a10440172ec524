//! Publication and replication slot: made where they are missing, and looked at before they are trusted.

use super::config::PostgresSource;
use super::connect::Session;
use crate::ConnectorError;
use crate::relation::{Relation, quoted};

/// A place in the write-ahead log, as the server writes it (`16/B374D848`), as a number.
pub(super) fn lsn_of(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some((u64::from_str_radix(high, 16).ok()? << 32) | u64::from_str_radix(low, 16).ok()?)
}

/// The same as the server writes it.
pub(super) fn lsn_text(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

/// A slot as the server has it.
pub(super) struct Slot {
    /// Up to where changes were confirmed.
    pub(super) confirmed: u64,
    /// Whether the server still keeps what follows: `reserved`, `extended`, `unreserved`, `lost`.
    pub(super) wal_status: String,
    plugin: String,
    /// Whether it is of this database: names are the server's.
    is_ours: bool,
}

/// The slot, if it is there.
pub(super) async fn find(session: &Session, name: &str) -> Result<Option<Slot>, ConnectorError> {
    let statement = "select coalesce(confirmed_flush_lsn::text, '0/0'), coalesce(wal_status, ''), coalesce(plugin, ''), \
                     database = current_database() from pg_replication_slots where slot_name = $1";
    let found = session.client.query_opt(statement, &[&name]).await.map_err(|error| session.refused(&error))?;
    Ok(found.map(|row| Slot {
        confirmed: lsn_of(row.get(0)).unwrap_or_default(),
        wal_status: row.get(1),
        plugin: row.get(2),
        is_ours: row.get::<_, Option<bool>>(3) == Some(true),
    }))
}

/// The slot, made where it is missing.
pub(super) async fn find_or_create(session: &Session, postgres: &PostgresSource) -> Result<Slot, ConnectorError> {
    publish(session, postgres).await?;
    if find(session, &postgres.slot).await?.is_none() {
        let statement = "select pg_create_logical_replication_slot($1, 'pgoutput')";
        session.client.query(statement, &[&postgres.slot]).await.map_err(|error| session.refused(&error))?;
    }
    let slot = find(session, &postgres.slot).await?;
    let slot =
        slot.ok_or_else(|| session.missing(format!("has no replication slot `{}`", postgres.slot), "run again"))?;
    if slot.plugin != "pgoutput" || !slot.is_ours {
        let reason =
            format!("has a slot `{}` that is of another database or plugin (`{}`)", postgres.slot, slot.plugin);
        return Err(session.missing(reason, "set another `slot` in `options`"));
    }
    Ok(slot)
}

/// Makes the publication where it is missing.
async fn publish(session: &Session, postgres: &PostgresSource) -> Result<(), ConnectorError> {
    let found = "select 1 from pg_publication where pubname = $1";
    let found = session.client.query_opt(found, &[&postgres.publication]).await;
    if found.map_err(|error| session.refused(&error))?.is_some() {
        return publishes(session, postgres).await;
    }
    may_publish(session, postgres).await?;
    let statement =
        format!("create publication {} for table {}", quoted(&postgres.publication), postgres.relation.as_sql());
    session.client.batch_execute(&statement).await.map_err(|error| session.refused(&error))
}

/// Who does not own the table, or may not create anything in the database, cannot make a publication of it.
async fn may_publish(session: &Session, postgres: &PostgresSource) -> Result<(), ConnectorError> {
    let statement = "select has_database_privilege(current_database(), 'create') and pg_has_role(relowner, 'usage') \
                     from pg_class where oid = $1::text::regclass";
    let table = postgres.relation.as_sql();
    let found = session.client.query_one(statement, &[&table]).await.map_err(|error| session.refused(&error))?;
    if found.get(0) {
        return Ok(());
    }
    let publication = quoted(&postgres.publication);
    Err(session.missing(
        format!("has no publication {publication}, and this role may not make one for table {table}"),
        format!("let its owner run `create publication {publication} for table {table}`"),
    ))
}

/// A publication that is there must have the table.
async fn publishes(session: &Session, postgres: &PostgresSource) -> Result<(), ConnectorError> {
    let Relation::Table(parts) = &postgres.relation else { return Ok(()) };
    let table = parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".");
    // Names are compared: to look up tables of others needs rights in their schemas.
    let statement = "select 1 from pg_publication_tables published join pg_class on relname = published.tablename \
                     join pg_namespace on pg_namespace.oid = relnamespace and nspname = published.schemaname \
                     where published.pubname = $1 and pg_class.oid = $2::text::regclass";
    let found = session.client.query_opt(statement, &[&postgres.publication, &table]).await;
    if found.map_err(|error| session.refused(&error))?.is_some() {
        return Ok(());
    }
    let (publication, name) = (&postgres.publication, postgres.relation.name());
    Err(session.missing(
        format!("has a publication `{publication}` without table `{name}`"),
        format!("run `alter publication {publication} add table {name}`, or set another `publication` in `options`"),
    ))
}

/// Which server and database this is: a slot of the same name elsewhere is another one.
pub(super) async fn system_of(session: &Session) -> Result<String, ConnectorError> {
    let statement = "select system_identifier::text || '/' || current_database() from pg_control_system()";
    let row = session.client.query_one(statement, &[]).await.map_err(|error| session.refused(&error))?;
    Ok(row.get(0))
}

/// The end of the log, and whether everything before it is on the server's disk, so that a slot shows it.
pub(super) async fn end_of_log(session: &Session) -> Result<(u64, bool), ConnectorError> {
    // The end of what is on disk may be inside a record; the end of what is written never is.
    let statement = "select written::text, pg_current_wal_flush_lsn() >= written \
                     from (select pg_current_wal_insert_lsn() as written offset 0) as log";
    let row = session.client.query_one(statement, &[]).await.map_err(|error| session.refused(&error))?;
    Ok((lsn_of(row.get(0)).unwrap_or_default(), row.get(1)))
}

/// Looks whether changes can be followed, without changing anything.
pub(super) async fn examine(
    session: &Session,
    postgres: &PostgresSource,
    key: &[String],
) -> Result<String, ConnectorError> {
    let level: String = one(session, "show wal_level").await?;
    if level != "logical" {
        let hint = "set `wal_level = logical` in postgresql.conf and restart the server";
        return Err(session.missing(format!("has wal_level `{level}`, which keeps no changes of rows"), hint));
    }
    let may: String =
        one(session, "select (rolsuper or rolreplication)::text from pg_roles where rolname = current_user").await?;
    let is_managed: String = one(
        session,
        "select count(*)::text from pg_roles where rolname = 'rds_replication' and pg_has_role(oid, 'member')",
    )
    .await?;
    if may != "true" && is_managed == "0" {
        return Err(session.missing("does not let this role replicate", "run `alter role … replication`"));
    }
    identity(session, postgres, key).await?;
    let found = "select 1 from pg_publication where pubname = $1";
    let found = session.client.query_opt(found, &[&postgres.publication]).await;
    match found.map_err(|error| session.refused(&error))? {
        Some(_) => publishes(session, postgres).await?,
        None => may_publish(session, postgres).await?,
    }
    Ok(match find(session, &postgres.slot).await? {
        Some(slot) if slot.wal_status == "lost" => {
            return Err(session.lost(format!("slot `{}` is lost", postgres.slot)));
        }
        Some(slot) => format!("slot `{}` at {}", postgres.slot, lsn_text(slot.confirmed)),
        None => format!("slot `{}` is made by the first run", postgres.slot),
    })
}

/// The key must be among the columns that the server sends with updates and deletes.
async fn identity(session: &Session, postgres: &PostgresSource, key: &[String]) -> Result<(), ConnectorError> {
    let statement = "select a.attname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 \
                     left join pg_index i on i.indrelid = c.oid and a.attnum = any(i.indkey) \
                     and ((c.relreplident = 'd' and i.indisprimary) or (c.relreplident = 'i' and i.indisreplident)) \
                     where c.oid = $1::text::regclass and (c.relreplident = 'f' or i.indrelid is not null)";
    let table = postgres.relation.as_sql();
    let rows = session.client.query(statement, &[&table]).await.map_err(|error| session.refused(&error))?;
    let identity: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    match key.iter().find(|column| !identity.contains(column)) {
        None => Ok(()),
        Some(column) => Err(outside_identity(session, postgres, column)),
    }
}

/// A key column that does not come with deletes.
pub(super) fn outside_identity(session: &Session, postgres: &PostgresSource, column: &str) -> ConnectorError {
    let table = postgres.relation.name();
    session.missing(
        format!("does not send key column `{column}` of `{table}` with updates and deletes"),
        format!("take the primary key as `key`, or run `alter table {table} replica identity full`"),
    )
}

async fn one(session: &Session, statement: &str) -> Result<String, ConnectorError> {
    let row = session.client.query_one(statement, &[]).await.map_err(|error| session.refused(&error))?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_log_are_read_as_they_are_written() {
        assert_eq!(lsn_of("16/B374D848"), Some(0x16_B374_D848));
        assert_eq!(lsn_text(0x16_B374_D848), "16/B374D848");
        assert_eq!(lsn_of("nonsense"), None);
    }
}
