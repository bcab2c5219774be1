//! Language models from folders of Hugging Face: loaded, asked, explained, exported, brought back; and what is refused.

use std::path::{Path, PathBuf};

use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::attribute_text_request::{Input, input};
use unlearnd::pb::v1::generate_request;
use unlearnd::pb::v1::generate_response::FinishReason;
use unlearnd::pb::v1::text_service_client::TextServiceClient;

use crate::support::language::{CONTEXT, VOCABULARY, config, write, write_json};
use crate::support::refusals::refused;
use crate::support::shapes::{Shapes, source};

const PROMPT: &str = "why was my card stolen";

/// The folder of a fresh model.
fn folder(shapes: &Shapes, name: &str) -> PathBuf {
    let folder = shapes.root().join(name);
    write(&folder);
    folder
}

async fn load(shapes: &Shapes, id: &str, folder: &Path) -> Result<pb::Model, Status> {
    let uri = format!("file://{}", folder.display());
    let request = pb::LoadModelRequest { model_id: id.into(), uri, ..Default::default() };
    shapes.daemon.models().load_model(request).await.map(tonic::Response::into_inner)
}

pub(crate) async fn with_model() -> Shapes {
    let shapes = Shapes::bare().await;
    load(&shapes, "words", &folder(&shapes, "words")).await.unwrap();
    shapes
}

fn asking(prompt: &str) -> pb::GenerateRequest {
    let input = Some(generate_request::Input::Prompt(prompt.into()));
    pb::GenerateRequest { model: "models/words".into(), input, max_tokens: 12, ..Default::default() }
}

fn talking(turns: &[(&str, &str)]) -> pb::Conversation {
    let turn =
        |(role, content): &(&str, &str)| pb::conversation::Turn { role: (*role).into(), content: (*content).into() };
    pb::Conversation { turns: turns.iter().map(turn).collect() }
}

struct Written {
    text: String,
    reason: FinishReason,
    generated: u32,
}

async fn write_on(shapes: &Shapes, request: pb::GenerateRequest) -> Result<Written, Status> {
    let mut pieces = TextServiceClient::new(shapes.daemon.channel()).generate(request).await?.into_inner();
    let mut text = String::new();
    while let Some(piece) = pieces.message().await? {
        text += &piece.text;
        let (reason, generated) = (piece.finish_reason(), piece.generated_tokens);
        if reason != FinishReason::Unspecified {
            assert!(pieces.message().await?.is_none(), "a piece after the last");
            return Ok(Written { text, reason, generated });
        }
    }
    panic!("the stream ended without a reason");
}

async fn explain(shapes: &Shapes, inputs: Vec<Input>) -> Result<Vec<pb::AttributeTextResponse>, Status> {
    let request = pb::AttributeTextRequest { model: "models/words".into(), inputs, ..Default::default() };
    let mut responses = TextServiceClient::new(shapes.daemon.channel()).attribute_text(request).await?.into_inner();
    let mut all = Vec::new();
    while let Some(response) = responses.message().await? {
        all.push(response);
    }
    Ok(all)
}

fn answered(text: &str, answer: &str) -> Input {
    Input { input: Some(input::Input::Text(text.into())), answer: answer.into(), ..Default::default() }
}

/// A refusal that is about no field.
fn told(status: &Status, code: Code, reason: &str) {
    let info = status.get_details_error_info().expect("every error carries ErrorInfo");
    assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{status}");
}

#[tokio::test]
async fn a_folder_becomes_a_model_that_says_what_it_is() {
    let shapes = Shapes::bare().await;
    let model = load(&shapes, "words", &folder(&shapes, "words")).await.unwrap();
    let text = model.text.unwrap();
    assert_eq!((model.format, model.architecture.as_str()), (pb::ModelFormat::HuggingFace.into(), "llama"));
    assert_eq!((model.class_count, model.preprocessing), (0, None));
    assert_eq!((text.vocabulary_size, text.context), (VOCABULARY as u32, CONTEXT as u32));
    assert!(text.has_chat_template && model.resident_bytes > 0);
}

#[tokio::test]
async fn it_writes_the_same_again_also_after_a_restart_and_out_of_its_export() {
    let mut shapes = with_model().await;
    let first = write_on(&shapes, asking(PROMPT)).await.unwrap();
    assert!(first.generated > 0 && first.generated <= 12);
    assert_eq!(write_on(&shapes, asking(PROMPT)).await.unwrap().text, first.text);
    let uri = format!("file://{}", shapes.root().join("copy").display());
    let export = pb::ExportModelVersionRequest { name: "models/words".into(), uri: uri.clone(), ..Default::default() };
    shapes.daemon.models().export_model_version(export.clone()).await.unwrap();
    let twice = shapes.daemon.models().export_model_version(export).await.unwrap_err();
    told(&twice, Code::AlreadyExists, "FILE_EXISTS");
    load(&shapes, "copy", &shapes.root().join("copy")).await.unwrap();
    let of_copy = pb::GenerateRequest { model: "models/copy".into(), ..asking(PROMPT) };
    assert_eq!(write_on(&shapes, of_copy).await.unwrap().text, first.text);
    shapes.daemon.kill().await;
    shapes.daemon.start_again().await;
    assert_eq!(write_on(&shapes, asking(PROMPT)).await.unwrap().text, first.text);
}

#[tokio::test]
async fn sampling_follows_its_seed_and_stops_end_the_text() {
    let shapes = with_model().await;
    let warm = |seed| pb::GenerateRequest { temperature: 1.5, seed, ..asking(PROMPT) };
    let one = write_on(&shapes, warm(1)).await.unwrap().text;
    assert_eq!(write_on(&shapes, warm(1)).await.unwrap().text, one);
    let mut others = Vec::new();
    for seed in 2..6 {
        others.push(write_on(&shapes, warm(seed)).await.unwrap().text);
    }
    assert!(others.iter().any(|other| *other != one), "five seeds wrote {one:?}");
    let whole = write_on(&shapes, asking(PROMPT)).await.unwrap().text;
    let stop = whole.split_whitespace().nth(1).unwrap().to_owned();
    let cut = write_on(&shapes, pb::GenerateRequest { stop: vec![stop.clone()], ..asking(PROMPT) }).await.unwrap();
    assert_eq!((cut.text.as_str(), cut.reason), (&whole[..whole.find(&stop).unwrap()], FinishReason::Stop));
    let longest = write_on(&shapes, pb::GenerateRequest { max_tokens: 4000, ..asking(PROMPT) }).await.unwrap();
    assert!(longest.generated < CONTEXT as u32);
}

#[tokio::test]
async fn a_conversation_is_rendered_by_the_models_template() {
    let shapes = with_model().await;
    let talk = pb::GenerateRequest {
        input: Some(generate_request::Input::Conversation(talking(&[("user", "who are you")]))),
        ..asking("")
    };
    let rendered = write_on(&shapes, asking("<s><user> who are you <assistant>")).await.unwrap().text;
    assert_eq!(write_on(&shapes, talk).await.unwrap().text, rendered);
}

#[tokio::test]
async fn what_an_answer_rests_on_sums_to_the_difference_it_makes() {
    let shapes = with_model().await;
    let conversation = Input {
        input: Some(input::Input::Conversation(talking(&[("user", "my card was lost")]))),
        answer: "yes".into(),
        ..Default::default()
    };
    let explained = explain(&shapes, vec![answered(PROMPT, "please help me"), conversation]).await.unwrap();
    assert_eq!(explained.iter().map(|item| item.index).collect::<Vec<_>>(), [0, 1]);
    for item in &explained {
        assert_eq!(item.failure, None);
        let sum: f64 = item.tokens.iter().map(|token| token.value).sum();
        let difference = item.output - item.baseline_output;
        assert!((sum - difference - item.delta).abs() < 1e-6);
        assert!(item.converged, "{sum} is not {difference}");
        assert!(item.tokens.iter().all(|token| item.rendered[token.start as usize..token.end as usize] == token.text));
        assert!(item.output < 0.0, "a log probability");
    }
    let words = |item: &pb::AttributeTextResponse| item.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    assert_eq!(words(&explained[0]), ["why", "was", "my", "card", "stolen"]);
    assert_eq!(words(&explained[1]), ["my", "card", "was", "lost"]);
}

#[tokio::test]
async fn one_text_that_does_not_fit_fails_alone() {
    let shapes = with_model().await;
    let long = "card ".repeat(CONTEXT);
    let explained = explain(&shapes, vec![answered(&long, "yes"), answered("card", "yes")]).await.unwrap();
    let failure = explained[0].failure.clone().unwrap();
    assert_eq!((failure.code, failure.reason.as_str()), (Code::InvalidArgument as i32, "EXAMPLE_TOO_LONG"));
    assert_eq!(explained[1].failure, None);
    let refusal = write_on(&shapes, asking(&long)).await.map(drop).unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    let refusal = explain(&shapes, vec![answered("card", "")]).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "MISSING_FIELD", "inputs[0].answer", "answer");
}

#[tokio::test]
async fn damaged_folders_are_refused_and_leave_nothing() {
    let shapes = Shapes::bare().await;
    let broken = |name: &str, change: &dyn Fn(&Path)| {
        let folder = folder(&shapes, name);
        change(&folder);
        folder
    };
    let index = json!({ "weight_map": { "lm_head.weight": "model-00001-of-00002.safetensors" } });
    let without_shard = broken("shard", &|folder| {
        std::fs::remove_file(folder.join("model.safetensors")).unwrap();
        write_json(&folder.join("model.safetensors.index.json"), &index);
    });
    let unknown = broken("unknown", &|folder| {
        let mut config = config();
        config["model_type"] = json!("perceiver");
        write_json(&folder.join("config.json"), &config);
    });
    let other_tokenizer = broken("tokenizer", &|folder| {
        let mut config = config();
        config["vocab_size"] = json!(VOCABULARY - 1);
        write_json(&folder.join("config.json"), &config);
    });
    let template =
        broken("template", &|folder| std::fs::write(folder.join("chat_template.jinja"), "{% for %}").unwrap());
    let truncated = broken("truncated", &|folder| {
        let path = folder.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
    });
    for (folder, says) in [
        (without_shard, "model-00001-of-00002.safetensors"),
        (unknown, "perceiver"),
        (other_tokenizer, "tokenizer"),
        (template, "template"),
        (truncated, "model.safetensors"),
    ] {
        let refusal = load(&shapes, "broken", &folder).await.unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidArgument, "{}: {refusal}", folder.display());
        assert!(refusal.message().contains(says), "{refusal}");
    }
    assert!(!shapes.daemon.data_dir().join("models/broken").exists());
    let listed = shapes.daemon.models().list_models(pb::ListModelsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.models, []);
}

#[tokio::test]
async fn texts_and_images_do_not_mix() {
    let shapes = Shapes::start().await;
    load(&shapes, "words", &folder(&shapes, "words")).await.unwrap();
    let images = pb::GenerateRequest { model: "models/shapes".into(), ..asking(PROMPT) };
    let refusal = write_on(&shapes, images).await.map(drop).unwrap_err();
    told(&refusal, Code::FailedPrecondition, "MODEL_TAKES_IMAGES");
    let evaluate =
        pb::EvaluateModelRequest { model: "models/words".into(), test: source("shapes-test"), ..Default::default() };
    let refusal = shapes.daemon.evaluations().evaluate_model(evaluate).await.unwrap_err();
    refused(&refusal, Code::FailedPrecondition, "DATASET_NOT_FOR_MODEL", "test", "texts");
    let stated = pb::LoadModelRequest {
        model_id: "stated".into(),
        uri: format!("file://{}", shapes.root().join("words").display()),
        class_count: 3,
        ..Default::default()
    };
    let refusal = shapes.daemon.models().load_model(stated).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "NOT_FOR_LANGUAGE_MODELS", "class_count", "leave it out");
}
