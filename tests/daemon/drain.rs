//! A daemon that is told to stop: what is under way ends, what is new is told to come again, and nobody who hangs holds it up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio::net::UnixDatagram;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::system_service_client::SystemServiceClient;
use unlearnd::pb::v1::upload_dataset_request::{Header, Part};

use crate::support::shapes::{Shapes, csv, training};
use crate::support::{Daemon, until};

const DEADLINE: Duration = Duration::from_secs(8);
const CONFIGURATION: &str = "drain_seconds = 8";

fn address(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.address_file()).unwrap().trim().to_owned()
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// The preface of HTTP/2 and empty settings, then silence.
fn silent_http2_peer(address: &str) -> TcpStream {
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").unwrap();
    let mut settings = [0; 9];
    peer.read_exact(&mut settings).expect("the daemon's settings");
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_hang_do_not_hold_it_up() {
    let mut shapes = Shapes::start_with(CONFIGURATION).await;
    let job = shapes.fine_tune(training(10_000, 1e-4)).await.unwrap();
    until("a step", async || shapes.job(&job).await.progress.filter(|progress| progress.step > 0)).await;
    let address = address(&shapes.daemon);
    let idle = TcpStream::connect(&address).unwrap();
    let silent = silent_http2_peer(&address);
    let mut health = shapes.daemon.health().watch(about("")).await.unwrap().into_inner();
    health.next().await.unwrap().unwrap();
    let request = pb::WatchJobRequest { name: job.clone(), after_sequence: 0 };
    // Open and never read: its flow-control window fills.
    let unread = shapes.daemon.jobs().watch_job(request).await.unwrap().into_inner();

    let asked = Instant::now();
    let status = shapes.daemon.stop().await;
    println!("stopped after {:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0));
    assert!(asked.elapsed() < DEADLINE, "{:?}", asked.elapsed());
    drop((idle, silent, unread, health));
    let checkpoints = shapes.daemon.data_dir().join(&job).join("checkpoints");
    assert!(checkpoints.read_dir().is_ok_and(|mut files| files.next().is_some()), "the job has saved itself");

    shapes.daemon.start_again().await;
    let again = shapes.reaches(&job, &[State::Running]).await;
    assert_eq!(again.attempt, 2, "the job goes on");
    shapes.cancel(&job).await;
    shapes.finished(&job).await;
}

type Uploading = JoinHandle<Result<Response<pb::Dataset>, Status>>;

/// An upload of which all bytes have been sent, but not the end: it comes when the sender is dropped.
async fn slow_upload(shapes: &Shapes) -> (Sender<pb::UploadDatasetRequest>, Uploading) {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut datasets = shapes.daemon.datasets();
    let upload = tokio::spawn(async move { datasets.upload_dataset(ReceiverStream::new(receiver)).await });
    let header = Header { dataset_id: "late".into(), format: pb::DatasetFormat::Csv.into(), ..Default::default() };
    for part in [Part::Header(header), Part::Chunk(csv(30, 3).into_bytes())] {
        sender.send(pb::UploadDatasetRequest { part: Some(part) }).await.unwrap();
    }
    let uploads = shapes.daemon.data_dir().join("uploads");
    until("the upload to begin", async || std::fs::read_dir(&uploads).unwrap().next()).await.unwrap();
    (sender, upload)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_end_while_new_ones_are_told_to_come_again() {
    let mut shapes = Shapes::start_with(CONFIGURATION).await;
    let address = address(&shapes.daemon);
    let (bytes, upload) = slow_upload(&shapes).await;
    shapes.daemon.signal("TERM");

    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let mut health = HealthClient::new(channel.clone());
    until("not ready", async || {
        let status = health.check(about("readiness")).await.ok()?.into_inner().status();
        (status == ServingStatus::NotServing).then_some(())
    })
    .await;
    let live = health.check(about("liveness")).await.unwrap().into_inner().status();
    assert_eq!(live, ServingStatus::Serving, "a draining daemon must not be killed");
    let mut system = SystemServiceClient::new(channel);
    let refused = system.get_server_info(pb::GetServerInfoRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "DRAINING");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some(), "when to come again");

    drop(bytes);
    let dataset = upload.await.unwrap().expect("the call under way ends well").into_inner();
    assert_eq!((dataset.name.as_str(), dataset.splits[0].sample_count), ("datasets/late", 30));
    assert_eq!(shapes.daemon.ended().await.code(), Some(0));
    shapes.daemon.start_again().await;
    let kept = pb::GetDatasetRequest { name: "datasets/late".into() };
    shapes.daemon.datasets().get_dataset(kept).await.expect("what was answered is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_sends_nothing_more_does_not_hold_it_up() {
    let mut shapes = Shapes::start_with(CONFIGURATION).await;
    let (_silent, upload) = slow_upload(&shapes).await;
    let asked = Instant::now();
    shapes.daemon.signal("TERM");
    let refused = upload.await.unwrap().unwrap_err();
    assert_eq!((refused.code(), asked.elapsed() < DEADLINE), (Code::Unavailable, true));
    assert_eq!(refused.get_details_error_info().unwrap().reason, "DRAINING");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some(), "when to come again");
    assert_eq!(shapes.daemon.ended().await.code(), Some(0));
    assert!(asked.elapsed() < DEADLINE, "{:?}", asked.elapsed());
    assert_eq!(shapes.daemon.data_dir().join("uploads").read_dir().map(Iterator::count).unwrap_or(0), 0);
}

/// What systemd's `Type=notify` hears of a daemon.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
    let mut daemon = Daemon::start_in_environment(&environment).await;
    let mut heard = String::new();
    let mut hear = async |word: &str| {
        until(word, async || {
            let mut buffer = [0; 512];
            while let Ok(length) = socket.try_recv(&mut buffer) {
                heard += &String::from_utf8_lossy(&buffer[..length]);
            }
            heard.contains(word).then_some(())
        })
        .await;
        let at = heard.find(word).unwrap() + word.len();
        heard.drain(..at);
    };
    hear("READY=1").await;
    hear("WATCHDOG=1").await;
    hear("WATCHDOG=1").await;
    daemon.signal("TERM");
    hear("STOPPING=1").await;
    assert_eq!(daemon.ended().await.code(), Some(0));
}
