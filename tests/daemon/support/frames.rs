//! A call as frames of HTTP/2, by a client that keeps no time of its own: what ends at a deadline, the daemon has ended.

use h2::client;
use tokio::net::TcpStream;
use tonic::Status;
use tonic::codegen::{Bytes, http};

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Status,
    /// Of the messages before the end.
    pub(crate) bytes: usize,
    /// An answer had begun.
    pub(crate) in_trailers: bool,
}

/// One message with this `grpc-timeout`, until the answer ends.
pub(crate) async fn call(address: &str, path: &str, timeout: &str, message: &[u8]) -> Ended {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .body(())
        .unwrap();
    let (answer, mut body) = sender.ready().await.unwrap().send_request(request, false).unwrap();
    let prefix = (message.len() as u32).to_be_bytes();
    // Refused where the answer is there already, which a deadline in the past brings about.
    let _answered = body.send_data(Bytes::from([&[0], prefix.as_slice(), message].concat()), true);
    let (head, mut frames) = answer.await.unwrap().into_parts();
    let mut bytes = 0;
    while let Some(data) = frames.data().await {
        let data = data.unwrap();
        bytes += data.len();
        frames.flow_control().release_capacity(data.len()).unwrap();
    }
    let trailers = frames.trailers().await.unwrap();
    connection.abort();
    let status = Status::from_header_map(trailers.as_ref().unwrap_or(&head.headers)).expect("a status");
    Ended { status, bytes, in_trailers: trailers.is_some() }
}
