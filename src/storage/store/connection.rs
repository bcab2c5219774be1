//! Opening the database: write-ahead log, full synchronisation, embedded migrations.

use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use sqlx::SqlStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnectionMetadata;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};

use super::failure::{corrupt, failed, failed_to};
use crate::domain::{Error, Result};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A cheap clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    /// One connection: writers queue here instead of colliding in the database.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens or creates the database, checks it, and brings its schema up to date.
    ///
    /// # Errors
    /// `STORE_CORRUPT` before anything is written, `STORAGE_FULL`, `STORAGE_READ_ONLY`, `STORE_TOO_NEW`.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new().max_connections(1).before_acquire(is_at_rest);
        let writer = writer.connect_with(options.clone()).await;
        let writer = writer.map_err(failed_to("open the store"))?;
        check_whole(&writer).await?;
        migrations().run(&writer).await.map_err(not_migrated)?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await;
        let readers = readers.map_err(failed_to("open the store"))?;
        Ok(Self { writer, readers })
    }

    /// Whether it can still be written.
    pub async fn check(&self) -> Result<()> {
        self.begin().await?.rollback().await.map_err(failed)
    }

    /// Waits for what is under way; later calls fail.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// A write transaction; dropped without commit it changes nothing.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.writer.begin().await.map_err(failed)
    }
}

/// Whether a connection may be used again. On a full disk SQLite rolls back by itself, and sqlx then takes the transaction for open: its
/// next one would nest in that, and its commits would be seen by nobody and lost with the process. Such a connection is replaced.
fn is_at_rest(connection: &mut SqliteConnection, _: PoolConnectionMetadata) -> AtRest<'_> {
    Box::pin(ready(Ok(!connection.is_in_transaction())))
}

type AtRest<'a> = Pin<Box<dyn Future<Output = sqlx::Result<bool>> + Send + 'a>>;

/// A damaged page is found now and not when a job needs it.
async fn check_whole(pool: &SqlitePool) -> Result<()> {
    let rows: Vec<(String,)> =
        sqlx::query_as("PRAGMA quick_check(1)").fetch_all(pool).await.map_err(failed_to("check the store"))?;
    match rows.first() {
        Some((text,)) if text != "ok" => Err(corrupt().with_source(text.clone())),
        Some(_) | None => Ok(()),
    }
}

fn not_migrated(error: MigrateError) -> Error {
    let what = "bring the store's schema up to date";
    if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        return failed_to(what)(error);
    }
    if let MigrateError::VersionMissing(version) = error {
        let message = format!(
            "the data directory was written by a newer unlearnd (schema {version}); start that one, or restore a backup"
        );
        return Error::failed_precondition("STORE_TOO_NEW", message);
    }
    Error::internal(format!("failed to {what}")).with_source(error)
}

/// The schema's history, oldest first; an applied migration never changes.
fn migrations() -> Migrator {
    let step = |version, name: &'static str, sql| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(vec![
        step(1, "initial", include_str!("migrations/0001_initial.sql")),
        step(2, "concept banks", include_str!("migrations/0002_concept_banks.sql")),
    ])
}

pub(super) async fn commit(transaction: Transaction<'static, Sqlite>) -> Result<()> {
    transaction.commit().await.map_err(failed)
}
