//! Concept bank records.

use super::connection::{Store, commit};
use super::failure::{failed, from_json, is_duplicate, to_json, to_sql};
use super::paging::{Page, PageRequest};
use super::requests::{self, RequestKey};
use crate::domain::concept::ConceptBankRecord;
use crate::domain::ids::ConceptBankId;
use crate::domain::{Error, Result};

impl Store {
    pub async fn insert_concept_bank(&self, bank: &ConceptBankRecord, request: Option<&RequestKey>) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("INSERT INTO concept_banks (id, model, body) VALUES ($1, $2, $3)")
            .bind(bank.id.id())
            .bind(bank.model.model.id())
            .bind(to_json(bank)?)
            .execute(&mut *transaction)
            .await
            .map_err(|error| duplicate_or_failed(error, &bank.id))?;
        requests::note(&mut *transaction, request, &bank.id.to_string()).await?;
        commit(transaction).await
    }

    pub async fn concept_bank(&self, id: &ConceptBankId) -> Result<ConceptBankRecord> {
        let query = sqlx::query_as("SELECT body FROM concept_banks WHERE id = $1").bind(id.id());
        let row: Option<(String,)> = query.fetch_optional(self.readers()).await.map_err(failed)?;
        let (body,) = row.ok_or_else(|| Error::not_found("concept bank", id.to_string()))?;
        from_json(&body)
    }

    /// In the order of their ids.
    pub async fn concept_banks_page(&self, request: &PageRequest) -> Result<Page<ConceptBankRecord>> {
        let after = request.start_after("concept banks")?.unwrap_or_default();
        let rows: Vec<(String,)> = sqlx::query_as("SELECT body FROM concept_banks WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(to_sql(request.limit() as u64 + 1))
            .fetch_all(self.readers())
            .await
            .map_err(failed)?;
        let banks = rows.iter().map(|(body,)| from_json(body)).collect::<Result<Vec<ConceptBankRecord>>>()?;
        Ok(request.page("concept banks", banks, |bank| bank.id.id().to_owned()))
    }

    /// Removes the record and its request id.
    pub async fn delete_concept_bank(&self, id: &ConceptBankId) -> Result<()> {
        self.concept_bank(id).await?;
        let mut transaction = self.begin().await?;
        let query = sqlx::query("DELETE FROM concept_banks WHERE id = $1").bind(id.id());
        query.execute(&mut *transaction).await.map_err(failed)?;
        requests::forget(&mut *transaction, &id.to_string()).await?;
        commit(transaction).await
    }
}

fn duplicate_or_failed(error: sqlx::Error, id: &ConceptBankId) -> Error {
    if is_duplicate(&error) { Error::already_exists("concept bank", id.to_string()) } else { failed(error) }
}
