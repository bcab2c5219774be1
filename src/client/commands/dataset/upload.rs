//! `unlearnctl dataset upload`

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::io::AsyncReadExt;
use tokio_stream::wrappers::ReceiverStream;

use super::add::LayoutArgs;
use crate::client::error::{Error, Result};
use crate::client::session::{Session, request_id};
use crate::client::view::DatasetView;
use crate::pb::v1::upload_dataset_request::{Header, Part};
use crate::pb::v1::{DatasetFormat, UploadDatasetRequest};

const CHUNK_BYTES: usize = 1 << 20;
/// Chunks read ahead of the network.
const CHUNKS_AHEAD: usize = 4;

#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    /// Name of the dataset.
    name: String,
    /// File to send.
    #[arg(long)]
    file: PathBuf,
    #[command(flatten)]
    layout: LayoutArgs,
}

impl UploadArgs {
    fn header(&self) -> Result<Header> {
        let format = self.layout.format.or_else(|| format_of(&self.file));
        let format = format.ok_or_else(|| {
            Error::Usage(format!("the format of `{}` is not known by its name; state --format", self.file.display()))
        })?;
        Ok(Header {
            dataset_id: self.name.clone(),
            format: format.into(),
            split: self.layout.split.clone().unwrap_or_default(),
            image_column: self.layout.image_column.clone().unwrap_or_default(),
            label_column: self.layout.label_column.clone().unwrap_or_default(),
            class_names: self.layout.class_names.clone(),
            text: self.layout.text(),
            request_id: request_id(),
        })
    }
}

fn format_of(file: &Path) -> Option<DatasetFormat> {
    match file.extension()?.to_str()? {
        "parquet" => Some(DatasetFormat::Parquet),
        "safetensors" => Some(DatasetFormat::Safetensors),
        "npz" => Some(DatasetFormat::Npz),
        "csv" => Some(DatasetFormat::Csv),
        "jsonl" | "ndjson" => Some(DatasetFormat::Jsonl),
        _ => None,
    }
}

pub(super) async fn run(session: &Session, args: UploadArgs) -> Result<()> {
    let header = args.header()?;
    let file = tokio::fs::File::open(&args.file).await.map_err(|error| Error::file("open", &args.file, error))?;
    let (parts_tx, parts_rx) = tokio::sync::mpsc::channel(CHUNKS_AHEAD);
    let send = send_parts(header, file, &args.file, parts_tx);
    let mut datasets = session.datasets();
    let call = datasets.upload_dataset(ReceiverStream::new(parts_rx));
    let (sent, answer) = tokio::join!(send, call);
    sent?;
    session.output.show(&DatasetView::of(&answer?.into_inner()))
}

type PartSender = tokio::sync::mpsc::Sender<UploadDatasetRequest>;

/// Stops early, without an error of its own, when the daemon has closed the call.
async fn send_parts(header: Header, mut file: tokio::fs::File, path: &Path, parts_tx: PartSender) -> Result<()> {
    let mut part = Part::Header(header);
    loop {
        if parts_tx.send(UploadDatasetRequest { part: Some(part) }).await.is_err() {
            return Ok(());
        }
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let limited = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await;
        limited.map_err(|error| Error::file("read", path, error))?;
        if chunk.is_empty() {
            return Ok(());
        }
        part = Part::Chunk(chunk);
    }
}
