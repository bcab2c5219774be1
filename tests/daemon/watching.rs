//! Watching: a client that is killed and comes back, a thousand at once, and one that does not read.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::job_service_client::JobServiceClient;
use unlearnd::pb::v1::{JobEvent, WatchJobRequest};

use crate::support::shapes::{Shapes, training};
use crate::support::until;

fn watch(shapes: &Shapes, job: &str, after: i64) -> Child {
    let address = std::fs::read_to_string(shapes.daemon.address_file()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_unlearnctl"))
        .args(["--server", &format!("http://{}", address.trim()), "--json", "job", "watch", job])
        .args(["--after", &after.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The next sequence numbers that a client prints, as many as asked for or up to its end.
fn sequences(client: &mut Child, most: usize) -> Vec<i64> {
    let lines = BufReader::new(client.stdout.as_mut().unwrap()).lines();
    let events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    events.filter_map(|event| event["sequence"].as_i64().filter(|sequence| *sequence > 0)).take(most).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_killed_sees_every_later_event_once() {
    let shapes = Shapes::start().await;
    let mut request = training(40, 0.01);
    request.trainer.as_mut().unwrap().checkpoint_every_steps = 50;
    let job = shapes.fine_tune(request).await.unwrap();

    let mut client = watch(&shapes, &job, 0);
    let before = sequences(&mut client, 4);
    client.kill().unwrap();
    client.wait().unwrap();

    let mut client = watch(&shapes, &job, before[before.len() - 1]);
    let after = sequences(&mut client, usize::MAX);
    assert!(client.wait().unwrap().success(), "its exit code is that of the job");
    let done = shapes.job(&job).await;
    assert_eq!(done.state(), State::Succeeded);
    assert_eq!([before, after].concat(), (1..=done.last_sequence).collect::<Vec<_>>());
}

/// Durable events after `after`, read to the end of the stream.
async fn watched(
    mut jobs: JobServiceClient<Channel>,
    job: String,
    after_sequence: i64,
) -> Result<Vec<JobEvent>, Status> {
    let mut stream = jobs.watch_job(WatchJobRequest { name: job, after_sequence }).await?.into_inner();
    let mut events = Vec::new();
    while let Some(event) = stream.message().await? {
        events.extend(Some(event).filter(|event| event.sequence > 0));
    }
    Ok(events)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_watchers_see_the_same() {
    const CONNECTIONS: usize = 10;
    let shapes = Shapes::start().await;
    let job = shapes.fine_tune(training(20, 0.01)).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(JobServiceClient::new(shapes.daemon.connection(u32::from(u16::MAX)).await));
    }
    let before = shapes.daemon.resident_bytes();
    let watchers: Vec<_> =
        (0..1000).map(|index| tokio::spawn(watched(clients[index % CONNECTIONS].clone(), job.clone(), 0))).collect();
    let done = shapes.finished(&job).await;
    println!("a thousand watchers cost {} KiB", shapes.daemon.resident_bytes().saturating_sub(before) >> 10);
    let whole = watched(shapes.daemon.jobs(), job.clone(), 0).await.unwrap();
    let sequences: Vec<i64> = whole.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=done.last_sequence).collect::<Vec<_>>());
    for watcher in watchers {
        assert!(watcher.await.unwrap().unwrap() == whole, "every watcher sees every event, once and in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_stalls_is_cut_and_comes_back() {
    let shapes = Shapes::start_with("heartbeat_seconds = 1").await;
    let job = shapes.fine_tune(training(20, 0.01)).await.unwrap();
    let done = shapes.finished(&job).await;
    // A window of one kilobyte: what is not read stays in the daemon.
    let mut client = JobServiceClient::new(shapes.daemon.connection(1024).await);
    let request = WatchJobRequest { name: job.clone(), after_sequence: 0 };
    let mut stream = client.watch_job(request).await.unwrap().into_inner();
    let cut = "a watcher that does not read was cut";
    until("the cut", async || shapes.daemon.log().contains(cut).then_some(())).await;
    let (mut last, mut error) = (0, None);
    while error.is_none() {
        match stream.message().await {
            Ok(Some(event)) => last = event.sequence.max(last),
            Ok(None) => panic!("a cut is told"),
            Err(status) => error = Some(status),
        }
    }
    let error = error.unwrap();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.get_details_error_info().unwrap().reason, "WATCHER_STALLED");
    assert!(last > 0 && last < done.last_sequence, "{last} of {}", done.last_sequence);
    let rest = watched(shapes.daemon.jobs(), job, last).await.unwrap();
    assert_eq!(
        rest.iter().map(|event| event.sequence).collect::<Vec<_>>(),
        (last + 1..=done.last_sequence).collect::<Vec<_>>()
    );
}
