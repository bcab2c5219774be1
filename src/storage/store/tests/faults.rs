//! A disk that is full, pages that are damaged, a schema of the future: told by name, and nothing that was promised is lost.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::domain::{Error, ErrorKind};

async fn limit_pages(store: &Store, pages: u32) {
    let mut transaction = store.begin().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
}

/// A closed database of some two hundred pages.
async fn filled(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("store.db");
    let store = Store::open(&path).await.unwrap();
    let id = store.insert_job(job_id(1), spec(), None).await.unwrap().id;
    for _ in 0..20 {
        let bodies = (0..300).map(metric).collect();
        store.append_events(&id, Guard::Attempt(1), bodies).await.unwrap();
    }
    store.close().await;
    path
}

async fn refused(path: &std::path::Path) -> Error {
    Store::open(path).await.expect_err("it must not open")
}

#[tokio::test]
async fn a_full_disk_refuses_by_name_and_loses_nothing() {
    let World { store, _folder } = world().await;
    let id = store.insert_job(job_id(1), spec(), None).await.unwrap().id;
    limit_pages(&store, 1).await;
    let mut written = 1;
    let error = loop {
        match store.append_events(&id, Guard::Attempt(1), (0..50).map(metric).collect()).await {
            Ok(appended) => written = appended.job.last_sequence,
            Err(error) => break error,
        }
        assert!(written < 100_000, "the limit must bite");
    };
    assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "STORAGE_FULL"), "{error:?}");
    assert_eq!(store.job(&id).await.unwrap().last_sequence, written, "what was acknowledged is there");

    limit_pages(&store, 1_000_000).await;
    let appended = store.append_events(&id, Guard::Attempt(1), vec![metric(1)]).await.unwrap();
    assert_eq!(appended.job.last_sequence, written + 1, "and it goes on without a gap");
}

#[tokio::test]
async fn a_damaged_page_is_found_at_start_and_the_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder).await;
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let error = refused(&path).await;
    assert_eq!((error.kind, error.reason), (ErrorKind::DataLoss, "STORE_CORRUPT"), "{error:?}");
    assert!(fs::read(&path).unwrap() == bytes, "a rescue finds what there was");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder).await;
    fs::write(&path, vec![b'x'; 100_000]).unwrap();
    assert_eq!(refused(&path).await.reason, "STORE_CORRUPT");
}

#[tokio::test]
async fn a_schema_of_the_future_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(&folder).await;
    let store = Store::open(&path).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (999, 'future', TRUE, x'00', 0)";
    sqlx::query(future).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    store.close().await;
    let error = refused(&path).await;
    assert_eq!((error.kind, error.reason), (ErrorKind::FailedPrecondition, "STORE_TOO_NEW"), "{error:?}");
}
