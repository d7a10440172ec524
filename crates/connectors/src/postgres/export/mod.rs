//! Destination `postgres`: rows by COPY into tables that wait aside, and from there into the table, in one transaction that
//! also writes down which version the table holds.

mod rows;
mod words;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::types::ToSql;

use super::connect::Session;
use crate::ConnectorError;
use crate::export::{
    Change, DELIVERIES, Delivery, DeliveryMode, Destination, ExportTarget, Exporter, GONE, Mark, ROWS, Sent,
    Statements, TargetColumn,
};
use rows::Copying;
use words::{POSTGRES, is_name};

/// The columns of a table. Domains count as what they are made of.
const COLUMNS: &str = "select a.attname::text, coalesce(b.typname, t.typname)::text, \
     a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = '' \
     from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = t.typbasetype \
     where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attnum";

/// Whether a unique index of a table is over these columns and no others.
const UNIQUE: &str = "select count(*) from pg_index i where i.indrelid = to_regclass($1) and i.indisunique \
     and i.indisvalid and i.indpred is null and i.indexprs is null \
     and (select array_agg(a.attname::text order by a.attname::text) from pg_attribute a where a.attrelid = i.indrelid \
     and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])) = $2";

/// A PostgreSQL database, version 13 or later.
///
/// Each delivery is one transaction: rows come by COPY into temporary tables, meet the table by its key, and the table
/// `_baton_deliveries` beside it says which version it holds. The table is made when it is not there. The role needs the
/// rights to read, insert, update and delete in both, to make temporary tables, and to create in the schema the first
/// time. For `upsert` a table that is there already needs a unique index over exactly the columns of the key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PostgresDestination {
    /// Where to connect: `postgres://user:${env:PGPASSWORD}@host:5432/database`. `sslmode` as in libpq.
    url: String,
    /// The table, such as `public.scores`.
    table: String,
}

/// The destination for PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub struct PostgresExporter;

impl PostgresDestination {
    fn parse(target: &ExportTarget) -> Result<Self, ConnectorError> {
        let options: Self = target.parse("postgres")?;
        if options.table.split('.').any(|part| !is_name(part)) || options.table.split('.').count() > 2 {
            let reason = format!("`table: {}` is no name of a table", options.table);
            return Err(target.wrong(&reason, "write `table: public.scores`"));
        }
        Ok(options)
    }

    fn parts(&self) -> Vec<String> {
        self.table.split('.').map(str::to_owned).collect()
    }

    /// The table of deliveries, in the schema of the table.
    fn deliveries(&self) -> Vec<String> {
        let mut parts = self.parts();
        parts.pop();
        parts.push(DELIVERIES.to_owned());
        parts
    }

    async fn connect(&self) -> Result<Session, ConnectorError> {
        Session::connect(&self.url, "the `url` of a postgres destination").await
    }
}

#[async_trait]
impl Exporter for PostgresExporter {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(PostgresDestination)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["url"]
    }

    fn examine(&self, target: &ExportTarget) -> Result<(), ConnectorError> {
        PostgresDestination::parse(target).map(drop)
    }

    async fn check(&self, target: &ExportTarget) -> Result<String, ConnectorError> {
        let options = PostgresDestination::parse(target)?;
        let session = options.connect().await?;
        let version = session.client.query_one("show server_version", &[]).await;
        let version: String = version.map_err(|error| session.refused(&error))?.get(0);
        let there = columns(&session, &quoted(&options.parts())).await?;
        let table = match there.len() {
            0 => format!("{} is not there yet; the first delivery makes it", options.table),
            number => format!("{}: {number} columns", options.table),
        };
        Ok(format!("PostgreSQL {version}, {table}"))
    }

    async fn open(&self, target: &ExportTarget) -> Result<Box<dyn Destination>, ConnectorError> {
        let options = PostgresDestination::parse(target)?;
        let session = options.connect().await?;
        let target = target.at_table(&options.table);
        Ok(Box::new(PostgresTable { session, options, target, delivery: None, copying: None, rows: 0 }))
    }
}

/// A table during a delivery. The transaction ends with the connection, if not before.
struct PostgresTable {
    session: Session,
    options: PostgresDestination,
    target: ExportTarget,
    delivery: Option<Delivery>,
    copying: Option<(Change, Copying)>,
    rows: u64,
}

fn quoted(parts: &[String]) -> String {
    parts.iter().map(|part| crate::relation::quoted(part)).collect::<Vec<_>>().join(".")
}

async fn columns(session: &Session, table: &str) -> Result<Vec<TargetColumn>, ConnectorError> {
    let rows = session.client.query(COLUMNS, &[&table]).await.map_err(|error| session.refused(&error))?;
    let column =
        |row: &tokio_postgres::Row| TargetColumn { name: row.get(0), data_type: row.get(1), is_needed: row.get(2) };
    Ok(rows.iter().map(column).collect())
}

impl PostgresTable {
    fn place(&self) -> String {
        format!("{}, table {}", self.session.origin, self.options.table)
    }

    async fn run(&self, statement: &str) -> Result<(), ConnectorError> {
        self.session.client.batch_execute(statement).await.map_err(|error| self.session.refused(&error))
    }

    async fn execute(&self, statement: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, ConnectorError> {
        self.session.client.execute(statement, values).await.map_err(|error| self.session.refused(&error))
    }

    fn statements(&self, delivery: &Delivery) -> Statements<'_> {
        Statements::new(&POSTGRES, &self.target, &self.options.parts(), &delivery.schema)
    }

    /// Makes the table, or makes it fit; everything in the way is named at once.
    async fn fit(&self, statements: &Statements<'_>) -> Result<(), ConnectorError> {
        let there = columns(&self.session, &statements.table).await?;
        if there.is_empty() {
            self.target.conflicts(&self.place(), statements.unwritable())?;
            // A mark that is left of a table which somebody dropped says nothing any more.
            let forget = format!("delete from {} where export = $1", quoted(&self.options.deliveries()));
            self.execute(&forget, &[&self.target.identity]).await?;
            return self.run(&statements.create()).await;
        }
        let (added, mut conflicts) = statements.compare(&there);
        conflicts.extend(self.missing_index(statements).await?);
        self.target.conflicts(&self.place(), conflicts)?;
        for statement in added {
            self.run(&statement).await?;
        }
        Ok(())
    }

    /// Two deliveries could bring one key twice if nothing kept it unique.
    async fn missing_index(&self, statements: &Statements<'_>) -> Result<Option<String>, ConnectorError> {
        if self.target.mode != DeliveryMode::Upsert {
            return Ok(None);
        }
        let mut key = self.target.key.clone();
        key.sort();
        let found = self.session.client.query_one(UNIQUE, &[&statements.table, &key]).await;
        let number: i64 = found.map_err(|error| self.session.refused(&error))?.get(0);
        Ok((number == 0).then(|| {
            let keys = statements.keys().join(", ");
            format!("no unique index is over its key: run `create unique index on {} ({keys})`", statements.table)
        }))
    }

    /// Says which version the table holds from now on, if nobody else has said so meanwhile.
    async fn write_mark(&self, delivery: &Delivery) -> Result<(), ConnectorError> {
        let deliveries = quoted(&self.options.deliveries());
        let (identity, mark) = (&self.target.identity, &delivery.mark);
        let version = mark.version.to_string();
        let written = match &delivery.before {
            None => {
                let statement = format!(
                    "insert into {deliveries} (export, delivery, definition, version, delivered_at) \
                     values ($1, $2, $3, $4, now()) on conflict (export) do nothing"
                );
                self.execute(&statement, &[identity, &mark.delivery, &mark.definition, &version]).await?
            }
            Some(before) => {
                let statement = format!(
                    "update {deliveries} set delivery = $2, definition = $3, version = $4, delivered_at = now() \
                     where export = $1 and delivery = $5"
                );
                let values: [&(dyn ToSql + Sync); 5] =
                    [identity, &mark.delivery, &mark.definition, &version, &before.delivery];
                self.execute(&statement, &values).await?
            }
        };
        if written == 1 { Ok(()) } else { Err(self.target.overtaken(&self.place())) }
    }

    async fn end_copy(&mut self) -> Result<(), ConnectorError> {
        match self.copying.take() {
            Some((_, copying)) => copying.end(&self.session).await,
            None => Ok(()),
        }
    }

    /// Where rows go: into the table itself where they meet none, else to where they wait.
    async fn begin_copy(&mut self, change: Change) -> Result<(), ConnectorError> {
        self.end_copy().await?;
        let Some(delivery) = &self.delivery else { return Ok(()) };
        let statements = self.statements(delivery);
        let (table, columns) = match (self.target.mode, change) {
            (DeliveryMode::Upsert, Change::Upsert) => (ROWS.to_owned(), statements.columns()),
            (DeliveryMode::Upsert, Change::Delete) => (GONE.to_owned(), statements.keys()),
            _ => (statements.table.clone(), statements.columns()),
        };
        let statement = format!("copy {table} ({}) from stdin", columns.join(", "));
        let copying = Copying::begin(&self.session, &statement).await?;
        self.copying = Some((change, copying));
        Ok(())
    }
}

#[async_trait]
impl Destination for PostgresTable {
    async fn mark(&mut self) -> Result<Option<Mark>, ConnectorError> {
        let deliveries = quoted(&self.options.deliveries());
        let table = quoted(&self.options.parts());
        // Without its table a mark says nothing any more.
        if columns(&self.session, &deliveries).await?.is_empty() || columns(&self.session, &table).await?.is_empty() {
            return Ok(None);
        }
        let select = format!("select delivery, definition, version from {deliveries} where export = $1");
        let found = self.session.client.query_opt(&select, &[&self.target.identity]).await;
        let Some(row) = found.map_err(|error| self.session.refused(&error))? else { return Ok(None) };
        let version: String = row.get(2);
        let version = serde_json::from_str(&version).unwrap_or_default();
        Ok(Some(Mark { delivery: row.get(0), definition: row.get(1), version }))
    }

    async fn begin(&mut self, delivery: &Delivery) -> Result<(), ConnectorError> {
        let statements = Statements::new(&POSTGRES, &self.target, &self.options.parts(), &delivery.schema);
        let deliveries = quoted(&self.options.deliveries());
        self.run(&format!(
            "create table if not exists {deliveries} (export text primary key, delivery text not null, \
             definition text not null, version text not null, delivered_at timestamptz not null)"
        ))
        .await?;
        self.run("begin").await?;
        self.fit(&statements).await?;
        match self.target.mode {
            DeliveryMode::Upsert => {
                let (columns, keys) = (statements.columns().join(", "), statements.keys().join(", "));
                for (waiting, columns) in [(ROWS, columns), (GONE, keys)] {
                    let table = &statements.table;
                    self.run(&format!(
                        "create temporary table {waiting} on commit drop as select {columns} from {table} limit 0"
                    ))
                    .await?;
                }
            }
            DeliveryMode::Replace => self.run(&format!("delete from {}", statements.table)).await?,
            DeliveryMode::Append => {}
        }
        drop(statements);
        self.delivery = Some(delivery.clone());
        Ok(())
    }

    async fn send(&mut self, change: Change, rows: &RecordBatch) -> Result<(), ConnectorError> {
        if self.copying.as_ref().is_none_or(|(begun, _)| *begun != change) {
            self.begin_copy(change).await?;
        }
        let keys = (change == Change::Delete).then_some(self.target.key.as_slice());
        if let Some((_, copying)) = &mut self.copying {
            copying.rows(&self.session, rows, keys).await?;
        }
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), ConnectorError> {
        self.end_copy().await?;
        let Some(delivery) = &self.delivery else { return Ok(()) };
        for statement in self.statements(delivery).meet(delivery.mirror) {
            self.run(&statement).await?;
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<Sent, ConnectorError> {
        if let Some(delivery) = self.delivery.take() {
            self.write_mark(&delivery).await?;
            self.run("commit").await?;
        }
        Ok(Sent { rows: self.rows, ..Sent::default() })
    }
}

#[cfg(test)]
mod tests;
