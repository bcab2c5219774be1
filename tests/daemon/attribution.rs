//! Attribution: completeness of what is streamed, pictures, artefacts, and refusals by field.

use safetensors::SafeTensors;
use tonic::Code;
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::attribute_request::{Input, input};
use unlearnd::pb::v1::attribution_spec::{IntegratedGradients, Method, Occlusion, Saliency};
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::job_result::Result as Outcome;

use crate::support::shapes::{SIZE, Shapes, source, training};

async fn trained() -> Shapes {
    let shapes = Shapes::start().await;
    let job = shapes.fine_tune(pb::FineTunePoisonedRequest { promote: true, ..training(6, 0.05) }).await.unwrap();
    assert_eq!(shapes.finished(&job).await.state(), State::Succeeded);
    shapes
}

fn sample(index: i64) -> Input {
    let sample = input::Sample { source: source("shapes-test"), index };
    Input { image: Some(input::Image::Sample(sample)), target_class: String::new() }
}

fn steps(steps: u32) -> Option<Method> {
    Some(Method::IntegratedGradients(IntegratedGradients { steps: Some(steps), ..Default::default() }))
}

fn request(inputs: Vec<Input>, method: Option<Method>) -> pb::AttributeRequest {
    let attribution = Some(pb::AttributionSpec { method, ..Default::default() });
    pb::AttributeRequest { model: "models/shapes".into(), inputs, attribution, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributions_add_up_to_the_output_and_come_in_order() {
    let shapes = trained().await;
    let asked = pb::AttributeRequest { heat_map: true, ..request((0..6).map(sample).collect(), steps(100)) };
    let answers = shapes.attributed(asked).await.unwrap();
    assert_eq!(answers.iter().map(|answer| answer.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    for answer in &answers {
        assert!(answer.failure.is_none());
        assert_eq!((answer.channels, answer.height as usize, answer.values.len()), (1, SIZE, SIZE * SIZE));
        let sum: f64 = answer.values.iter().copied().map(f64::from).sum();
        let explained = answer.output - answer.baseline_output;
        assert!((sum - explained - answer.delta()).abs() < 1e-3, "{sum} {explained} {}", answer.delta());
        assert!(answer.relative_delta() < 0.05 && answer.converged(), "{answer:?}");
        assert_eq!(answer.model_version, "models/shapes/versions/2");
        let picture = image::load_from_memory(&answer.heat_map).unwrap();
        assert_eq!(picture.width(), 160, "small images are enlarged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_depend_on_who_else_asks() {
    let shapes = trained().await;
    let alone = shapes.attributed(request(vec![sample(7)], None)).await.unwrap();
    let call = |index| shapes.attributed(request(vec![sample(index)], None));
    let (_, _, _, together) = tokio::join!(call(0), call(1), call(2), call(7));
    let same = &together.unwrap()[0];
    assert_eq!(same.target_index, alone[0].target_index);
    let far = same.values.iter().zip(&alone[0].values).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max);
    assert!(far < 1e-4, "batched with others an attribution is the same to rounding, {far}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_answers() {
    let shapes = trained().await;
    let methods = [
        Method::Saliency(Saliency { signed: true }),
        Method::InputXGradient(pb::attribution_spec::InputXGradient {}),
        Method::GradientShap(pb::attribution_spec::GradientShap { samples: 4, stdev: 0.1 }),
        Method::Occlusion(Occlusion { window: 2, stride: 1 }),
        Method::Occlusion(Occlusion::default()),
    ];
    for method in methods {
        let answers = shapes.attributed(request(vec![sample(1)], Some(method))).await.unwrap();
        assert!(answers[0].failure.is_none() && answers[0].values.iter().any(|value| *value != 0.0), "{method:?}");
        let is_complete = matches!(method, Method::GradientShap(_));
        assert_eq!(
            (answers[0].delta.is_some(), answers[0].converged.is_some()),
            (is_complete, is_complete),
            "{method:?}"
        );
    }
    let mut noisy = request(vec![sample(1)], Some(Method::Saliency(Saliency { signed: true })));
    let attribution = noisy.attribution.as_mut().unwrap();
    attribution.noise = Some(pb::NoiseTunnel { samples: 4, ..Default::default() });
    (attribution.infidelity, attribution.sensitivity) = (true, true);
    let answers = shapes.attributed(noisy).await.unwrap();
    assert!(answers[0].infidelity.is_some() && answers[0].sensitivity.is_some(), "{:?}", answers[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_is_attributed_into_a_file() {
    let shapes = trained().await;
    let asked = pb::AttributeDatasetRequest {
        model: "models/shapes".into(),
        source: source("shapes-test"),
        uri: format!("file://{}", shapes.root().join("a.safetensors").display()),
        max_samples: 10,
        ..Default::default()
    };
    let operation = shapes.daemon.attributions().attribute_dataset(asked.clone()).await.unwrap().into_inner();
    let job = shapes.finished(&operation.name).await;
    let Some(Outcome::Attribution(report)) = job.result.clone().and_then(|result| result.result) else {
        panic!("{job:?}")
    };
    assert_eq!((report.sample_count, report.converged_count), (10, Some(10)));
    let bytes = std::fs::read(shapes.root().join("a.safetensors")).unwrap();
    assert_eq!(bytes.len() as u64, report.size_bytes);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("attributions").unwrap().shape(), [10, 1, SIZE, SIZE]);
    let again = shapes.daemon.attributions().attribute_dataset(asked).await.unwrap_err();
    assert_eq!(again.get_details_error_info().unwrap().reason, "FILE_EXISTS");
}

fn grey_png(side: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(side, side, image::Luma([7])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Code, reason and field of a refusal.
async fn refused(shapes: &Shapes, request: pb::AttributeRequest) -> (Code, String, String) {
    let status = shapes.attributed(request).await.unwrap_err();
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let field = details.bad_request().map(|bad| bad.field_violations[0].field.clone()).unwrap_or_default();
    (status.code(), reason, field)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_attributed_is_refused_by_its_field() {
    let shapes = trained().await;
    let invalid = |reason: &str, field: &str| (Code::InvalidArgument, reason.to_owned(), field.to_owned());
    let with = |change: fn(&mut pb::AttributeRequest)| {
        let mut asked = request(vec![sample(0)], None);
        change(&mut asked);
        asked
    };
    let pixels = |values| Input { image: Some(input::Image::Pixels(input::Pixels { values })), ..Input::default() };
    let encoded = |bytes: &[u8]| Input { image: Some(input::Image::Encoded(bytes.to_vec())), ..Input::default() };

    assert_eq!(
        refused(&shapes, with(|asked| asked.inputs[0].target_class = "cow".into())).await,
        invalid("UNKNOWN_CLASS", "inputs[0].target_class")
    );
    assert_eq!(
        refused(&shapes, with(|asked| asked.inputs[0].target_class = "3".into())).await,
        invalid("UNKNOWN_CLASS", "inputs[0].target_class")
    );
    assert_eq!(
        refused(&shapes, request(vec![sample(90)], None)).await,
        invalid("INDEX_OUT_OF_RANGE", "inputs[0].sample.index")
    );
    for number in [0, 5000] {
        let field = "attribution.integrated_gradients.steps";
        assert_eq!(refused(&shapes, request(vec![sample(0)], steps(number))).await, invalid("OUT_OF_RANGE", field));
    }
    let two = vec![sample(0), pixels(vec![0.5; 7])];
    assert_eq!(refused(&shapes, request(two, None)).await, invalid("IMAGE_SIZE_MISMATCH", "inputs[1].pixels.values"));
    let nan = vec![pixels(vec![f32::NAN; SIZE * SIZE])];
    assert_eq!(refused(&shapes, request(nan, None)).await, invalid("INVALID_PIXELS", "inputs[0].pixels.values"));
    let (code, _, field) = refused(&shapes, request(vec![encoded(b"not an image")], None)).await;
    assert_eq!((code, field.as_str()), (Code::InvalidArgument, "inputs[0].encoded"));
    for (bytes, reason) in [(b"\x89PNG broken".to_vec(), "CORRUPT_IMAGE"), (grey_png(4), "IMAGE_SIZE_MISMATCH")] {
        let mut asked = request(vec![sample(0)], None);
        let kind = Some(pb::baseline::Kind::Image(bytes));
        asked.attribution.as_mut().unwrap().baseline = Some(pb::Baseline { kind });
        assert_eq!(refused(&shapes, asked).await, invalid(reason, "attribution.baseline.image"));
    }
    assert_eq!(shapes.attributed(request(vec![sample(0)], None)).await.unwrap().len(), 1, "the daemon is unharmed");
}

/// 1,000 calls, or as many as `ATTRIBUTE_CALLS` says: `ATTRIBUTE_CALLS=10000 cargo test --release --test daemon flat -- --nocapture`.
#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_and_every_call_is_complete() {
    const ROOM: u64 = 32 << 20;
    let calls: i64 = std::env::var("ATTRIBUTE_CALLS").map_or(1000, |calls| calls.parse().unwrap());
    let shapes = trained().await;
    let mut warm = 0;
    for call in 0..calls {
        let answers = shapes.attributed(request(vec![sample(call % 90)], steps(50))).await.unwrap();
        assert!(answers[0].failure.is_none() && answers[0].relative_delta() < 0.05, "call {call}: {:?}", answers[0]);
        if call == calls / 10 {
            warm = shapes.daemon.resident_bytes();
        }
    }
    let end = shapes.daemon.resident_bytes();
    println!("{calls} calls: resident {} MiB after a tenth, {} MiB at the end", warm >> 20, end >> 20);
    assert!(end < warm + ROOM, "{warm} {end}");
}
