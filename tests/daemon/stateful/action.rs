//! One call, drawn so that most are sensible and some are not.

use tonic::Status;
use unlearnd::pb::google::longrunning::{CancelOperationRequest, DeleteOperationRequest};
use unlearnd::pb::v1 as pb;

use super::random::Random;
use super::world::World;
use crate::support::shapes::{CLASSES, SIZE, Shapes, preprocessing, source, training};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Create { model: String },
    Delete { model: String },
    Load { model: String },
    Unload { model: String },
    Promote { version: String },
    DeleteVersion { version: String },
    Register { dataset: String },
    Forget { dataset: String },
    Train { model: String, dataset: String, epochs: u32, request_id: String },
    Cancel { job: String },
    DeleteJob { job: String },
}

impl Action {
    pub(super) fn draw(random: &mut Random, world: &World) -> Self {
        let model = format!("m{}", random.below(3));
        let dataset = format!("d{}", random.below(2));
        let version = random.choice(world.versions()).unwrap_or_else(|| format!("models/{model}/versions/1"));
        let job = random.choice(world.jobs.keys().cloned()).unwrap_or_else(|| "jobs/none".to_owned());
        match random.below(20) {
            0..=2 => Self::Create { model },
            3 => Self::Delete { model },
            4 => Self::Load { model },
            5 => Self::Unload { model },
            6..=7 => Self::Promote { version },
            8 => Self::DeleteVersion { version },
            9..=10 => Self::Register { dataset },
            11 => Self::Forget { dataset },
            12 => Self::Cancel { job },
            13 => Self::DeleteJob { job },
            _ => {
                let request_id = uuid::Builder::from_random_bytes(bytes(random)).into_uuid().to_string();
                Self::Train { model, dataset, epochs: 1 + random.below(8) as u32, request_id }
            }
        }
    }

    /// The name of the job, where one was made.
    pub(super) async fn perform(&self, shapes: &Shapes) -> Result<Option<String>, Status> {
        let daemon = &shapes.daemon;
        let named = |model: &str| format!("models/{model}");
        match self.clone() {
            Self::Create { model } => daemon.models().create_model(creation(&model)).await.map(|_| None),
            Self::Delete { model } => {
                let request = pb::DeleteModelRequest { name: named(&model), etag: String::new() };
                daemon.models().delete_model(request).await.map(|_| None)
            }
            Self::Load { model } => {
                let request = pb::LoadModelRequest { model_id: model, ..Default::default() };
                daemon.models().load_model(request).await.map(|_| None)
            }
            Self::Unload { model } => {
                daemon.models().unload_model(pb::UnloadModelRequest { name: named(&model) }).await.map(|_| None)
            }
            Self::Promote { version } => {
                let request = pb::PromoteModelVersionRequest { name: version, etag: String::new() };
                daemon.models().promote_model_version(request).await.map(|_| None)
            }
            Self::DeleteVersion { version } => {
                let request = pb::DeleteModelVersionRequest { name: version, etag: String::new() };
                daemon.models().delete_model_version(request).await.map(|_| None)
            }
            Self::Register { dataset } => {
                shapes.register(&dataset, &shapes.root().join("train.csv"), "train").await.map(|_| None)
            }
            Self::Forget { dataset } => {
                let request = pb::DeleteDatasetRequest { name: format!("datasets/{dataset}") };
                daemon.datasets().delete_dataset(request).await.map(|_| None)
            }
            Self::Train { model, dataset, epochs, request_id } => {
                shapes.fine_tune(fine_tuning(&model, &dataset, epochs, request_id)).await.map(Some)
            }
            Self::Cancel { job } => {
                daemon.operations().cancel_operation(CancelOperationRequest { name: job }).await.map(|_| None)
            }
            Self::DeleteJob { job } => {
                daemon.operations().delete_operation(DeleteOperationRequest { name: job }).await.map(|_| None)
            }
        }
    }
}

fn bytes(random: &mut Random) -> [u8; 16] {
    (u128::from(random.next()) << 64 | u128::from(random.next())).to_le_bytes()
}

fn creation(id: &str) -> pb::CreateModelRequest {
    pb::CreateModelRequest {
        model_id: id.into(),
        architecture: "small_cnn".into(),
        class_count: 3,
        class_names: CLASSES.map(str::to_owned).into(),
        preprocessing: Some(preprocessing(SIZE as u32)),
        ..Default::default()
    }
}

fn fine_tuning(model: &str, dataset: &str, epochs: u32, request_id: String) -> pb::FineTunePoisonedRequest {
    let mut request = training(epochs, 0.01);
    let poison = request.poison.as_mut().expect("training names its data");
    poison.model = format!("models/{model}");
    poison.train = source(dataset);
    request.trainer.as_mut().expect("training has a trainer").checkpoint_every_steps = 2;
    pb::FineTunePoisonedRequest { request_id, ..request }
}
