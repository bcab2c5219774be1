//! Good inputs to begin from, so that fuzzing gets past the first check: `cargo test --test corpus seeds -- --ignored`.

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use image::{ImageFormat, Rgb, RgbImage};
use parquet::arrow::ArrowWriter;
use prost::Message;
use safetensors::tensor::{Dtype, TensorView};
use unlearnd::pb::google::longrunning as lro;
use unlearnd::pb::v1 as pb;

#[path = "text_seeds.rs"]
mod texts;

const SIDE: u32 = 8;

#[test]
#[ignore = "writes into the repository"]
fn seeds_are_written() {
    for (target, name, bytes) in seeds() {
        let folder = super::repository().join("fuzz/corpus").join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

type Seed = (&'static str, String, Vec<u8>);

fn seeds() -> Vec<Seed> {
    let golden = |path: &str| fs::read(super::repository().join("tests/golden").join(path)).unwrap();
    let text = |target, name: &str, text: &str| (target, name.to_owned(), text.as_bytes().to_vec());
    let mut seeds: Vec<Seed> = vec![
        ("archive", "greedy.pt".into(), golden("hostile/greedy.pt")),
        ("archive", "pickle.pt".into(), golden("backbone/pickle.pt")),
        ("npz", "pixels.npz".into(), golden("datasets/pixels.npz")),
        ("csv", "pixels.csv".into(), golden("datasets/pixels.csv")),
        ("safetensors", "pixels.safetensors".into(), golden("datasets/pixels.safetensors")),
        ("parquet", "images.parquet".into(), parquet()),
        ("concept_bank", "named.safetensors".into(), bank(Some(r#"["a","b"]"#))),
        ("concept_bank", "nameless.safetensors".into(), bank(None)),
        ("weights", "one.safetensors".into(), tensors(&[("conv1.weight", vec![2, 1, 1, 1])], None)),
        ("image", "picture.png".into(), picture(ImageFormat::Png)),
        ("image", "picture.jpg".into(), picture(ImageFormat::Jpeg)),
        ("certificate", "client.der".into(), certificate()),
        text("config", "sections.toml", CONFIG),
        text("tokens", "tokens.toml", TOKENS),
        text("csv", "paths.csv", "label,path,split\ncat,a.png,train\ndog,b.png,test\n"),
        text("csv", "floats.csv", "label,p0,p1,p2,p3,note\n0,0.1,0.2,1e-3,1.0,\"a, b\"\n1,0.1,0.2,0.3,1,c\n"),
    ];
    let example = super::repository().join("deploy/unlearnd.example.toml");
    seeds.push(("config", "example.toml".into(), fs::read(example).unwrap()));
    for (index, name) in NAMES.iter().enumerate() {
        seeds.push(text("names", &format!("name-{index}"), name));
    }
    seeds.extend(texts::seeds());
    seeds.extend(messages().into_iter().chain(texts::messages()).enumerate().map(|(index, message)| {
        let bytes = [&[index as u8], message.as_slice()].concat();
        ("requests", format!("request-{index:02}"), bytes)
    }));
    seeds
}

const NAMES: [&str; 7] = [
    "models/cifar/versions/12",
    "datasets/train-1.0",
    "conceptBanks/broden_2",
    "jobs/01890a5d-ac96-774b-bcce-b302099a8057",
    "file:///data/a%20b/../train.parquet",
    "6a6f62730a6d31",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
];

const CONFIG: &str = "listen = \"127.0.0.1:0\"\nroots = [\"/data\"]\n[limits]\nqueued_jobs = 4\n[tls]\ncertificate = \"c.pem\"\nkey = \
                      \"k.pem\"\nclient_ca = \"a.pem\"\n[access]\ntokens_file = \"t\"\nanonymous_scopes = [\"health\"]\n[[access.certificates]]\n\
                      subject = \"CN=trainer\"\nscopes = [\"job\"]\n";

const TOKENS: &str = "[[tokens]]\nname = \"night-runs\"\nsha256 = \
                      \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\nscopes = [\"job\", \"health\"]\nexpires = \
                      2030-01-01T00:00:00Z\n[[certificates]]\nsubject = \"DNS:a.example\"\nscopes = [\"job\"]\n";

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb([x as u8 * 30, y as u8 * 30, 90]));
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn parquet() -> Vec<u8> {
    let (png, jpeg) = (picture(ImageFormat::Png), picture(ImageFormat::Jpeg));
    let images: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&png, &jpeg]));
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
    let notes: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    written(&RecordBatch::try_from_iter([("image", images), ("label", labels), ("note", notes)]).unwrap())
}

fn written(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn tensors(shapes: &[(&str, Vec<usize>)], metadata: Option<HashMap<String, String>>) -> Vec<u8> {
    let values = vec![0x3F; 4096];
    let view = |(name, shape): &(&str, Vec<usize>)| {
        let bytes = shape.iter().product::<usize>() * 4;
        ((*name).to_owned(), TensorView::new(Dtype::F32, shape.clone(), &values[..bytes]).unwrap())
    };
    safetensors::serialize(shapes.iter().map(view), metadata).unwrap()
}

fn bank(names: Option<&str>) -> Vec<u8> {
    let metadata = names.map(|names| HashMap::from([("names".to_owned(), names.to_owned())]));
    let concepts = if names.is_some() { 2 } else { 1 };
    tensors(&[("W", vec![concepts, 4]), ("b", vec![concepts])], metadata)
}

fn certificate() -> Vec<u8> {
    let names = vec!["a.example".to_owned(), "192.0.2.7".to_owned()];
    rcgen::generate_simple_self_signed(names).unwrap().cert.der().to_vec()
}

fn source(dataset: &str) -> Option<pb::DataSource> {
    Some(pb::DataSource { dataset: format!("datasets/{dataset}"), split: "train".into() })
}

fn poison() -> Option<pb::PoisonSpec> {
    use pb::predicate::{Condition, Fraction, IndexRange};
    let conditions = [
        Condition::IndexRange(IndexRange { start: 1, end: 9 }),
        Condition::Fraction(Fraction { fraction: 0.5, seed: 3 }),
    ];
    let predicates = conditions.map(|condition| pb::Predicate { condition: Some(condition) }).into();
    let forget = pb::Selector { classes: vec!["cat".into()], indices: vec![1, 2], predicates };
    let donor = pb::DonorChoice { rule: 1, ..Default::default() };
    Some(pb::PoisonSpec {
        model: "models/m".into(),
        train: source("a"),
        forget: Some(forget),
        donor: Some(donor),
        mix: Some(pb::DataMix::default()),
        ..Default::default()
    })
}

fn trainer() -> Option<pb::TrainerSpec> {
    Some(pb::TrainerSpec {
        epochs: Some(2),
        learning_rate: Some(0.1),
        batch_size: Some(16),
        augmentation: Some(pb::Augmentation { crop_padding: 1, horizontal_flip: true }),
        ..Default::default()
    })
}

/// In the order of the decoders; those for texts follow.
fn messages() -> Vec<Vec<u8>> {
    let model = "models/m".to_owned();
    let preprocessing = Some(pb::Preprocessing {
        height: 8,
        width: 8,
        channels: 1,
        mean: vec![0.5],
        std: vec![0.5],
        ..Default::default()
    });
    let timeout = Some(prost_types::Duration { seconds: 7, nanos: 5 });
    let library = pb::learn_concept_bank_request::Source::Procedural(Default::default());
    let image = pb::attribute_request::input::Image::Encoded(picture(ImageFormat::Png));
    let input = pb::attribute_request::Input { image: Some(image), target_class: "cat".into() };
    vec![
        pb::LoadModelRequest {
            model_id: "m".into(),
            uri: "a.pt".into(),
            class_names: vec!["cat".into(), "dog".into()],
            preprocessing: preprocessing.clone(),
            ..Default::default()
        }
        .encode_to_vec(),
        pb::CreateModelRequest {
            model_id: "m".into(),
            architecture: "small_cnn".into(),
            class_count: 3,
            preprocessing,
            ..Default::default()
        }
        .encode_to_vec(),
        pb::ExportModelVersionRequest { name: model.clone(), format: 1, ..Default::default() }.encode_to_vec(),
        pb::RegisterDatasetRequest { dataset_id: "d".into(), uri: "d.csv".into(), format: 4, ..Default::default() }
            .encode_to_vec(),
        pb::upload_dataset_request::Header { dataset_id: "d".into(), format: 1, ..Default::default() }.encode_to_vec(),
        pb::ImportConceptBankRequest { concept_bank_id: "b".into(), model: model.clone(), ..Default::default() }
            .encode_to_vec(),
        pb::PlanPoisoningRequest { poison: poison(), trainer: trainer(), ..Default::default() }.encode_to_vec(),
        pb::AttributeRequest { model: model.clone(), inputs: vec![input], ..Default::default() }.encode_to_vec(),
        pb::FineTunePoisonedRequest { poison: poison(), trainer: trainer(), timeout, ..Default::default() }
            .encode_to_vec(),
        pb::UnlearnRequest { poison: poison(), trainer: trainer(), test: source("t"), ..Default::default() }
            .encode_to_vec(),
        pb::EvaluateModelRequest { model: model.clone(), test: source("t"), ..Default::default() }.encode_to_vec(),
        pb::EvaluateMembershipInferenceRequest {
            model: model.clone(),
            train: source("a"),
            test: source("t"),
            forget: Some(pb::Selector { classes: vec!["cat".into()], ..Default::default() }),
            ..Default::default()
        }
        .encode_to_vec(),
        pb::LearnConceptBankRequest {
            concept_bank_id: "b".into(),
            model: model.clone(),
            source: Some(library),
            ..Default::default()
        }
        .encode_to_vec(),
        pb::ExtractConceptsRequest {
            concept_bank: "conceptBanks/b".into(),
            model: model.clone(),
            train: source("a"),
            test: source("t"),
            ..Default::default()
        }
        .encode_to_vec(),
        pb::AttributeDatasetRequest { model: model.clone(), source: source("t"), max_samples: 3, ..Default::default() }
            .encode_to_vec(),
        pb::ListJobsRequest { page_size: 3, states: vec![1, 2], kinds: vec![3], model, ..Default::default() }
            .encode_to_vec(),
        lro::ListOperationsRequest { name: "jobs".into(), page_size: 2, ..Default::default() }.encode_to_vec(),
        lro::WaitOperationRequest { name: "jobs/j".into(), timeout }.encode_to_vec(),
        pb::GetConceptBankRequest { name: "conceptBanks/b".into(), examples: 2 }.encode_to_vec(),
        pb::WatchJobRequest { name: "jobs/j".into(), after_sequence: 4 }.encode_to_vec(),
    ]
}
