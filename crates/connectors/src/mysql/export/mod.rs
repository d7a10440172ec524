//! Destination `mysql`: rows into tables that wait aside, and from there into the table, in one transaction that also writes
//! down which version the table holds.

mod rows;
mod words;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::config::quoted;
use super::connect::Session;
use crate::ConnectorError;
use crate::export::{
    Change, DELIVERIES, Delivery, DeliveryMode, Destination, ExportTarget, Exporter, GONE, Mark, ROWS, Sent,
    Statements, TargetColumn,
};
use words::MYSQL;

/// Values that do not fit are refused, not cut; times are those of UTC, as the library sets it.
const SESSION: &str = "set session sql_mode = concat(@@session.sql_mode, ',STRICT_ALL_TABLES')";

const COLUMNS: &str = "select cast(column_name as char), cast(data_type as char), \
     cast(is_nullable = 'NO' and column_default is null and extra not like '%auto_increment%' \
     and extra not like '%GENERATED%' as signed), cast(coalesce(engine, '') as char) \
     from information_schema.columns join information_schema.tables using (table_schema, table_name) \
     where table_schema = coalesce(?, database()) and table_name = ? order by ordinal_position";

/// The columns of each unique index.
const UNIQUE: &str = "select cast(group_concat(column_name order by column_name separator '\\n') as char) \
     from information_schema.statistics where table_schema = coalesce(?, database()) and table_name = ? \
     and non_unique = 0 group by index_name";

/// A MariaDB or MySQL database.
///
/// Each delivery is one transaction: rows come into temporary tables, meet the table by its key, and the table
/// `_baton_deliveries` beside it says which version it holds. The table is made when it is not there; texts in it are
/// told apart byte by byte. It must be one of a transactional engine, such as InnoDB. The role needs the rights to
/// read, insert, update and delete in both, to make temporary tables, and to create tables the first time. For `upsert` a
/// table that is there already needs a unique index over exactly the columns of the key. Times are delivered in UTC.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MysqlDestination {
    /// Where to connect: `mysql://user:${env:MYSQL_PASSWORD}@host:3306/database`.
    url: String,
    /// The table: `scores`, or `crm.scores` for one of another database.
    table: String,
}

/// The destination for MariaDB and MySQL.
#[derive(Debug, Clone, Copy)]
pub struct MysqlExporter;

impl MysqlDestination {
    fn parse(target: &ExportTarget) -> Result<Self, ConnectorError> {
        let options: Self = target.parse("mysql")?;
        let is_name = |part: &str| !part.is_empty() && part.len() <= 64 && !part.contains(['`', '\0']);
        if !options.table.split('.').all(is_name) || options.table.split('.').count() > 2 {
            let reason = format!("`table: {}` is no name of a table", options.table);
            return Err(target.wrong(&reason, "write `table: scores`"));
        }
        Ok(options)
    }

    fn parts(&self) -> Vec<String> {
        self.table.split('.').map(str::to_owned).collect()
    }

    /// Database and name of the table, or of another one beside it.
    fn place_of(&self, other: Option<&str>) -> (Option<String>, String) {
        let mut parts = self.parts();
        let table = parts.pop().unwrap_or_default();
        (parts.pop(), other.map_or(table, str::to_owned))
    }

    fn deliveries(&self) -> String {
        let (database, table) = self.place_of(Some(DELIVERIES));
        database.into_iter().chain([table]).map(|part| quoted(&part)).collect::<Vec<_>>().join(".")
    }

    async fn connect(&self) -> Result<Session, ConnectorError> {
        Session::connect(&self.url, "the `url` of a mysql destination").await
    }
}

#[async_trait]
impl Exporter for MysqlExporter {
    fn kind(&self) -> &'static str {
        "mysql"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(MysqlDestination)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["url"]
    }

    fn examine(&self, target: &ExportTarget) -> Result<(), ConnectorError> {
        MysqlDestination::parse(target).map(drop)
    }

    async fn check(&self, target: &ExportTarget) -> Result<String, ConnectorError> {
        let options = MysqlDestination::parse(target)?;
        let mut session = options.connect().await?;
        let version = sqlx::query_scalar("select cast(version() as char)").fetch_one(&mut session.connection).await;
        let version: String = version.map_err(|error| session.origin.refused(&error))?;
        let there = columns(&mut session, &options.place_of(None)).await?;
        let table = match there.0.len() {
            0 => format!("{} is not there yet; the first delivery makes it", options.table),
            number => format!("{}: {number} columns", options.table),
        };
        Ok(format!("MySQL {version}, {table}"))
    }

    async fn open(&self, target: &ExportTarget) -> Result<Box<dyn Destination>, ConnectorError> {
        let options = MysqlDestination::parse(target)?;
        let session = options.connect().await?;
        let target = target.at_table(&options.table);
        let mut table = MysqlTable { session, options, target, delivery: None, rows: 0 };
        table.run(SESSION).await?;
        Ok(Box::new(table))
    }
}

/// A table during a delivery. The transaction ends with the connection, if not before.
struct MysqlTable {
    session: Session,
    options: MysqlDestination,
    target: ExportTarget,
    delivery: Option<Delivery>,
    rows: u64,
}

/// The columns of a table, and the engine that keeps it.
async fn columns(
    session: &mut Session,
    (database, table): &(Option<String>, String),
) -> Result<(Vec<TargetColumn>, String), ConnectorError> {
    let rows = sqlx::query(COLUMNS).bind(database).bind(table).fetch_all(&mut session.connection).await;
    let rows = rows.map_err(|error| session.origin.refused(&error))?;
    let text = |row: &MySqlRow, place: usize| row.try_get_unchecked::<String, _>(place).unwrap_or_default();
    let column = |row: &MySqlRow| TargetColumn {
        name: text(row, 0),
        data_type: text(row, 1).to_lowercase(),
        is_needed: row.try_get_unchecked::<i64, _>(2).unwrap_or_default() != 0,
    };
    let engine = rows.first().map(|row| text(row, 3)).unwrap_or_default();
    Ok((rows.iter().map(column).collect(), engine))
}

impl MysqlTable {
    fn place(&self) -> String {
        format!("{}, table {}", self.session.origin.name(), self.options.table)
    }

    async fn run(&mut self, statement: &str) -> Result<(), ConnectorError> {
        let run = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.session.connection).await;
        run.map(drop).map_err(|error| self.session.origin.refused(&error))
    }

    /// Makes the table, or makes it fit; everything in the way is named at once. Such statements are transactions of their
    /// own here, so that an empty table may stay of a delivery that failed.
    async fn fit(&mut self, delivery: &Delivery) -> Result<(), ConnectorError> {
        let (target, options) = (self.target.clone(), self.options.clone());
        let statements = Statements::new(&MYSQL, &target, &options.parts(), &delivery.schema);
        let (there, engine) = columns(&mut self.session, &options.place_of(None)).await?;
        if there.is_empty() {
            target.conflicts(&self.place(), statements.unwritable())?;
            return self.run(&statements.create()).await;
        }
        let (added, mut conflicts) = statements.compare(&there);
        conflicts.extend(self.missing_index(&statements).await?);
        if engine.eq_ignore_ascii_case("myisam") || engine.eq_ignore_ascii_case("aria") {
            conflicts
                .push(format!("it is kept by {engine}, which has no transactions: `alter table … engine = InnoDB`"));
        }
        target.conflicts(&self.place(), conflicts)?;
        for statement in added {
            self.run(&statement).await?;
        }
        Ok(())
    }

    async fn missing_index(&mut self, statements: &Statements<'_>) -> Result<Option<String>, ConnectorError> {
        if self.target.mode != DeliveryMode::Upsert {
            return Ok(None);
        }
        let mut key = self.target.key.clone();
        key.sort();
        let (database, table) = self.options.place_of(None);
        let found = sqlx::query(UNIQUE).bind(database).bind(table).fetch_all(&mut self.session.connection).await;
        let found = found.map_err(|error| self.session.origin.refused(&error))?;
        let columns = |row: &MySqlRow| {
            let text: String = row.try_get_unchecked(0).unwrap_or_default();
            let mut columns: Vec<String> = text.split('\n').map(str::to_owned).collect();
            columns.sort();
            columns
        };
        Ok((!found.iter().any(|row| columns(row) == key)).then(|| {
            let keys = statements.keys().join(", ");
            format!(
                "no unique index is over its key: run `create unique index by_key on {} ({keys})`",
                statements.table
            )
        }))
    }

    /// Where rows wait, and an index by which they are found.
    async fn make_room(&mut self, delivery: &Delivery) -> Result<(), ConnectorError> {
        let target = self.target.clone();
        let statements = Statements::new(&MYSQL, &target, &self.options.parts(), &delivery.schema);
        let (columns, keys) = (statements.columns().join(", "), statements.keys());
        let (there, _) = columns_of(self).await?;
        let indexed: Vec<String> = target.key.iter().map(|name| indexed(name, &there)).collect();
        for (waiting, columns) in [(ROWS, columns), (GONE, keys.join(", "))] {
            let table = &statements.table;
            self.run(&format!("drop temporary table if exists {waiting}")).await?;
            self.run(&format!("create temporary table {waiting} as select {columns} from {table} limit 0")).await?;
            self.run(&format!("alter table {waiting} add index by_key ({})", indexed.join(", "))).await?;
        }
        Ok(())
    }

    /// Says which version the table holds from now on, if nobody else has said so meanwhile.
    async fn write_mark(&mut self, delivery: &Delivery) -> Result<(), ConnectorError> {
        let (deliveries, mark) = (self.options.deliveries(), &delivery.mark);
        let statement = match &delivery.before {
            None => format!(
                "insert ignore into {deliveries} (delivery, definition, version, delivered_at, export) \
                 values (?, ?, ?, utc_timestamp(6), ?)"
            ),
            Some(_) => format!(
                "update {deliveries} set delivery = ?, definition = ?, version = ?, delivered_at = utc_timestamp(6) \
                 where export = ? and delivery = ?"
            ),
        };
        let mut query = sqlx::query(AssertSqlSafe(statement))
            .bind(mark.delivery.clone())
            .bind(mark.definition.clone())
            .bind(mark.version.to_string())
            .bind(self.target.identity.clone());
        if let Some(before) = &delivery.before {
            query = query.bind(before.delivery.clone());
        }
        let written = query.execute(&mut self.session.connection).await;
        let written = written.map_err(|error| self.session.origin.refused(&error))?.rows_affected();
        if written == 1 { Ok(()) } else { Err(self.target.overtaken(&self.place())) }
    }
}

async fn columns_of(table: &mut MysqlTable) -> Result<(Vec<TargetColumn>, String), ConnectorError> {
    let place = table.options.place_of(None);
    columns(&mut table.session, &place).await
}

/// A column in an index: of long texts, their beginning.
fn indexed(name: &str, there: &[TargetColumn]) -> String {
    let is_long = |column: &TargetColumn| column.data_type.ends_with("text") || column.data_type.ends_with("blob");
    let part = if there.iter().any(|column| column.name == name && is_long(column)) { "(191)" } else { "" };
    format!("{}{part}", quoted(name))
}

#[async_trait]
impl Destination for MysqlTable {
    async fn mark(&mut self) -> Result<Option<Mark>, ConnectorError> {
        // Without its table a mark says nothing any more.
        for place in [self.options.place_of(Some(DELIVERIES)), self.options.place_of(None)] {
            if columns(&mut self.session, &place).await?.0.is_empty() {
                return Ok(None);
            }
        }
        let deliveries = self.options.deliveries();
        let select = format!(
            "select cast(delivery as char), cast(definition as char), cast(version as char) from {deliveries} where export = ?"
        );
        let found = sqlx::query(AssertSqlSafe(select)).bind(self.target.identity.clone());
        let found = found.fetch_optional(&mut self.session.connection).await;
        let Some(row) = found.map_err(|error| self.session.origin.refused(&error))? else { return Ok(None) };
        let text = |place: usize| row.try_get_unchecked::<String, _>(place).unwrap_or_default();
        let version = serde_json::from_str(&text(2)).unwrap_or_default();
        Ok(Some(Mark { delivery: text(0), definition: text(1), version }))
    }

    async fn begin(&mut self, delivery: &Delivery) -> Result<(), ConnectorError> {
        let deliveries = self.options.deliveries();
        self.run(&format!(
            "create table if not exists {deliveries} (export varchar(255) character set utf8mb4 collate utf8mb4_bin \
             primary key, delivery varchar(64) not null, definition varchar(64) not null, version text not null, \
             delivered_at datetime(6) not null) engine = InnoDB"
        ))
        .await?;
        let was_there = !columns_of(self).await?.0.is_empty();
        if !was_there {
            // A mark that is left of a table which somebody dropped says nothing any more.
            let forget = format!("delete from {deliveries} where export = ?");
            let gone = sqlx::query(AssertSqlSafe(forget)).bind(self.target.identity.clone());
            gone.execute(&mut self.session.connection).await.map_err(|error| self.session.origin.refused(&error))?;
        }
        self.fit(delivery).await?;
        if self.target.mode == DeliveryMode::Upsert {
            self.make_room(delivery).await?;
        }
        self.run("start transaction").await?;
        if self.target.mode == DeliveryMode::Replace {
            let (target, parts) = (self.target.clone(), self.options.parts());
            let table = Statements::new(&MYSQL, &target, &parts, &delivery.schema).table;
            self.run(&format!("delete from {table}")).await?;
        }
        self.delivery = Some(delivery.clone());
        Ok(())
    }

    async fn send(&mut self, change: Change, rows: &RecordBatch) -> Result<(), ConnectorError> {
        let Some(delivery) = &self.delivery else { return Ok(()) };
        let (target, parts) = (self.target.clone(), self.options.parts());
        let statements = Statements::new(&MYSQL, &target, &parts, &delivery.schema);
        let (table, columns) = match (target.mode, change) {
            (DeliveryMode::Upsert, Change::Upsert) => (ROWS.to_owned(), statements.columns()),
            (DeliveryMode::Upsert, Change::Delete) => (GONE.to_owned(), statements.keys()),
            _ => (statements.table.clone(), statements.columns()),
        };
        let only = (change == Change::Delete).then_some(target.key.as_slice());
        rows::insert(&mut self.session, &table, &columns, rows, only).await?;
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), ConnectorError> {
        let Some(delivery) = self.delivery.clone() else { return Ok(()) };
        let (target, parts) = (self.target.clone(), self.options.parts());
        for statement in Statements::new(&MYSQL, &target, &parts, &delivery.schema).meet(delivery.mirror) {
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
