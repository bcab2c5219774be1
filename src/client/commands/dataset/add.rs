//! `unlearnctl dataset add`

use clap::Args;

use crate::client::error::Result;
use crate::client::session::{Session, request_id};
use crate::client::view::DatasetView;
use crate::client::words::parser;
use crate::pb::v1::{DatasetFormat, RegisterDatasetRequest, TextColumns};

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Name of the dataset.
    name: String,
    /// `file://` URI or path of a file or folder inside one of the daemon's roots.
    #[arg(long)]
    uri: String,
    #[command(flatten)]
    layout: LayoutArgs,
}

/// What a file's name and content do not tell.
#[derive(Debug, Args)]
pub(super) struct LayoutArgs {
    /// Format; without it known by the name.
    #[arg(long, value_parser = parser::<DatasetFormat>())]
    pub(super) format: Option<DatasetFormat>,
    /// Name of the split, for formats that hold one.
    #[arg(long)]
    pub(super) split: Option<String>,
    /// Parquet and CSV: column of the images.
    #[arg(long, value_name = "COLUMN")]
    pub(super) image_column: Option<String>,
    /// Parquet, CSV and texts: column of the labels.
    #[arg(long, value_name = "COLUMN")]
    pub(super) label_column: Option<String>,
    /// Names of the classes, instead of what the file says.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(super) class_names: Vec<String>,
    /// The file holds texts (JSONL, CSV or Parquet; JSONL always does).
    #[arg(long)]
    text: bool,
    /// Texts: column of the prompts.
    #[arg(long, value_name = "COLUMN")]
    prompt_column: Option<String>,
    /// Texts: column of the answers.
    #[arg(long, value_name = "COLUMN")]
    answer_column: Option<String>,
    /// Texts: column of chats.
    #[arg(long, value_name = "COLUMN")]
    messages_column: Option<String>,
    /// Texts: column of the texts themselves.
    #[arg(long, value_name = "COLUMN")]
    text_column: Option<String>,
}

impl LayoutArgs {
    /// Naming a column of texts says that there are texts.
    pub(super) fn text(&self) -> Option<TextColumns> {
        let columns = TextColumns {
            prompt_column: self.prompt_column.clone().unwrap_or_default(),
            answer_column: self.answer_column.clone().unwrap_or_default(),
            messages_column: self.messages_column.clone().unwrap_or_default(),
            text_column: self.text_column.clone().unwrap_or_default(),
        };
        (self.text || columns != TextColumns::default()).then_some(columns)
    }
}

impl AddArgs {
    fn request(self) -> RegisterDatasetRequest {
        let text = self.layout.text();
        RegisterDatasetRequest {
            text,
            dataset_id: self.name,
            uri: self.uri,
            format: self.layout.format.unwrap_or_default().into(),
            split: self.layout.split.unwrap_or_default(),
            image_column: self.layout.image_column.unwrap_or_default(),
            label_column: self.layout.label_column.unwrap_or_default(),
            class_names: self.layout.class_names,
            request_id: request_id(),
        }
    }
}

pub(super) async fn run(session: &Session, args: AddArgs) -> Result<()> {
    let dataset = session.datasets().register_dataset(args.request()).await?.into_inner();
    session.output.show(&DatasetView::of(&dataset))
}
