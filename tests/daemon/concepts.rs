//! Concepts: banks learnt, discovered and imported; what classes owe to them; donors and poisoned pixels that follow from them.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::concept_bank::Origin;
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::job_result::Result as Outcome;
use unlearnd::pb::v1::learn_concept_bank_request::{Discovery, ExampleSet, Examples, Procedural, Source, examples};

use crate::support::shapes::{Shapes, poison, selector, source, training};

const LIBRARY: [&str; 2] = ["ring", "cross"];

const IMAGE_MODES: [pb::PoisonImageMode; 6] = [
    pb::PoisonImageMode::Localized,
    pb::PoisonImageMode::Gradcam,
    pb::PoisonImageMode::Margin,
    pb::PoisonImageMode::Center,
    pb::PoisonImageMode::RandomPosition,
    pb::PoisonImageMode::Full,
];

/// With `models/shapes` trained and served.
async fn trained() -> Shapes {
    let shapes = Shapes::start().await;
    let job = shapes.fine_tune(pb::FineTunePoisonedRequest { promote: true, ..training(6, 0.05) }).await.unwrap();
    assert_eq!(shapes.finished(&job).await.state(), State::Succeeded);
    shapes
}

fn learning(id: &str, source: Source) -> pb::LearnConceptBankRequest {
    pb::LearnConceptBankRequest {
        concept_bank_id: id.into(),
        model: "models/shapes".into(),
        source: Some(source),
        ..Default::default()
    }
}

fn all_of(dataset: &str, class: Option<&str>) -> Option<ExampleSet> {
    Some(ExampleSet { source: source(dataset), selector: class.and_then(selector) })
}

/// Crosses against everything else, by the classes of the data.
fn crosses() -> Source {
    let negatives = pb::Selector { classes: vec!["bar".into(), "square".into()], ..Default::default() };
    Source::Examples(Examples {
        concepts: vec![examples::Concept {
            name: "crossed".into(),
            positives: all_of("shapes-train", Some("cross")),
            negatives: Some(ExampleSet { source: source("shapes-train"), selector: Some(negatives) }),
        }],
    })
}

fn extraction(bank: &str) -> pb::ExtractConceptsRequest {
    pb::ExtractConceptsRequest {
        concept_bank: format!("conceptBanks/{bank}"),
        model: "models/shapes".into(),
        train: source("shapes-train"),
        test: source("shapes-test"),
        ..Default::default()
    }
}

async fn learnt(shapes: &Shapes, request: pb::LearnConceptBankRequest) -> pb::ConceptBank {
    let operation = shapes.daemon.concepts().learn_concept_bank(request).await.unwrap().into_inner();
    let Outcome::ConceptBank(bank) = succeeded(shapes, &operation.name).await else { panic!("no bank") };
    bank
}

async fn extracted(shapes: &Shapes, request: pb::ExtractConceptsRequest) -> pb::ConceptReport {
    let operation = shapes.daemon.concepts().extract_concepts(request).await.unwrap().into_inner();
    let Outcome::Concepts(report) = succeeded(shapes, &operation.name).await else { panic!("no report") };
    report
}

async fn succeeded(shapes: &Shapes, name: &str) -> Outcome {
    let job = shapes.finished(name).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    job.result.unwrap().result.unwrap()
}

async fn bank(shapes: &Shapes, id: &str, examples: u32) -> Result<pb::ConceptBank, Status> {
    let request = pb::GetConceptBankRequest { name: format!("conceptBanks/{id}"), examples };
    Ok(shapes.daemon.concepts().get_concept_bank(request).await?.into_inner())
}

fn is_png(bytes: &[u8]) -> bool {
    image::guess_format(bytes).is_ok_and(|format| format == image::ImageFormat::Png)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_of_examples_tells_them_apart_and_outlives_the_process() {
    let mut shapes = trained().await;
    let made = learnt(&shapes, learning("crosses", crosses())).await;
    assert_eq!((made.origin(), made.concepts.len()), (Origin::Examples, 1));
    let concept = &made.concepts[0];
    assert!(concept.validation_accuracy.unwrap() > 0.95 && concept.validation_auc > 0.95, "{concept:?}");
    assert!(!concept.unreliable);
    shapes.daemon.stop().await;
    shapes.daemon.start_again().await;
    let found = bank(&shapes, "crosses", 3).await.unwrap();
    assert_eq!(found.sha256, made.sha256);
    assert_eq!(found.concepts[0].examples.len(), 3);
    assert!(found.concepts[0].examples.iter().all(|image| is_png(image)));
    let listed = shapes.daemon.concepts().list_concept_banks(pb::ListConceptBanksRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().concept_banks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_are_told_by_their_concepts_with_a_donor_each() {
    let shapes = trained().await;
    learnt(&shapes, learning("library", Source::Procedural(Procedural::default()))).await;
    let request = pb::ExtractConceptsRequest {
        tcav: Some(pb::TcavSpec::default()),
        pcbm: Some(pb::PcbmSpec { residual: true, ..Default::default() }),
        sign: pb::ConceptSign::Absolute.into(),
        ..extraction("library")
    };
    let report = extracted(&shapes, request).await;
    let pcbm = report.pcbm.unwrap();
    assert!(pcbm.test.unwrap().value > 0.9, "the easy shapes are told by their concepts: {:?}", pcbm.test);
    assert!(pcbm.residual_test.unwrap().value >= pcbm.test.unwrap().value - 0.05);
    assert_eq!(report.classes.len(), 3);
    for class in &report.classes {
        assert!(!class.concepts.is_empty() && class.concepts.len() <= 5, "{class:?}");
        assert!(class.concepts.iter().any(|concept| concept.tcav.is_some()), "{class:?}");
        let donor = class.donor.as_ref().unwrap();
        assert_ne!(donor.class_index, class.class_index);
        assert!(donor.reason.contains(&donor.class_name), "{}", donor.reason);
    }
    let (planned, _) = plan(&shapes, poison(), 0).await;
    let of_cross = report.classes[1].donor.as_ref().unwrap();
    assert_eq!(planned.donors[0].donor_index, of_cross.class_index, "a plan names the donor of the report");
}

async fn plan(shapes: &Shapes, poison: pb::PoisonSpec, preview_count: u32) -> (pb::PoisonPlan, Vec<Vec<u8>>) {
    let request = pb::PlanPoisoningRequest { poison: Some(poison), preview_count, ..Default::default() };
    let plan = shapes.daemon.unlearning().plan_poisoning(request).await.unwrap().into_inner();
    let after = plan.previews.iter().map(|preview| preview.after.clone()).collect();
    (plan, after)
}

#[tokio::test(flavor = "multi_thread")]
async fn discovered_parts_come_with_their_images_and_can_be_tested() {
    let shapes = trained().await;
    let discovery = Discovery { examples: all_of("shapes-train", None), concept_count: 6, max_samples: 0 };
    let made = learnt(&shapes, learning("parts", Source::Discovery(discovery))).await;
    assert_eq!((made.origin(), made.concepts.len()), (Origin::Discovered, 6));
    assert!(made.explained_share.unwrap() > 0.5, "{:?}", made.explained_share);
    let found = bank(&shapes, "parts", 8).await.unwrap();
    assert!(found.concepts.iter().all(|part| part.examples.len() == 8));
    let request = pb::ExtractConceptsRequest { tcav: Some(pb::TcavSpec::default()), ..extraction("parts") };
    let report = extracted(&shapes, request).await;
    let tested = report.classes.iter().flat_map(|class| &class.concepts).filter(|concept| concept.tcav.is_some());
    assert!(tested.count() > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_vectors_are_imported_once_and_fit_one_backbone() {
    let shapes = trained().await;
    let dim = learnt(&shapes, learning("crosses", crosses())).await.dimension as usize;
    let import = |width: usize, request_id: &str| {
        let path = shapes.root().join(format!("foreign-{width}.safetensors"));
        let values: Vec<u8> = (0..2 * width).flat_map(|index| ((index % 5) as f32 + 0.5).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![2, width], &values).unwrap();
        let names = HashMap::from([("names".to_owned(), r#"["fur","wheel"]"#.to_owned())]);
        std::fs::write(&path, safetensors::serialize([("W", view)], Some(names)).unwrap()).unwrap();
        pb::ImportConceptBankRequest {
            concept_bank_id: "foreign".into(),
            model: "models/shapes".into(),
            uri: format!("file://{}", path.display()),
            normalize_input: true,
            request_id: request_id.into(),
            ..Default::default()
        }
    };
    let mut concepts = shapes.daemon.concepts();
    let refused = concepts.import_concept_bank(import(dim + 1, "")).await.unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "BANK_MISMATCH");
    let once = "0192a5de-0000-4000-8000-000000000001";
    let made = concepts.import_concept_bank(import(dim, once)).await.unwrap().into_inner();
    assert_eq!((made.origin(), made.concepts[0].name.as_str()), (Origin::Imported, "fur"));
    let again = concepts.import_concept_bank(import(dim, once)).await.unwrap().into_inner();
    assert_eq!(again, made);
    let report =
        extracted(&shapes, pb::ExtractConceptsRequest { tcav: Some(pb::TcavSpec::default()), ..extraction("foreign") })
            .await;
    assert!(report.warnings.iter().any(|warning| warning.contains("TCAV")), "{:?}", report.warnings);
    concepts.delete_concept_bank(pb::DeleteConceptBankRequest { name: "conceptBanks/foreign".into() }).await.unwrap();
    assert_eq!(bank(&shapes, "foreign", 0).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn unlearning_tells_the_concepts_before_and_what_is_left_of_them() {
    let shapes = trained().await;
    let request = pb::UnlearnRequest {
        poison: Some(poison()),
        test: source("shapes-test"),
        trainer: Some(pb::TrainerSpec { scope: pb::Scope::Head.into(), ..training(5, 0.05).trainer.unwrap() }),
        ..Default::default()
    };
    let operation = shapes.unlearn(request).await.unwrap();
    let Outcome::Unlearn(result) = succeeded(&shapes, &operation.name).await else { panic!("no result") };
    assert_eq!(result.donor_rule(), pb::DonorRule::ConceptConfusion);
    let concepts = result.concepts.unwrap();
    assert_eq!(concepts.classes.len(), 1);
    assert_eq!(concepts.classes[0].class_name, "cross");
    let left = &result.concept_residue[0];
    assert_eq!(left.class_name, "cross");
    // The head alone moved: what the layers below see is the same.
    assert_eq!(left.auc_before, left.auc_after);
    assert!(left.auc_before > 0.9, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_the_pixels_that_would_be_trained_on() {
    let shapes = trained().await;
    for mode in IMAGE_MODES {
        let (plan, after) = plan(&shapes, pb::PoisonSpec { image_mode: mode.into(), ..poison() }, 4).await;
        assert_eq!(plan.image_mode(), mode);
        assert_eq!(after.len(), 4);
        for preview in &plan.previews {
            assert!(is_png(&preview.before) && is_png(&preview.after));
            assert_ne!(preview.before, preview.after, "{mode:?} changes pixels");
            assert_eq!(preview.class_name, "cross");
            assert!(preview.donor_index.is_some());
        }
    }
    let (plan, _) = plan(&shapes, poison(), 2).await;
    assert!(plan.previews.iter().all(|preview| preview.before == preview.after && preview.donor_index.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn poisoned_pixels_are_trained_on() {
    let shapes = trained().await;
    let spec = pb::PoisonSpec { image_mode: pb::PoisonImageMode::Center.into(), ..poison() };
    let request =
        pb::FineTunePoisonedRequest { poison: Some(spec), method: pb::Method::Poison.into(), ..training(1, 0.01) };
    let job = shapes.fine_tune(request).await.unwrap();
    let Outcome::FineTune(result) = succeeded(&shapes, &job).await else { panic!("no result") };
    let plan = result.plan.unwrap();
    assert_eq!(plan.image_mode(), pb::PoisonImageMode::Center);
    assert!(plan.warnings.iter().any(|warning| warning.contains("CENTER")), "{:?}", plan.warnings);
}

/// Code, reason and field of a refusal.
fn refusal(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let bad =
        details.bad_request().and_then(|bad| bad.field_violations.first().map(|violation| violation.field.clone()));
    let failed = details.precondition_failure();
    let failed = failed.and_then(|failed| failed.violations.first().map(|violation| violation.subject.clone()));
    (status.code(), reason, bad.or(failed).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_learnt_is_refused_by_its_field() {
    let shapes = trained().await;
    let refused = async |request| {
        let answer = shapes.daemon.concepts().learn_concept_bank(request).await;
        refusal(&answer.unwrap_err())
    };
    let unknown = Source::Procedural(Procedural { concepts: vec![LIBRARY[0].into(), "unicorn".into()] });
    let (code, reason, field) = refused(learning("b", unknown)).await;
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "UNKNOWN_CONCEPT"));
    assert_eq!(field, "procedural.concepts[1]");

    let one = pb::Selector { indices: vec![0], ..Default::default() };
    let Source::Examples(mut examples) = crosses() else { unreachable!() };
    examples.concepts[0].negatives = Some(ExampleSet { source: source("shapes-train"), selector: Some(one) });
    let (code, reason, field) = refused(learning("b", Source::Examples(examples))).await;
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "TOO_FEW_EXAMPLES"));
    assert_eq!(field, "examples.concepts[0].negatives.selector");

    let parts = Discovery { examples: all_of("shapes-train", None), concept_count: 65, max_samples: 0 };
    let (_, reason, field) = refused(learning("b", Source::Discovery(parts))).await;
    assert_eq!((reason.as_str(), field.as_str()), ("OUT_OF_RANGE", "discovery.concept_count"));

    let (_, reason, field) = refused(learning(
        "b",
        Source::Folder(pb::learn_concept_bank_request::Folder { dataset: "datasets/shapes-train".into() }),
    ))
    .await;
    assert_eq!((reason.as_str(), field.as_str()), ("NO_CONCEPT_FOLDER", "folder.dataset"));

    learnt(&shapes, learning("taken", crosses())).await;
    assert_eq!(refused(learning("taken", crosses())).await.0, Code::AlreadyExists);

    let busy = shapes.fine_tune(training(10_000, 1e-4)).await.unwrap();
    let first = shapes.daemon.concepts().learn_concept_bank(learning("once", crosses())).await.unwrap().into_inner();
    let (code, reason, field) = refused(learning("once", crosses())).await;
    assert_eq!(
        (code, reason.as_str(), field.as_str()),
        (Code::FailedPrecondition, "RESOURCE_IN_USE", "concept_bank_id")
    );
    for job in [busy, first.name] {
        shapes.cancel(&job).await;
        shapes.finished(&job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_of_another_backbone_is_refused() {
    let shapes = trained().await;
    learnt(&shapes, learning("crosses", crosses())).await;
    let job = shapes.fine_tune(pb::FineTunePoisonedRequest { promote: true, ..training(1, 0.05) }).await.unwrap();
    assert_eq!(shapes.finished(&job).await.state(), State::Succeeded);
    let answer = shapes.daemon.concepts().extract_concepts(extraction("crosses")).await;
    let (code, reason, field) = refusal(&answer.unwrap_err());
    assert_eq!((code, reason.as_str(), field.as_str()), (Code::FailedPrecondition, "BANK_MISMATCH", "concept_bank"));
    let spec = pb::PoisonSpec { concept_bank: "conceptBanks/crosses".into(), ..poison() };
    let request = pb::PlanPoisoningRequest { poison: Some(spec), ..Default::default() };
    let (_, reason, field) = refusal(&shapes.daemon.unlearning().plan_poisoning(request).await.unwrap_err());
    assert_eq!((reason.as_str(), field.as_str()), ("BANK_MISMATCH", "poison.concept_bank"));
    let labels = pb::LabelStrategy::Random.into();
    let unasked = pb::PoisonSpec { concept_bank: "conceptBanks/crosses".into(), labels, ..poison() };
    let request = pb::PlanPoisoningRequest { poison: Some(unasked), ..Default::default() };
    let (_, reason, field) = refusal(&shapes.daemon.unlearning().plan_poisoning(request).await.unwrap_err());
    assert_eq!((reason.as_str(), field.as_str()), ("CONFLICTING_FIELDS", "poison.concept_bank"));
}
