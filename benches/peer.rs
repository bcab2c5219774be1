//! The Rust side of `side_by_side.py`: `peer WEIGHTS THREADS` says `ready`, then reads one JSON command a line, does the work once
//! and answers with the seconds it took. The numeric core runs exactly as on a device thread, without daemon and network.

#[path = "peer/attribution.rs"]
mod attribution;

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rand::RngCore;
use serde::Deserialize;
use tch::Device;
use unlearnd::domain::dataset::{ImageBatch, ImageShape, ImageSource, Pixels};
use unlearnd::domain::finetune::{Method, Precision, Scope, TrainerSpec};
use unlearnd::domain::job::EventBody;
use unlearnd::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};
use unlearnd::ml::activations::ActivationCache;
use unlearnd::ml::backbone::Backbone;
use unlearnd::ml::finetune::{FineTuneInputs, FineTuneTask};
use unlearnd::ml::poison::{Targets, TrainingSet};
use unlearnd::ml::random::{Purpose, stream};
use unlearnd::ml::step::{Outcome, Position, Reporter, Task};
use unlearnd::ml::torch::{NoGrad, images_to_tensor, keep_freed_memory, set_threads};

const SHAPE: ImageShape = ImageShape { height: 32, width: 32, channels: 3 };
const CLASSES: u32 = 10;
const FORWARD_BATCH: usize = 128;
const TRAIN_BATCH: u32 = 128;

type Answer = Result<f64, Box<dyn Error>>;

#[derive(Debug, Deserialize)]
struct Command {
    work: String,
    precision: String,
    images: usize,
    #[serde(default = "one")]
    epochs: u32,
    attribution: Option<attribution::Attribution>,
}

fn one() -> u32 {
    1
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [weights, threads] = arguments.as_slice() else {
        println!("peer: the Rust side of benches/side_by_side.py; run `make bench`");
        return Ok(());
    };
    let (weights, threads) = (PathBuf::from(weights), threads.parse()?);
    // On a thread of its own, as on the daemon's device threads.
    let served = std::thread::spawn(move || serve(&weights, threads).map_err(|error| error.to_string())).join();
    served.map_err(|_| "the work panicked")?.map_err(Into::into)
}

fn serve(weights: &Path, threads: usize) -> Result<(), Box<dyn Error>> {
    keep_freed_memory();
    set_threads(threads);
    let model = Backbone::load(weights, &spec(), Device::Cpu)?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let seconds = run(&model, &serde_json::from_str(&line?)?)?;
        println!("{seconds}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn run(model: &Backbone, command: &Command) -> Answer {
    let precision = if command.precision == "bf16" { Precision::Bf16 } else { Precision::F32 };
    let images = Arc::new(Noise::new(command.images));
    match command.work.as_str() {
        "forward" => forward(model, &images, precision),
        "epoch" => train(model, images, trainer(Scope::All, precision, 1), false),
        "head" => train(model, images, trainer(Scope::Head, precision, command.epochs), true),
        "attribute" => {
            let work = command.attribution.as_ref().ok_or("`attribution` says what to attribute")?;
            attribution::attribute(model, precision, work)
        }
        other => Err(format!("unknown work {other}").into()),
    }
}

fn forward(model: &Backbone, images: &Noise, precision: Precision) -> Answer {
    let inference = model.inference(precision)?;
    let _guard = NoGrad::enter();
    let start = Instant::now();
    for first in (0..images.len()).step_by(FORWARD_BATCH) {
        let positions: Vec<usize> = (first..images.len().min(first + FORWARD_BATCH)).collect();
        let batch = images.read(&positions, SHAPE, Resize::None)?;
        let _logits = inference.forward(&images_to_tensor(&batch, &spec().preprocessing, Device::Cpu)?)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds of a whole job on cached activations, or else of the training alone.
fn train(model: &Backbone, images: Arc<Noise>, trainer: TrainerSpec, cached: bool) -> Answer {
    let scratch = tempfile::tempdir()?;
    let cache = cached.then(|| ActivationCache::new(&scratch.path().join("cache"), 1 << 30)).transpose()?;
    let inputs = FineTuneInputs {
        parent: model.deep_copy()?,
        training: TrainingSet {
            indices: (0..images.len()).collect(),
            targets: Targets::Hard(images.labels().to_vec()),
            true_labels: images.labels().to_vec(),
            is_forget: vec![false; images.len()],
        },
        source: images,
        method: Method::Train,
        trainer,
        checkpoint_folder: PathBuf::from(scratch.path()).join("checkpoints"),
        cache,
        baseline_retain_accuracy: None,
    };
    let start = Instant::now();
    let mut task = FineTuneTask::new(inputs)?;
    while (cached || !has_trained(&task))
        && let Outcome::Continue = task.step(&mut Quiet)?
    {}
    Ok(start.elapsed().as_secs_f64())
}

/// The last optimiser step is done; what follows is a look at the figures, which PyTorch's loop does not take.
fn has_trained(task: &FineTuneTask) -> bool {
    let Position { stage, step, total } = task.position();
    stage == "train" && step == total
}

fn trainer(scope: Scope, precision: Precision, epochs: u32) -> TrainerSpec {
    TrainerSpec { precision, epochs, batch_size: TRAIN_BATCH, ..TrainerSpec::for_scope(scope) }
}

fn spec() -> ModelSpec {
    ModelSpec {
        format: ModelFormat::Safetensors,
        architecture: "cifar_resnet20".to_owned(),
        class_count: CLASSES,
        class_names: Vec::new(),
        preprocessing: Preprocessing {
            height: SHAPE.height,
            width: SHAPE.width,
            channels: SHAPE.channels,
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
            layout: Layout::Nchw,
            resize: Resize::None,
        },
        text: None,
    }
}

/// Random images in memory.
#[derive(Debug)]
struct Noise {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    key: String,
}

impl Noise {
    fn new(count: usize) -> Self {
        let mut random = stream(0, Purpose::Initialisation, count as u64);
        let mut pixels = vec![0; count * SHAPE.value_count()];
        random.fill_bytes(&mut pixels);
        let labels = (0..count).map(|_| random.next_u32() % CLASSES).collect();
        Self { pixels, labels, key: format!("noise/{count}") }
    }
}

impl ImageSource for Noise {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, _resize: Resize) -> unlearnd::domain::Result<ImageBatch> {
        let size = shape.value_count();
        let pixels =
            positions.iter().flat_map(|&position| &self.pixels[position * size..(position + 1) * size]).copied();
        Ok(ImageBatch { count: positions.len(), shape, pixels: Pixels::Bytes(pixels.collect()) })
    }
}

/// Nobody listens.
struct Quiet;

impl Reporter for Quiet {
    fn event(&mut self, _event: EventBody) -> unlearnd::domain::Result<()> {
        Ok(())
    }
}
