//! `unlearnctl model create`

use clap::Args;

use crate::client::arguments::PreprocessingArgs;
use crate::client::error::Result;
use crate::client::session::{Session, request_id};
use crate::client::view::ModelView;
use crate::pb::v1::CreateModelRequest;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name of the model.
    name: String,
    /// Built-in architecture: see `unlearnctl info`.
    #[arg(long)]
    architecture: String,
    /// Number of classes; without it as many as there are class names.
    #[arg(long, value_name = "N", required_unless_present = "class_names")]
    classes: Option<u32>,
    /// Names of the classes in the order of the logits.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    class_names: Vec<String>,
    /// Of the initial weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Device to create on [default: the daemon's first].
    #[arg(long)]
    device: Option<String>,
    #[command(flatten)]
    preprocessing: PreprocessingArgs,
}

impl CreateArgs {
    fn request(self) -> CreateModelRequest {
        let preprocessing = self.preprocessing.message(Some(&self.architecture));
        CreateModelRequest {
            model_id: self.name,
            architecture: self.architecture,
            class_count: self.classes.unwrap_or(self.class_names.len() as u32),
            class_names: self.class_names,
            preprocessing,
            seed: self.seed,
            device: self.device.unwrap_or_default(),
            request_id: request_id(),
        }
    }
}

pub(super) async fn run(session: &Session, args: CreateArgs) -> Result<()> {
    let model = session.models().create_model(args.request()).await?.into_inner();
    session.output.show(&ModelView::of(&model))
}
