//! `unlearnctl model load`

use clap::Args;

use crate::client::arguments::PreprocessingArgs;
use crate::client::error::Result;
use crate::client::session::{Session, request_id};
use crate::client::view::ModelView;
use crate::client::words::parser;
use crate::pb::v1::{LoadModelRequest, ModelFormat};

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Name of the model.
    name: String,
    /// `file://` URI or path of the weights, or of a language model's folder, inside one of the daemon's roots.
    #[arg(long)]
    uri: Option<String>,
    /// How the weights are stored; without it known by the file's name.
    #[arg(long, value_parser = parser::<ModelFormat>())]
    format: Option<ModelFormat>,
    /// Built-in architecture of safetensors weights: see `unlearnctl info`.
    #[arg(long)]
    architecture: Option<String>,
    /// Number of classes; without it read from the weights.
    #[arg(long, value_name = "N")]
    classes: Option<u32>,
    /// Names of the classes in the order of the logits.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    class_names: Vec<String>,
    /// Device to load on [default: the daemon's first].
    #[arg(long)]
    device: Option<String>,
    #[command(flatten)]
    preprocessing: PreprocessingArgs,
}

impl LoadArgs {
    fn request(self) -> LoadModelRequest {
        let preprocessing = self.preprocessing.message(self.architecture.as_deref());
        LoadModelRequest {
            model_id: self.name,
            uri: self.uri.unwrap_or_default(),
            format: self.format.unwrap_or_default().into(),
            architecture: self.architecture.unwrap_or_default(),
            class_count: self.classes.unwrap_or_default(),
            class_names: self.class_names,
            preprocessing,
            device: self.device.unwrap_or_default(),
            request_id: request_id(),
        }
    }
}

pub(super) async fn run(session: &Session, args: LoadArgs) -> Result<()> {
    let model = session.models().load_model(args.request()).await?.into_inner();
    session.output.show(&ModelView::of(&model))
}
