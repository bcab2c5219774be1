//! A scripted JobService that breaks its streams: what the watcher hears has no gap and no repeat.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use super::*;
use crate::client::arguments::Connection;
use crate::client::output::Output;
use crate::pb::v1::job::State;
use crate::pb::v1::job_event::{Body, Stage, StateChange};
use crate::pb::v1::job_service_server::{JobService, JobServiceServer};
use crate::pb::v1::{GetJobRequest, Job, ListJobsRequest, ListJobsResponse};

type Item = std::result::Result<JobEvent, Status>;

/// Each connection plays the next script; `asked` keeps the sequence numbers that were asked for.
#[derive(Debug, Default)]
struct Scripted {
    scripts: Mutex<Vec<Vec<Item>>>,
    asked: Arc<Mutex<Vec<i64>>>,
    job: Job,
}

#[tonic::async_trait]
impl JobService for Scripted {
    type WatchJobStream = tokio_stream::Iter<std::vec::IntoIter<Item>>;

    async fn get_job(&self, _: Request<GetJobRequest>) -> std::result::Result<Response<Job>, Status> {
        Ok(Response::new(self.job.clone()))
    }

    async fn list_jobs(&self, _: Request<ListJobsRequest>) -> std::result::Result<Response<ListJobsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn watch_job(
        &self,
        request: Request<WatchJobRequest>,
    ) -> std::result::Result<Response<Self::WatchJobStream>, Status> {
        self.asked.lock().unwrap().push(request.into_inner().after_sequence);
        let mut scripts = self.scripts.lock().unwrap();
        if scripts.is_empty() {
            return Err(Status::not_found("no such job"));
        }
        Ok(Response::new(tokio_stream::iter(scripts.remove(0))))
    }
}

fn stage(sequence: i64) -> Item {
    let body = Some(Body::Stage(Stage { name: format!("stage {sequence}") }));
    Ok(JobEvent { sequence, body, ..JobEvent::default() })
}

fn end(sequence: i64) -> Item {
    let change = StateChange { state: State::Succeeded.into(), ..StateChange::default() };
    Ok(JobEvent { sequence, body: Some(Body::State(change)), ..JobEvent::default() })
}

/// Sequence numbers heard, those asked for, and how it ended.
async fn watch(scripts: Vec<Vec<Item>>, job: Job) -> (Vec<i64>, Vec<i64>, Result<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let service = Scripted { scripts: Mutex::new(scripts), asked: asked.clone(), job };
    let server = tonic::transport::Server::builder().add_service(JobServiceServer::new(service));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let session =
        Session::connect(&Connection::plain(&format!("http://{address}")), Output::new(false, true)).await.unwrap();
    let mut heard = Vec::new();
    let ended = follow(&session, "jobs/7", 0, |event| {
        heard.push(event.sequence);
        Ok(())
    })
    .await;
    let asked = asked.lock().unwrap().clone();
    (heard, asked, ended)
}

#[tokio::test]
async fn a_broken_stream_goes_on_without_gap_or_repeat() {
    let broken = vec![stage(1), stage(2), Err(Status::unavailable("draining"))];
    let cut_short = vec![stage(2), stage(3)];
    let with_gap = vec![stage(5)];
    let rest = vec![stage(4), stage(5), end(6)];
    let (heard, asked, ended) = Box::pin(watch(vec![broken, cut_short, with_gap, rest], Job::default())).await;
    ended.unwrap();
    assert_eq!(heard, [1, 2, 3, 4, 5, 6]);
    assert_eq!(asked, [0, 2, 3, 3]);
}

#[tokio::test]
async fn an_unknown_job_is_an_error_at_once() {
    let (heard, asked, ended) = Box::pin(watch(Vec::new(), Job::default())).await;
    assert!(matches!(ended, Err(Error::Call(status)) if status.code() == Code::NotFound));
    assert_eq!((heard.len(), asked.len()), (0, 1));
}

#[tokio::test]
async fn nothing_is_left_to_hear_of_a_finished_job() {
    let job = Job { state: State::Succeeded.into(), last_sequence: 0, ..Job::default() };
    let (heard, _, ended) = Box::pin(watch(vec![Vec::new()], job)).await;
    assert!(ended.is_ok() && heard.is_empty());
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_told_with_a_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error =
        Session::connect(&Connection::plain(&format!("http://{address}")), Output::new(false, true)).await.unwrap_err();
    assert!(error.explain().hint.unwrap().contains("is unlearnd running?"));
    assert_eq!(error.exit_code(), 1);
}
