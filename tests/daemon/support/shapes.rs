//! A small, easy problem for tests of whole jobs: 8x8 grey pictures of a bar, a cross or a square, and a network for them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tonic::Status;
use unlearnd::pb::google::longrunning::Operation;
use unlearnd::pb::v1 as pb;

use super::{Daemon, until};

pub(crate) const CLASSES: [&str; 3] = ["bar", "cross", "square"];
pub(crate) const SIZE: usize = 8;
pub(crate) const TRAIN_COUNT: usize = 240;

/// A daemon with a root, the datasets `shapes-train` and `shapes-test` and the untrained model `shapes`.
pub(crate) struct Shapes {
    pub(crate) daemon: Daemon,
    root: TempDir,
}

impl Shapes {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With a configuration file of this text.
    pub(crate) async fn start_with(configuration: &str) -> Self {
        Self::bare_with(configuration).await.with_data().await
    }

    /// With its data directory in this folder.
    pub(crate) async fn start_in(folder: TempDir) -> Self {
        Self::bare_in(folder, "").await.with_data().await
    }

    async fn with_data(self) -> Self {
        for (split, count, seed) in [("train", TRAIN_COUNT, 1), ("test", 90, 2)] {
            let path = self.root().join(format!("{split}.csv"));
            fs::write(&path, csv(count, seed)).unwrap();
            self.register(&format!("shapes-{split}"), &path, split).await.unwrap();
        }
        self.create("shapes").await.unwrap();
        self
    }

    /// With the root alone.
    pub(crate) async fn bare() -> Self {
        Self::bare_with("").await
    }

    pub(crate) async fn bare_with(configuration: &str) -> Self {
        Self::bare_in(tempfile::tempdir().unwrap(), configuration).await
    }

    async fn bare_in(folder: TempDir, configuration: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("unlearnd.toml");
        // Several daemons share the cores: threads of one operator would wait for each other.
        fs::write(&file, format!("threads = 1\n{configuration}")).unwrap();
        let [root_path, file] = [root.path(), &file].map(|path| path.to_str().unwrap());
        let daemon = Daemon::launch_in(folder, &["--root", root_path, "--config", file], &[]).await;
        Self { daemon, root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) async fn register(&self, id: &str, path: &Path, split: &str) -> Result<pb::Dataset, Status> {
        let uri = format!("file://{}", path.display());
        let request =
            pb::RegisterDatasetRequest { dataset_id: id.into(), uri, split: split.into(), ..Default::default() };
        Ok(self.daemon.datasets().register_dataset(request).await?.into_inner())
    }

    pub(crate) async fn create(&self, id: &str) -> Result<pb::Model, Status> {
        let request = pb::CreateModelRequest {
            model_id: id.into(),
            architecture: "small_cnn".into(),
            class_count: 3,
            class_names: CLASSES.map(str::to_owned).into(),
            preprocessing: Some(preprocessing(SIZE as u32)),
            seed: 7,
            ..Default::default()
        };
        Ok(self.daemon.models().create_model(request).await?.into_inner())
    }

    /// A fine-tuning job; answers its name.
    pub(crate) async fn fine_tune(&self, request: pb::FineTunePoisonedRequest) -> Result<String, Status> {
        Ok(self.daemon.unlearning().fine_tune_poisoned(request).await?.into_inner().name)
    }

    pub(crate) async fn job(&self, name: &str) -> pb::Job {
        self.daemon.jobs().get_job(pb::GetJobRequest { name: name.into() }).await.unwrap().into_inner()
    }

    /// Waits until a job is in one of these states.
    pub(crate) async fn reaches(&self, name: &str, states: &[pb::job::State]) -> pb::Job {
        until(&format!("{name} to reach {states:?}"), async || {
            Some(self.job(name).await).filter(|job| states.contains(&job.state()))
        })
        .await
    }

    pub(crate) async fn finished(&self, name: &str) -> pb::Job {
        use pb::job::State;
        self.reaches(name, &[State::Succeeded, State::Failed, State::Cancelled]).await
    }

    pub(crate) async fn cancel(&self, name: &str) {
        use unlearnd::pb::google::longrunning::CancelOperationRequest;
        self.daemon.operations().cancel_operation(CancelOperationRequest { name: name.into() }).await.unwrap();
    }

    /// Every answer of an attribution call.
    pub(crate) async fn attributed(&self, request: pb::AttributeRequest) -> Result<Vec<pb::AttributeResponse>, Status> {
        let mut stream = self.daemon.attributions().attribute(request).await?.into_inner();
        let mut answers = Vec::new();
        while let Some(answer) = stream.message().await? {
            answers.push(answer);
        }
        Ok(answers)
    }

    pub(crate) async fn unlearn(&self, request: pb::UnlearnRequest) -> Result<Operation, Status> {
        Ok(self.daemon.unlearning().unlearn(request).await?.into_inner())
    }
}

pub(crate) fn preprocessing(size: u32) -> pb::Preprocessing {
    pb::Preprocessing { height: size, width: size, channels: 1, mean: vec![0.5], std: vec![0.5], ..Default::default() }
}

pub(crate) fn source(dataset: &str) -> Option<pb::DataSource> {
    Some(pb::DataSource { dataset: dataset.into(), split: String::new() })
}

pub(crate) fn selector(class: &str) -> Option<pb::Selector> {
    Some(pb::Selector { classes: vec![class.into()], ..Default::default() })
}

/// Forget the crosses.
pub(crate) fn poison() -> pb::PoisonSpec {
    pb::PoisonSpec {
        model: "models/shapes".into(),
        train: source("shapes-train"),
        forget: selector("cross"),
        ..Default::default()
    }
}

/// Plain training of everything.
pub(crate) fn training(epochs: u32, learning_rate: f64) -> pb::FineTunePoisonedRequest {
    pb::FineTunePoisonedRequest {
        poison: Some(pb::PoisonSpec { forget: None, ..poison() }),
        trainer: Some(pb::TrainerSpec {
            scope: pb::Scope::All.into(),
            epochs: Some(epochs),
            learning_rate: Some(learning_rate),
            batch_size: Some(16),
            ..Default::default()
        }),
        method: pb::Method::Train.into(),
        ..Default::default()
    }
}

/// `label,pixel0,...` with every class in turn; the same seed gives the same file.
pub(crate) fn csv(count: usize, seed: u64) -> String {
    let mut text = String::from("label");
    (0..SIZE * SIZE).for_each(|pixel| write!(text, ",pixel{pixel}").unwrap());
    for index in 0..count {
        let class = index % CLASSES.len();
        write!(text, "\n{}", CLASSES[class]).unwrap();
        for pixel in 0..SIZE * SIZE {
            let noise = mix(seed, index, pixel) % 40;
            write!(text, ",{}", if is_ink(class, pixel / SIZE, pixel % SIZE) { 230 } else { noise }).unwrap();
        }
    }
    text + "\n"
}

/// Where the CSV of a split was written.
pub(crate) fn written(shapes: &Shapes, name: &str, text: &str) -> PathBuf {
    let path = shapes.root().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn is_ink(class: usize, row: usize, column: usize) -> bool {
    let inside = (1..SIZE - 1).contains(&row) && (1..SIZE - 1).contains(&column);
    let edge = [1, SIZE - 2].contains(&row) || [1, SIZE - 2].contains(&column);
    match class {
        0 => inside && (column == 3 || column == 4),
        1 => inside && (row == column || row + column == SIZE - 1),
        _ => inside && edge,
    }
}

fn mix(seed: u64, index: usize, pixel: usize) -> u64 {
    let mut value = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((index as u64) << 20) ^ pixel as u64;
    value = (value ^ (value >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value ^ (value >> 29)
}
