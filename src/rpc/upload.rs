//! UploadDataset's stream: a header, then the bytes of one file.
//!
//! One chunk is in memory at a time, so a fast client waits for the disk (HTTP/2 flow control). The engine holds the limit on the size;
//! a stream that ends early, or is quiet for too long, leaves nothing behind. A daemon that stops waits less long for the next chunk.

use std::time::Duration;

use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::convert::required;
use super::drain::Drain;
use crate::domain::dataset::DatasetRecord;
use crate::domain::{Error, ErrorKind, Result};
use crate::engine::{BeginUpload, Engine};
use crate::pb::v1::UploadDatasetRequest;
use crate::pb::v1::upload_dataset_request::{Header, Part};

const LONGEST_SILENCE: Duration = Duration::from_secs(120);

/// # Cancel safety
/// Dropping the future (the client left) drops the upload, which forgets the bytes.
pub(super) async fn receive(
    engine: &Engine,
    drain: &Drain,
    mut parts: impl Stream<Item = std::result::Result<UploadDatasetRequest, Status>> + Unpin,
) -> Result<DatasetRecord> {
    let header = header(next_part(&mut parts, drain).await?)?;
    let begin = BeginUpload::try_from(header).map_err(|error| error.under("header"))?;
    let mut upload = engine.begin_upload(begin).await?;
    while let Some(part) = next_part(&mut parts, drain).await? {
        upload.write(&chunk(part)?).await?;
    }
    upload.finish().await.map_err(|error| error.moved(part))
}

/// Where a field of RegisterDataset is in an upload: the file is in the chunks.
fn part(field: &str) -> String {
    match field {
        "uri" | "chunk" => "chunk".to_owned(),
        field => format!("header.{field}"),
    }
}

async fn next_part(
    parts: &mut (impl Stream<Item = std::result::Result<UploadDatasetRequest, Status>> + Unpin),
    drain: &Drain,
) -> Result<Option<Part>> {
    let next = tokio::select! {
        biased;
        next = tokio::time::timeout(LONGEST_SILENCE, parts.next()) => next,
        () = drain.out_of_patience() => return Err(Drain::error()),
    };
    let Ok(next) = next else {
        let message = format!("no chunk came for {} s; send the dataset again", LONGEST_SILENCE.as_secs());
        return Err(Error::new(ErrorKind::DeadlineExceeded, "UPLOAD_STALLED", message));
    };
    match next {
        None => Ok(None),
        Some(Ok(UploadDatasetRequest { part })) => required(part, "part").map(Some),
        Some(Err(broken)) => Err(Error::cancelled("the upload ended early").with_source(broken)),
    }
}

fn header(part: Option<Part>) -> Result<Header> {
    match part {
        Some(Part::Header(header)) => Ok(header),
        Some(Part::Chunk(_)) | None => Err(Error::invalid("MISSING_FIELD", "header", "must be the first message")),
    }
}

fn chunk(part: Part) -> Result<Vec<u8>> {
    match part {
        Part::Chunk(bytes) => Ok(bytes),
        Part::Header(_) => Err(Error::invalid("CONFLICTING_FIELDS", "header", "belongs in the first message only")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_draining_daemon_waits_less_long_for_the_next_chunk() {
        let patience = Duration::from_millis(20);
        let drain = Drain::new(patience);
        let mut silent = tokio_stream::pending();
        let early = tokio::time::timeout(2 * patience, next_part(&mut silent, &drain)).await;
        assert!(early.is_err(), "nobody stops");
        drain.begin();
        assert_eq!(next_part(&mut silent, &drain).await.unwrap_err().reason, "DRAINING");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_wrong_with_the_chunks() {
        let told = |field| Error::invalid("MALFORMED_CSV", field, "no header").moved(part).message;
        assert_eq!(told("uri"), "chunk: no header");
        assert_eq!(told("text.prompt_column"), "header.text.prompt_column: no header");
    }

    #[test]
    fn the_header_comes_first_and_once() {
        assert_eq!(header(None).unwrap_err().violations[0].field, "header");
        assert_eq!(header(Some(Part::Chunk(vec![1]))).unwrap_err().reason, "MISSING_FIELD");
        assert_eq!(chunk(Part::Header(Header::default())).unwrap_err().reason, "CONFLICTING_FIELDS");
    }
}
