//! Bounds on what callers may ask for, and the port that serves health alone.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use super::{called, every_path, let_through};
use crate::support::authority::Authority;
use crate::support::guarded::{Files, Guarded, entry};
use crate::support::until;

const LIST: &str = "/unlearnd.v1.ModelService/ListModels";

#[tokio::test]
async fn a_caller_that_is_too_fast_hears_the_true_wait_and_others_are_not_hindered() {
    let files = Files::new();
    let text = entry("fast", "unl_fast", &["metadata"], "");
    files.write("tokens.toml", &format!("{text}{}", entry("calm", "unl_calm", &["metadata"], "")));
    let config = "[access]\ntokens_file = \"@/tokens.toml\"\n[limits]\ncalls_per_second = 2\n";
    let daemon = files.start(config).await;
    let (fast, calm) = (daemon.bearing("unl_fast").await, daemon.bearing("unl_calm").await);
    let refused = until("a refusal", async || called(fast.clone(), LIST).await.err()).await;
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "RATE_LIMITED");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(500), "{wait:?}");
    assert!(called(calm, LIST).await.is_ok(), "the bucket is one caller's own");
    tokio::time::sleep(wait).await;
    assert!(called(fast, LIST).await.is_ok(), "after the wait it goes on");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let daemon = Files::new().start("[limits]\nconnections = 2\n").await;
    let (one, two) = (daemon.plain().await, daemon.plain().await);
    assert!(called(one.clone(), LIST).await.is_ok() && called(two.clone(), LIST).await.is_ok());
    let began = Instant::now();
    let mut third = TcpStream::connect(&daemon.address).unwrap();
    third.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let read = third.read(&mut [0; 1]);
    assert!(matches!(read, Ok(0)) || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(called(one, LIST).await.is_ok(), "those inside go on");
    drop(two);
    until("a free slot", async || {
        let endpoint = Endpoint::from_shared(format!("http://{}", daemon.address)).unwrap();
        let channel = endpoint.connect().await.ok()?;
        called(channel, LIST).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_client_that_says_nothing_gives_its_place_back() {
    let daemon = Files::new().start("[limits]\nconnections = 1\n").await;
    let _silent = TcpStream::connect(&daemon.address).unwrap();
    until("the silent one's place", async || {
        let endpoint = Endpoint::from_shared(format!("http://{}", daemon.address)).unwrap();
        called(endpoint.connect().await.ok()?, LIST).await.ok()
    })
    .await;
}

#[tokio::test]
async fn metadata_that_are_too_long_are_refused() {
    let daemon = Files::new().start("").await;
    let long = "x".repeat(64 << 10);
    assert!(called(daemon.bearing(&long).await, LIST).await.is_err());
    assert!(called(daemon.plain().await, LIST).await.is_ok());
}

/// A client of the port whose address is in the log.
async fn health_port(daemon: &Guarded) -> Channel {
    let address = until("the health port", async || {
        let log = daemon.log();
        let line = log.lines().find(|line| line.contains("serving health in plain text"))?;
        let line = line.replace(['"', '\u{1b}'], " ");
        let start = line.find("127.0.0.1:")?;
        Some(line[start..].split_whitespace().next()?.to_owned())
    })
    .await;
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn the_health_port_serves_health_alone_without_credentials() {
    let (files, ours) = (Files::new(), Authority::new("ours"));
    files.write_server(&ours.server());
    files.write("tokens.toml", "");
    let tls = "[tls]\ncertificate = \"@/server.pem\"\nkey = \"@/server.key\"\n";
    let access = "[access]\ntokens_file = \"@/tokens.toml\"\n";
    let mut daemon = files.start(&format!("health_listen = \"127.0.0.1:0\"\n{tls}{access}")).await;
    let health = health_port(&daemon).await;
    assert!(called(health.clone(), "/grpc.health.v1.Health/Check").await.is_ok());
    for path in every_path().iter().filter(|path| !path.starts_with("/grpc.health.")) {
        let status = called(health.clone(), path).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
    let main = daemon.secure(ours.trusted()).await.unwrap();
    assert!(!let_through(&called(main, "/grpc.health.v1.Health/Check").await));
    assert_eq!(daemon.stop().await.code(), Some(0));
}
