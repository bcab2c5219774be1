//! The Rust side of `language.py`: `text_peer FOLDER THREADS` loads a language model, says `ready` and the megabytes of memory that are its
//! own, then reads one JSON command a line, does the work once and answers with the seconds it took. The numeric core runs exactly as on a
//! device thread, without daemon and network.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use serde::Deserialize;
use tch::{Device, Kind, Tensor};
use unlearnd::domain::finetune::Precision;
use unlearnd::domain::job::EventBody;
use unlearnd::domain::text_training::{LoraSpec, TextSchedule, TextTrainerSpec, TrainedParameters};
use unlearnd::ml::language::trainer::{Target, TextFineTuneInputs, TextFineTuneTask, TextSample};
use unlearnd::ml::language::{LanguageConfig, LanguageModel, Weights};
use unlearnd::ml::step::{Outcome, Position, Reporter, Task};
use unlearnd::ml::torch::{Autocast, NoGrad, keep_freed_memory, set_threads};

type Answer = Result<f64, Box<dyn Error>>;

#[derive(Debug, Deserialize)]
struct Command {
    work: String,
    precision: String,
    rows: usize,
    tokens: usize,
    #[serde(default)]
    steps: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [folder, threads] = arguments.as_slice() else {
        println!("text_peer: the Rust side of benches/language.py; run `make bench`");
        return Ok(());
    };
    let (folder, threads) = (folder.clone(), threads.parse()?);
    // On a thread of its own, as on the daemon's device threads.
    let served =
        std::thread::spawn(move || serve(Path::new(&folder), threads).map_err(|error| error.to_string())).join();
    served.map_err(|_| "the work panicked")?.map_err(Into::into)
}

fn serve(folder: &Path, threads: usize) -> Result<(), Box<dyn Error>> {
    keep_freed_memory();
    set_threads(threads);
    let before = private_megabytes()?;
    let config = LanguageConfig::read(&std::fs::read_to_string(folder.join("config.json"))?)?;
    let weights = Weights::map(&[folder.join("model.safetensors")])?;
    let model = Rc::new(LanguageModel::new(config, weights, Kind::Float, Device::Cpu)?);
    println!("ready {}", private_megabytes()? - before);
    for line in std::io::stdin().lock().lines() {
        let seconds = run(&model, &serde_json::from_str(&line?)?)?;
        println!("{seconds}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Of this process alone: pages of mapped files that others could share are not counted.
fn private_megabytes() -> Answer {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let dirty = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).ok_or("no Private_Dirty")?;
    Ok(dirty.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

fn run(model: &Rc<LanguageModel>, command: &Command) -> Answer {
    let precision = if command.precision == "bf16" { Precision::Bf16 } else { Precision::F32 };
    match command.work.as_str() {
        "prefill" => prefill(model, command, precision),
        "lora" => lora(model, command, precision),
        other => Err(format!("unknown work {other}").into()),
    }
}

/// Logits of the last token, as generation asks for them.
fn prefill(model: &LanguageModel, command: &Command, precision: Precision) -> Answer {
    let _guard = NoGrad::enter();
    let _precision = Autocast::enter(precision)?;
    let tokens =
        Tensor::randint(vocabulary(model), [command.rows as i64, command.tokens as i64], (Kind::Int64, Device::Cpu));
    let start = Instant::now();
    let hidden = model.hidden(&model.embed(&tokens)?, None, None)?;
    let logits = model.head(&hidden.f_select(1, -1)?.f_unsqueeze(1)?, None)?;
    assert!(logits.numel() > 0);
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds a step, the first left out.
fn lora(model: &Rc<LanguageModel>, command: &Command, precision: Precision) -> Answer {
    let scratch = tempfile::tempdir()?;
    let sample = |row: usize| TextSample {
        tokens: (0..command.tokens).map(|at| ((row * 7919 + at * 104_729) as i64 % vocabulary(model)) as u32).collect(),
        target: Target::Labelled(vec![true; command.tokens]),
    };
    let trainer = TextTrainerSpec {
        parameters: TrainedParameters::Adapter(LoraSpec { dropout: 0.0, ..LoraSpec::default() }),
        schedule: TextSchedule::Constant,
        warmup_ratio: 0.0,
        batch_size: command.rows as u32,
        // One to warm up, and one that is never taken: behind the last step the run ends.
        epochs: command.steps + 2,
        checkpoint_every_steps: 0,
        precision,
        ..TextTrainerSpec::default()
    };
    let inputs = TextFineTuneInputs {
        model: model.clone(),
        adapter: None,
        reference: None,
        forget: Vec::new(),
        retain: (0..command.rows).map(sample).collect(),
        trainer,
        checkpoint_folder: scratch.path().join("checkpoints"),
    };
    let mut task = TextFineTuneTask::new(inputs)?;
    while trained(&task) < 1 {
        step(&mut task)?;
    }
    let start = Instant::now();
    while trained(&task) < u64::from(command.steps) + 1 {
        step(&mut task)?;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(command.steps))
}

fn step(task: &mut TextFineTuneTask) -> Result<(), Box<dyn Error>> {
    match task.step(&mut Quiet)? {
        Outcome::Continue => Ok(()),
        Outcome::Done(_) => Err("training ended early".into()),
    }
}

fn trained(task: &TextFineTuneTask) -> u64 {
    let Position { stage, step, .. } = task.position();
    if stage == "train" { step } else { 0 }
}

fn vocabulary(model: &LanguageModel) -> i64 {
    model.config().vocabulary_size() as i64
}

/// Nobody listens.
struct Quiet;

impl Reporter for Quiet {
    fn event(&mut self, _event: EventBody) -> unlearnd::domain::Result<()> {
        Ok(())
    }
}
