//! The daemon ends in order, and at once when told twice.

use std::net::TcpStream;

use crate::support::Daemon;

#[tokio::test]
async fn sigterm_ends_it_cleanly() {
    let mut daemon = Daemon::start().await;
    let address = std::fs::read_to_string(daemon.address_file()).unwrap();
    assert_eq!(daemon.stop().await.code(), Some(0));
    assert!(!daemon.address_file().exists(), "the address file tells of a daemon that is gone");
    assert!(TcpStream::connect(address.trim()).is_err());
}

#[tokio::test]
async fn sigint_ends_it_cleanly_too() {
    let mut daemon = Daemon::start().await;
    daemon.signal("INT");
    assert_eq!(daemon.ended().await.code(), Some(0));
}

#[tokio::test]
async fn it_starts_again_on_the_same_data() {
    let mut daemon = Daemon::start().await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    daemon.start_again().await;
    assert_eq!(daemon.stop().await.code(), Some(0));
}

#[tokio::test]
async fn it_starts_again_after_a_power_cut() {
    let mut daemon = Daemon::start().await;
    daemon.kill().await;
    daemon.start_again().await;
    assert_eq!(daemon.stop().await.code(), Some(0));
}
