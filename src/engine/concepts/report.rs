//! A report from a fitted layer; pure, so it runs away from the async threads.

use super::super::banks::Bank;
use super::super::lane::Lane;
use super::super::sources::{ModelUse, Samples};
use super::layer::{Layer, LayerSettings, embed};
use super::sampling::stratified;
use crate::device::work::Predict;
use crate::domain::Result;
use crate::domain::concept::{
    ClassConcept, ClassConcepts, ConceptReport, ConceptSign, DonorSuggestion, PcbmReport, PcbmSpec, TcavResult,
};
use crate::domain::evaluation::{Accuracy, Provenance};
use crate::domain::ids::VersionName;
use crate::domain::poison::DonorRule;
use crate::ml::activations::Embeddings;
use crate::ml::concept::projection::project;
use crate::ml::concept::{classes, donor, pcbm_h, quality};
use crate::ml::evaluation::{Predictions, wilson};
use crate::ml::interrupt::Interrupt;
use crate::ml::poison::disagreement;

/// Samples that the layer was not fitted to.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Judged {
    pub(in crate::engine) embeddings: Embeddings,
    pub(in crate::engine) projections: Vec<f32>,
    /// Of the model itself, with the true labels.
    pub(in crate::engine) predictions: Predictions,
}

/// A share of the samples of a held-out split.
pub(in crate::engine) async fn judged(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    bank: &Bank,
    settings: LayerSettings,
) -> Result<Judged> {
    let positions = stratified(&samples.labels, settings.max_samples, settings.seed);
    let embeddings = embed(lane, model, samples, positions.clone(), settings.precision).await?;
    let projections = project(&embeddings.values, &bank.vectors, bank.normalize_input);
    let (labels, images) = (samples.labels_at(&positions), samples.data.images()?.clone());
    let work = Predict { model: model.source.clone(), images, positions, labels, precision: settings.precision };
    Ok(Judged { embeddings, projections, predictions: lane.run(&model.device, work).await? })
}

/// What a report is made from.
#[derive(Debug, Clone)]
pub(in crate::engine) struct ReportInputs {
    pub(in crate::engine) version: VersionName,
    pub(in crate::engine) bank: Bank,
    pub(in crate::engine) layer: Layer,
    /// Of the model itself, on the layer's samples.
    pub(in crate::engine) predictions: Predictions,
    pub(in crate::engine) test: Option<Judged>,
    /// Classes that the report lists.
    pub(in crate::engine) classes: Vec<u32>,
    /// Classes that can be donors; a class is never its own.
    pub(in crate::engine) candidates: Vec<u32>,
    /// In the order of `classes`, by concept.
    pub(in crate::engine) tcav: Option<Vec<Vec<Option<TcavResult>>>>,
    /// In the order of the logits, or empty.
    pub(in crate::engine) class_names: Vec<String>,
    pub(in crate::engine) top_concepts: usize,
    pub(in crate::engine) sign: ConceptSign,
    pub(in crate::engine) pcbm: PcbmSpec,
    pub(in crate::engine) purity: bool,
    pub(in crate::engine) warnings: Vec<String>,
    pub(in crate::engine) seed: u64,
    pub(in crate::engine) provenance: Provenance,
}

impl ReportInputs {
    fn name(&self, class: u32) -> String {
        self.class_names.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
    }
}

/// `seconds` is the caller's to fill in.
pub(in crate::engine) fn report(inputs: &ReportInputs, interrupt: &Interrupt) -> Result<ConceptReport> {
    let (bank, layer) = (&inputs.bank, &inputs.layer);
    let concepts = bank.names.len();
    let activations = classes::activations(&layer.projections, concepts, &layer.labels, inputs.predictions.class_count);
    let mut disagreements = Vec::new();
    let class = |(index, class): (usize, &u32)| ClassConcepts {
        class: *class,
        concepts: class_concepts(inputs, &activations, index, *class),
        donor: suggestion(inputs, *class).map(|donor| compared(inputs, *class, donor, &mut disagreements)),
        words: Vec::new(),
    };
    let listed: Vec<ClassConcepts> = inputs.classes.iter().enumerate().map(class).collect();
    Ok(ConceptReport {
        bank: bank.id.clone(),
        version: inputs.version.clone(),
        classes: listed,
        pcbm: Some(pcbm_report(inputs, interrupt)?),
        words: None,
        purity: if inputs.purity { quality::purity(&layer.projections, concepts, &bank.names) } else { Vec::new() },
        warnings: inputs.warnings.iter().cloned().chain(warnings(layer)).chain(disagreements).collect(),
        seconds: 0.0,
        provenance: inputs.provenance.clone(),
    })
}

fn class_concepts(inputs: &ReportInputs, activations: &[f64], index: usize, class: u32) -> Vec<ClassConcept> {
    let names = &inputs.bank.names;
    let row = |values: &[f64]| values[class as usize * names.len()..][..names.len()].to_vec();
    let (weights, activations) = (row(&inputs.layer.fit.weights), row(activations));
    let listed = classes::rank(&weights, names, inputs.top_concepts, inputs.sign);
    let concept = |concept: usize| ClassConcept {
        concept: concept as u32,
        name: names[concept].clone(),
        weight: weights[concept],
        activation: activations[concept],
        tcav: inputs.tcav.as_ref().and_then(|tcav| tcav[index][concept]),
    };
    listed.into_iter().map(concept).collect()
}

/// The donor with what the model itself finds nearest; where that is another class, `disagreements` hears of it.
fn compared(
    inputs: &ReportInputs,
    class: u32,
    mut donor: DonorSuggestion,
    disagreements: &mut Vec<String>,
) -> DonorSuggestion {
    let Some((nearest, score)) = nearest(inputs, class) else { return donor };
    donor.reason = format!("{}; NEAREST_CLASS is `{}` ({score:.4})", donor.reason, inputs.name(nearest));
    if nearest != donor.donor {
        disagreements.push(disagreement(&inputs.name(class), &inputs.name(donor.donor), &inputs.name(nearest)));
    }
    donor
}

/// The candidate with the highest mean probability over the layer's samples of `class`; of equals the first.
fn nearest(inputs: &ReportInputs, class: u32) -> Option<(u32, f64)> {
    let mut sums = vec![0.0; inputs.predictions.class_count];
    let mut count = 0.0_f64;
    let own = inputs.predictions.softmax().zip(&inputs.predictions.labels).filter(|(_, label)| **label == class);
    for (probabilities, _) in own {
        count += 1.0;
        sums.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += probability);
    }
    let candidates = inputs.candidates.iter().copied().filter(|candidate| *candidate != class && count > 0.0);
    let scored = candidates.map(|candidate| (candidate, sums[candidate as usize] / count));
    scored.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn suggestion(inputs: &ReportInputs, class: u32) -> Option<DonorSuggestion> {
    let candidates: Vec<u32> = inputs.candidates.iter().copied().filter(|candidate| *candidate != class).collect();
    let name = |class: u32| inputs.name(class);
    let (weights, classes) = (&inputs.layer.fit.weights, inputs.predictions.class_count);
    donor::suggest(DonorRule::ConceptConfusion, class, weights, classes, &inputs.bank.names, &name, &candidates)
}

fn pcbm_report(inputs: &ReportInputs, interrupt: &Interrupt) -> Result<PcbmReport> {
    let (layer, classes) = (&inputs.layer, inputs.predictions.class_count);
    let fit = &layer.fit;
    let train = share(&fit.predict(&layer.projections), &layer.labels);
    let test = inputs.test.as_ref();
    let test_accuracy = test.map(|test| share(&fit.predict(&test.projections), &test.predictions.labels));
    let model_train = own_share(&inputs.predictions);
    let model_test = test.map(|test| own_share(&test.predictions));
    let (by_concepts, by_model) = (test_accuracy.unwrap_or(train), model_test.unwrap_or(model_train));
    let (residual_train, residual_test) = residual(inputs, interrupt)?;
    Ok(PcbmReport {
        spec: inputs.pcbm,
        sample_count: layer.labels.len() as u64,
        weights: fit.weights.clone(),
        biases: fit.biases.clone(),
        train,
        test: test_accuracy,
        model_train,
        model_test,
        residual_train,
        residual_test,
        completeness: quality::completeness(by_concepts.value, by_model.value, classes),
        nonzero_count: fit.weights.iter().filter(|weight| **weight != 0.0).count() as u64,
        kkt_residual: fit.kkt_residual,
        iterations: fit.iterations,
        converged: fit.converged,
    })
}

/// Accuracies with the residual, where asked for.
fn residual(inputs: &ReportInputs, interrupt: &Interrupt) -> Result<(Option<Accuracy>, Option<Accuracy>)> {
    if !inputs.pcbm.residual {
        return Ok((None, None));
    }
    let (layer, classes) = (&inputs.layer, inputs.predictions.class_count);
    let Embeddings { dim, values } = &layer.embeddings;
    let bottleneck = layer.fit.logits(&layer.projections);
    let residual = pcbm_h::fit(values, *dim, &bottleneck, &layer.labels, classes, inputs.seed, interrupt)?;
    let judge = |projections: &[f32], embeddings: &[f32], labels: &[u32]| {
        let rest = residual.logits(embeddings);
        let logits = layer.fit.logits(projections).into_iter().zip(rest).map(|(own, rest)| own + rest).collect();
        own_share(&Predictions { class_count: classes, logits, labels: labels.to_vec() })
    };
    let test = inputs.test.as_ref();
    Ok((
        Some(judge(&layer.projections, values, &layer.labels)),
        test.map(|test| judge(&test.projections, &test.embeddings.values, &test.predictions.labels)),
    ))
}

fn share(predicted: &[u32], labels: &[u32]) -> Accuracy {
    let correct = predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count();
    wilson::accuracy(correct as u64, labels.len() as u64)
}

fn own_share(predictions: &Predictions) -> Accuracy {
    let predicted: Vec<u32> = predictions.predicted().into_iter().map(|class| class as u32).collect();
    share(&predicted, &predictions.labels)
}

fn warnings(layer: &Layer) -> Option<String> {
    (!layer.fit.converged).then(|| {
        format!(
            "the sparse layer did not converge (largest violation of the optimality conditions {:.1e}); raise `pcbm.lambda` or \
             standardise",
            layer.fit.kkt_residual
        )
    })
}
