//! `unlearnd.v1.JobService`.

use std::pin::Pin;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::context::{answer, request_id_of};
use super::convert::{job_filter, page_request, parsed, watch_start};
use super::drain::Drain;
use super::status::status;
use super::{views, watch};
use crate::engine::Engine;
use crate::pb::v1 as pb;
use crate::pb::v1::job_service_server::JobService;

/// Jobs; their watches end when the daemon drains.
#[derive(Debug, Clone)]
pub(super) struct Jobs {
    pub(super) engine: Engine,
    pub(super) drain: Drain,
}

#[tonic::async_trait]
impl JobService for Jobs {
    type WatchJobStream = Pin<Box<dyn Stream<Item = Result<pb::JobEvent, Status>> + Send>>;

    async fn get_job(&self, request: Request<pb::GetJobRequest>) -> Result<Response<pb::Job>, Status> {
        answer(request, |pb::GetJobRequest { name }| async move {
            let job = self.engine.get_job(&parsed(&name, "name")?).await?;
            Ok(views::job(&self.engine, job).await)
        })
        .await
    }

    async fn list_jobs(&self, request: Request<pb::ListJobsRequest>) -> Result<Response<pb::ListJobsResponse>, Status> {
        answer(request, |pb::ListJobsRequest { page_size, page_token, states, kinds, model }| async move {
            let filter = job_filter(states, kinds, &model)?;
            let page = self.engine.list_jobs(&page_request(page_size, page_token)?, &filter).await?;
            let jobs = Box::pin(views::jobs(&self.engine, page.items)).await;
            Ok(pb::ListJobsResponse { jobs, next_page_token: page.next_token })
        })
        .await
    }

    async fn watch_job(&self, request: Request<pb::WatchJobRequest>) -> Result<Response<Self::WatchJobStream>, Status> {
        let id = request_id_of(&request);
        answer(request, |pb::WatchJobRequest { name, after_sequence }| async move {
            let job = self.engine.get_job(&parsed(&name, "name")?).await?;
            let names = views::job_names(&self.engine, &job.spec).await;
            let items = self.engine.watch_job(&job.id, watch_start(after_sequence)?).await?;
            let to_status = move |error| status(&error, &id);
            Ok(Box::pin(watch::events(items, names, self.drain.clone(), to_status)) as Self::WatchJobStream)
        })
        .await
    }
}
