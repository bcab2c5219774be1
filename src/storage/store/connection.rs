//! Opening the database: write-ahead log, full synchronisation, embedded migrations.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

use super::failure::{failed, failed_to};
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
    /// Opens or creates the database and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await;
        let writer = writer.map_err(failed_to("open the store"))?;
        migrations()
            .run(&writer)
            .await
            .map_err(|error| Error::internal("failed to bring the store's schema up to date").with_source(error))?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await;
        let readers = readers.map_err(failed_to("open the store"))?;
        Ok(Self { writer, readers })
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
