//! Jobs: plan, submit, look at, cancel, delete, wait.

use std::time::Duration;

use super::handle::{Engine, not_yet};
use super::{JobFilter, Page, PageRequest};
use crate::domain::Result;
use crate::domain::finetune::{Method, TrainerSpec};
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobSpec, Progress};
use crate::domain::poison::{PoisonPlan, PoisonSpec};

impl Engine {
    /// What a fine-tuning job would train on. Nothing is changed.
    pub async fn plan_poisoning(&self, poison: PoisonSpec, trainer: TrainerSpec, method: Method) -> Result<PoisonPlan> {
        let _ = (poison, trainer, method);
        Err(not_yet("PlanPoisoning"))
    }

    /// Checks all that can be known, makes the job durable, and answers. The same `request_id` gives the same job.
    pub async fn submit(&self, spec: JobSpec, request_id: Option<String>) -> Result<Job> {
        let _ = (spec, request_id);
        Err(not_yet("submission"))
    }

    pub async fn get_job(&self, id: &JobId) -> Result<Job> {
        let _ = id;
        Err(not_yet("GetJob"))
    }

    /// The latest snapshot of a running job.
    pub fn job_progress(&self, id: &JobId) -> Option<Progress> {
        let _ = id;
        None
    }

    /// Newest first.
    pub async fn list_jobs(&self, page: &PageRequest, filter: &JobFilter) -> Result<Page<Job>> {
        let _ = (page, filter);
        Err(not_yet("ListJobs"))
    }

    /// Asks the job to stop: a waiting one is CANCELLED at once, a running one between two steps. Does nothing to a finished one.
    pub async fn cancel_job(&self, id: &JobId) -> Result<Job> {
        let _ = id;
        Err(not_yet("CancelJob"))
    }

    /// Forgets a finished job and its events; its version stays.
    pub async fn delete_job(&self, id: &JobId) -> Result<()> {
        let _ = id;
        Err(not_yet("DeleteJob"))
    }

    /// The job once it has finished, or as it is after `timeout`.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_job(&self, id: &JobId, timeout: Duration) -> Result<Job> {
        let _ = (id, timeout);
        Err(not_yet("WaitOperation"))
    }
}
