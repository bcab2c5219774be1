//! What classes owe to concepts, as a job: `activations`, `test` (TCAV), `report`.

use super::super::banks::Bank;
use super::super::classes::{class_names, classes_named};
use super::super::concepts::{Layer, LayerSettings, ReportInputs, fit_layer, judged, report};
use super::super::sources::{ModelUse, Role, Samples, sample};
use super::attempt::Attempt;
use super::extract_words;
use crate::device::work::HeadGradients;
use crate::domain::Result;
use crate::domain::concept::{
    ConceptActivations, ConceptBasis, ConceptReport, ExtractConceptsSpec, TcavResult, TcavSpec,
};
use crate::domain::dataset::Selector;
use crate::domain::ids::ConceptBankId;
use crate::domain::job::JobResult;
use crate::ml::activations::Embeddings;
use crate::ml::concept::tcav;
use crate::ml::interrupt::Interrupt;

pub(super) async fn run(attempt: &mut Attempt, spec: &ExtractConceptsSpec) -> Result<JobResult> {
    match &spec.basis {
        ConceptBasis::Bank(bank) => by_bank(attempt, spec, bank).await,
        ConceptBasis::Words(words) => extract_words::run(attempt, spec, words).await,
    }
}

async fn by_bank(attempt: &mut Attempt, spec: &ExtractConceptsSpec, bank: &ConceptBankId) -> Result<JobResult> {
    let core = attempt.core.clone();
    let model = core.find_model(&spec.model).await?;
    let all = Selector::default();
    let train = core.find_samples(&spec.train, Role::Train, &all, model.spec()).await?;
    let test = match &spec.test {
        Some(test) => Some(core.find_samples(test, Role::Test, &all, model.spec()).await?),
        None => None,
    };
    let bank = core.open_bank(bank, &model).await?;

    attempt.stage("activations").await?;
    let settings = settings(spec);
    let layer = fit_layer(&attempt.lane(), &model, &train, &bank, settings).await?;
    let predictions = attempt.predict(&model, &train, layer.positions.clone(), spec.precision).await?;
    let judged = match &test {
        Some(test) => Some(judged(&attempt.lane(), &model, test, &bank, settings).await?),
        None => None,
    };
    let names = class_names(model.spec(), &train.dataset.class_names).to_vec();
    let classes = classes_named(&spec.classes, &names, model.spec().class_count)?;
    let (tcav, mut warnings) = tested(attempt, spec, &model, &bank, &layer, &classes).await?;
    warnings.extend(test.as_ref().and_then(|test| train.warn_if_same(test)));

    attempt.stage("report").await?;
    let data: Vec<&Samples> = [&train].into_iter().chain(&test).collect();
    let inputs = ReportInputs {
        version: model.name().clone(),
        predictions,
        test: judged,
        classes,
        candidates: (0..model.spec().class_count).collect(),
        tcav,
        class_names: names,
        top_concepts: spec.top_concepts as usize,
        sign: spec.sign,
        pcbm: spec.pcbm,
        purity: true,
        warnings,
        seed: spec.seed,
        provenance: attempt.provenance(&model, &data, spec.seed),
        bank,
        layer,
    };
    let report = attempt.lane().compute(move |interrupt| report(&inputs, interrupt)).await?;
    Ok(JobResult::Concepts(ConceptReport { seconds: attempt.seconds(), ..report }))
}

fn settings(spec: &ExtractConceptsSpec) -> LayerSettings {
    LayerSettings {
        spec: spec.pcbm,
        max_samples: spec.max_samples as usize,
        precision: spec.precision,
        seed: spec.seed,
    }
}

type Tested = (Option<Vec<Vec<Option<TcavResult>>>>, Vec<String>);

/// TCAV of every class and concept, where asked for and where the bank keeps examples.
async fn tested(
    attempt: &mut Attempt,
    spec: &ExtractConceptsSpec,
    model: &ModelUse,
    bank: &Bank,
    layer: &Layer,
    classes: &[u32],
) -> Result<Tested> {
    let Some(settings) = spec.tcav else { return Ok((None, Vec::new())) };
    if bank.vectors.examples.is_empty() {
        let warning = "the bank keeps no examples (its vectors were imported), so TCAV cannot learn vectors to test; learn a bank \
                       for it";
        return Ok((None, vec![warning.to_owned()]));
    }
    attempt.stage("test").await?;
    let rows = |class: &u32| (*class, own_rows(layer, *class, settings.max_samples as usize, spec.seed));
    let work = HeadGradients { model: model.source.clone(), classes: classes.iter().map(rows).collect() };
    let gradients = attempt.lane().run(&model.device, work).await?;
    let (vectors, pool, dim) = (bank.vectors.clone(), layer.embeddings.values.clone(), layer.embeddings.dim);
    let seed = spec.seed;
    let tested =
        move |interrupt: &Interrupt| score(&vectors.examples, &pool, dim, &settings, seed, &gradients, interrupt);
    let results = attempt.lane().compute(tested).await?;
    Ok((Some(results), Vec::new()))
}

fn score(
    examples: &[ConceptActivations],
    pool: &[f32],
    dim: usize,
    settings: &TcavSpec,
    seed: u64,
    gradients: &[Vec<f32>],
    interrupt: &Interrupt,
) -> Result<Vec<Vec<Option<TcavResult>>>> {
    let concepts: Vec<&ConceptActivations> = examples.iter().collect();
    let vectors = tcav::Vectors::learn(&concepts, pool, dim, settings, seed, interrupt)?;
    Ok(gradients.iter().map(|gradients| vectors.score(gradients)).collect())
}

/// Activations of at most `count` of the layer's samples of a class.
fn own_rows(layer: &Layer, class: u32, count: usize, seed: u64) -> Embeddings {
    let rows: Vec<usize> = (0..layer.labels.len()).filter(|row| layer.labels[*row] == class).collect();
    let rows = sample(&rows, count, seed, u64::from(class));
    Embeddings { dim: layer.embeddings.dim, values: layer.embeddings.subset(&rows) }
}
