//! A disk that is really full: who cannot write says so by name, what was promised stays, and with room again the daemon works on.

use tonic::{Code, Status};
use tonic_types::{RpcStatusExt, StatusExt};
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::job::State;

use crate::support::refusals::still_serves;
use crate::support::shapes::{Shapes, source, training};
use crate::support::small_disk::SmallDisk;
use crate::support::until;

const DISK_MEBIBYTES: u32 = 24;
/// Enough for many events, and less than the weights of `small_cnn` take (370 kB).
const ROOM_FOR_EVENTS: u64 = 300_000;

async fn served(shapes: &Shapes) -> String {
    let request = pb::GetModelRequest { name: "models/shapes".into() };
    shapes.daemon.models().get_model(request).await.unwrap().into_inner().served_version
}

async fn evaluate(shapes: &Shapes) -> Result<String, Status> {
    let request =
        pb::EvaluateModelRequest { model: "models/shapes".into(), test: source("shapes-test"), ..Default::default() };
    Ok(shapes.daemon.evaluations().evaluate_model(request).await?.into_inner().name)
}

async fn trained(shapes: &Shapes) -> pb::Job {
    let name = shapes.fine_tune(pb::FineTunePoisonedRequest { promote: true, ..training(1, 0.01) }).await.unwrap();
    shapes.finished(&name).await
}

fn assert_no_room(job: &pb::Job) {
    let error = job.error.clone().unwrap_or_else(|| panic!("{job:?}"));
    assert_eq!((job.state(), error.code), (State::Failed, Code::ResourceExhausted as i32), "{error:?}");
    assert_eq!(error.get_details_error_info().unwrap().reason, "STORAGE_FULL");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_save_says_why_and_works_once_there_is_room() {
    let Some((disk, folder)) = SmallDisk::mount(DISK_MEBIBYTES) else { return };
    let mut shapes = Shapes::start_in(folder).await;
    assert_eq!(trained(&shapes).await.state(), State::Succeeded);
    assert_eq!(served(&shapes).await, "models/shapes/versions/2");

    disk.fill(ROOM_FOR_EVENTS);
    let mut often = training(3, 0.01);
    often.trainer.as_mut().unwrap().checkpoint_every_steps = 1;
    let name = shapes.fine_tune(often).await.unwrap();
    assert_no_room(&shapes.finished(&name).await);
    assert_eq!(served(&shapes).await, "models/shapes/versions/2");

    disk.clear();
    assert_eq!(trained(&shapes).await.state(), State::Succeeded);
    shapes.daemon.kill().await;
    shapes.daemon.start_again().await;
    assert_eq!(served(&shapes).await, "models/shapes/versions/3", "what was promised is there");
    assert_no_room(&shapes.job(&name).await);
    let evaluation = evaluate(&shapes).await.unwrap();
    assert_eq!(shapes.finished(&evaluation).await.state(), State::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failing_job_saved_makes_room_for_its_end() {
    let Some((disk, folder)) = SmallDisk::mount(DISK_MEBIBYTES) else { return };
    let shapes = Shapes::start_in(folder).await;
    let mut long = training(500, 0.01);
    long.trainer.as_mut().unwrap().checkpoint_every_steps = 1;
    let name = shapes.fine_tune(long).await.unwrap();
    until("the job to save", async || shapes.job(&name).await.progress.filter(|progress| progress.step > 2)).await;
    disk.fill(0);
    assert_no_room(&shapes.finished(&name).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_room_for_a_single_event_submissions_are_refused_and_accepted_jobs_end_later() {
    let Some((disk, folder)) = SmallDisk::mount(DISK_MEBIBYTES) else { return };
    let mut shapes = Shapes::start_in(folder).await;
    assert_eq!(trained(&shapes).await.state(), State::Succeeded);
    disk.fill(0);
    let mut accepted = Vec::new();
    // The database may have pages to spare.
    let refused = until("a submission to be refused", async || match evaluate(&shapes).await {
        Ok(name) => {
            accepted.push(name);
            disk.fill(0);
            None
        }
        Err(status) => Some(status),
    })
    .await;
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(refused.get_details_error_info().unwrap().reason, "STORAGE_FULL");
    assert!(refused.get_details_retry_info().is_some());
    still_serves(&shapes).await;
    assert_eq!(served(&shapes).await, "models/shapes/versions/2");

    disk.clear();
    for name in &accepted {
        let job = shapes.finished(name).await;
        if job.state() != State::Succeeded {
            assert_no_room(&job);
        }
    }
    let last = until("a submission to be accepted", async || evaluate(&shapes).await.ok()).await;
    assert_eq!(shapes.finished(&last).await.state(), State::Succeeded);
    shapes.daemon.kill().await;
    shapes.daemon.start_again().await;
    assert_eq!(served(&shapes).await, "models/shapes/versions/2");
    for name in &accepted {
        shapes.job(name).await;
    }
}
