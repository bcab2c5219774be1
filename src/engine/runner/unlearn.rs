//! The whole way as one job: `evaluate-before`, `concepts`, `plan`, `fine-tune`, `publish`, `evaluate-after`, `residue`, `reference`,
//! `report`.
//!
//! Nothing is computed twice: the predictions before serve the plan, the report and the attacks alike, and head-scope features come
//! from the activation cache of the device, which concepts and their residue read too. Concepts are asked where the plan does.

use super::super::classes::class_names;
use super::super::concepts::{Insight, Probe, ReportInputs, report, residue};
use super::super::failure::blocking;
use super::super::sources::{ModelUse, Samples};
use super::attacks::{Asked, Settings, Sides, attack_all, with_original};
use super::attempt::Attempt;
use super::evaluate::answers;
use super::fine_tune::{concepts, find, plan, train};
use super::report::{Answers, Frame, report as evaluation_report};
use super::texts::{Asking, TokenSides, token_sides};
use crate::domain::Result;
use crate::domain::concept::{ConceptReport, ConceptResidue, ConceptSign, PcbmSpec};
use crate::domain::evaluation::{EvaluationReport, Provenance, TextQuestions};
use crate::domain::finetune::{Precision, UnlearnSpec};
use crate::domain::ids::ModelRef;
use crate::domain::job::{FineTuneResult, JobResult, UnlearnResult};
use crate::domain::membership::{AttackReport, MembershipReport};
use crate::domain::poison::{DonorRule, PoisonPlan};
use crate::domain::text::TextOptions;

/// Resamples behind the intervals of the attacks' figures.
const BOOTSTRAP_SAMPLES: u32 = 200;
/// Concepts listed of a forgotten class where the request does not say.
const LISTED_CONCEPTS: usize = 5;
/// Answers that a language model writes on each side.
const WRITTEN_ANSWERS: u32 = 20;

pub(super) async fn run(attempt: &mut Attempt, spec: &UnlearnSpec) -> Result<JobResult> {
    let (model, samples) = find(attempt, &spec.fine_tune).await?;
    let mut test = attempt.core.find_held_out(&spec.test, &spec.fine_tune.poison.forget, model.spec()).await?;
    let options = spec.fine_tune.text.as_ref().map(|text| text.options.clone()).unwrap_or_default();
    test.samples = test.samples.put_as(&options);
    let precision = spec.fine_tune.precision();

    attempt.stage("evaluate-before").await?;
    let questions = questions(spec, options);
    let asking = Asking { questions: &questions, precision, seed: spec.fine_tune.poison.seed };
    let sides = Sides::new(&samples, &test, asking.seed);
    let before = answers(attempt, &model, Some(&samples), &test.samples, asking).await?;
    let tokens_before = tokens(attempt, &model, &samples, &test.samples, &sides).await?;
    let logits =
        before.train.as_ref().filter(|train| !train.is_empty()).map(|train| train.subset(&samples.selected).logits);
    let insight = concepts(attempt, &spec.fine_tune, &model, &samples).await?;
    let (plan, materials) = plan(attempt, &spec.fine_tune, &model, &samples, logits, insight.as_ref()).await?;
    let fine_tune = train(attempt, &spec.fine_tune, &model, &samples, plan.clone(), materials).await?;

    attempt.stage("evaluate-after").await?;
    let result = attempt.core.find_model(&ModelRef::Version(fine_tune.version.clone())).await?;
    let after = answers(attempt, &result, Some(&samples), &test.samples, asking).await?;
    let tokens_after = tokens(attempt, &result, &samples, &test.samples, &sides).await?;
    let scene = ConceptScene { train: &samples, test: &test.samples, precision, plan: &plan };
    let (residue, concepts) = match &insight {
        Some(insight) => scene.told(attempt, spec, [&model, &result], &before, insight).await?,
        None => (Vec::new(), None),
    };
    let reference = match &spec.reference {
        None => None,
        Some(name) => {
            attempt.stage("reference").await?;
            let reference: ModelUse = attempt.core.find_model(name).await?;
            let answers = answers(attempt, &reference, Some(&samples), &test.samples, asking).await?;
            Some((answers, tokens(attempt, &reference, &samples, &test.samples, &sides).await?))
        }
    };

    attempt.stage("report").await?;
    let seed = spec.fine_tune.poison.seed;
    let data = [&samples, &test.samples];
    let provenances = [attempt.provenance(&model, &data, seed), attempt.provenance(&result, &data, seed)];
    let scene =
        Scene { frame: Frame::new(Some(&samples), &test.samples), sides, seed, has_classes: samples.has_classes() };
    let judged = judge([(before, tokens_before), (after, tokens_after)], reference, scene, provenances).await?;
    let summary = summary(attempt, fine_tune, &plan, judged);
    Ok(JobResult::Unlearn(UnlearnResult { concepts, residue, ..summary }))
}

/// What concepts are told of.
struct ConceptScene<'a> {
    train: &'a Samples,
    test: &'a Samples,
    precision: Precision,
    plan: &'a PoisonPlan,
}

impl ConceptScene<'_> {
    /// What is left of the forgotten classes' concepts, and what they owed to them before.
    async fn told(
        &self,
        attempt: &mut Attempt,
        spec: &UnlearnSpec,
        [before, after]: [&ModelUse; 2],
        answers: &Answers,
        insight: &Insight,
    ) -> Result<(Vec<ConceptResidue>, Option<ConceptReport>)> {
        attempt.stage("residue").await?;
        let forgotten: Vec<u32> = self.plan.forget_counts.iter().map(|(class, _)| *class).collect();
        let lane = attempt.lane();
        let probe = Probe { lane: &lane, train: self.train, test: self.test, insight, precision: self.precision };
        let left = residue(probe, before, after, forgotten.clone()).await?;
        let Some(predictions) = answers.train.as_ref() else { return Ok((left, None)) };
        let top = spec.fine_tune.poison.top_concepts as usize;
        let inputs = ReportInputs {
            version: before.name().clone(),
            bank: insight.bank.clone(),
            layer: insight.layer.clone(),
            predictions: predictions.subset(&insight.layer.positions),
            test: None,
            candidates: (0..before.spec().class_count).filter(|class| !forgotten.contains(class)).collect(),
            classes: forgotten,
            tcav: None,
            class_names: class_names(before.spec(), &self.train.dataset.class_names).to_vec(),
            top_concepts: if top == 0 { LISTED_CONCEPTS } else { top },
            sign: ConceptSign::default(),
            pcbm: PcbmSpec::default(),
            purity: false,
            warnings: Vec::new(),
            seed: spec.fine_tune.poison.seed,
            provenance: attempt.provenance(before, &[self.train], spec.fine_tune.poison.seed),
        };
        Ok((left, Some(lane.compute(move |interrupt| report(&inputs, interrupt)).await?)))
    }
}

/// As the training puts texts to the model; few answers are written, since short jobs want to stay short.
fn questions(spec: &UnlearnSpec, options: TextOptions) -> TextQuestions {
    let written_answers = if spec.fine_tune.text.is_some() { WRITTEN_ANSWERS } else { 0 };
    TextQuestions { options, written_answers, ..TextQuestions::default() }
}

/// What a model says of the tokens of members and of others.
async fn tokens(
    attempt: &Attempt,
    model: &ModelUse,
    train: &Samples,
    test: &Samples,
    sides: &Sides,
) -> Result<Option<TokenSides>> {
    token_sides(attempt, model, (train, &sides.members), (test, &sides.non_members)).await
}

/// Which samples are counted as what, by the reports and by the attacks.
struct Scene {
    frame: Frame,
    sides: Sides,
    seed: u64,
    has_classes: bool,
}

/// What a version answered, and of the tokens of members and others.
type Said = (Answers, Option<TokenSides>);

struct Judged {
    before: EvaluationReport,
    after: EvaluationReport,
    membership_before: MembershipReport,
    membership_after: MembershipReport,
}

/// All statistics, away from the async threads.
async fn judge(
    [before, after]: [Said; 2],
    reference: Option<Said>,
    scene: Scene,
    [provenance_before, provenance_after]: [Provenance; 2],
) -> Result<Judged> {
    blocking(move || {
        let Scene { frame, sides, seed, has_classes } = &scene;
        let settings = Settings { attacks: Vec::new(), bootstrap_samples: BOOTSTRAP_SAMPLES, seed: *seed };
        let inputs = |answers: &Answers| {
            answers.train.as_ref().filter(|_| *has_classes).map(|train| sides.inputs(train, &answers.test))
        };
        let asked = |(answers, tokens): &Said| Asked { classes: inputs(answers), tokens: tokens.clone() };
        let original = asked(&before);
        let unseen = reference.as_ref().and_then(|(_, tokens)| tokens.as_ref());
        let attacks_before = attack_all(&original, unseen, &settings)?;
        let against = |said: &Said| {
            let Asked { classes, tokens } = asked(said);
            let classes = classes.zip(original.classes.as_ref()).map(|(own, original)| with_original(own, original));
            Asked { classes, tokens }
        };
        let attacks_after = attack_all(&against(&after), unseen, &settings)?;
        let attacks_reference = match &reference {
            Some(said) => Some((said.0.version.clone(), attack_all(&against(said), None, &settings)?)),
            None => None,
        };
        let ((before, _), (after, _)) = (before, after);
        let reference = reference.as_ref().map(|(answers, _)| answers);
        let membership = |answers: &Answers, attacks: Vec<AttackReport>, provenance: &Provenance| MembershipReport {
            version: answers.version.clone(),
            member_count: sides.members.len() as u64,
            non_member_count: sides.non_members.len() as u64,
            attacks,
            reference: attacks_reference.clone(),
            provenance: provenance.clone(),
        };
        Ok(Judged {
            membership_before: membership(&before, attacks_before, &provenance_before),
            membership_after: membership(&after, attacks_after, &provenance_after),
            before: evaluation_report(frame, &before, reference, provenance_before)?,
            after: evaluation_report(frame, &after, reference, provenance_after)?,
        })
    })
    .await
}

fn summary(attempt: &Attempt, mut fine_tune: FineTuneResult, plan: &PoisonPlan, judged: Judged) -> UnlearnResult {
    let (donor, donor_rule) = common_donor(plan);
    let Judged { before, after, membership_before, membership_after } = judged;
    if is_remembered(&before, &after) {
        fine_tune.flags.push(NOT_FORGOTTEN.to_owned());
    }
    UnlearnResult {
        fine_tune,
        donor,
        donor_rule,
        before,
        after,
        membership_before,
        membership_after,
        concepts: None,
        residue: Vec::new(),
        stage_seconds: attempt.stage_seconds(),
        seconds: attempt.seconds(),
    }
}

/// Set where more than half of what was told right of the forget set still is.
const NOT_FORGOTTEN: &str = "NOT_FORGOTTEN";

fn is_remembered(before: &EvaluationReport, after: &EvaluationReport) -> bool {
    let told = |report: &EvaluationReport| match &report.train {
        Some(train) if report.test.forget.total == 0 => train.forget.value,
        Some(_) | None => report.test.forget.value,
    };
    told(before) > 0.0 && told(after) > told(before) / 2.0
}

/// The donor, when all forgotten classes share it.
fn common_donor(plan: &PoisonPlan) -> (Option<u32>, Option<DonorRule>) {
    let Some(first) = plan.donors.first() else { return (None, None) };
    let shared = plan.donors.iter().all(|donor| donor.donor == first.donor);
    (shared.then_some(first.donor), Some(first.rule))
}
