//! Membership inference jobs: `predict`, `original`, `reference`, `attack`.

use super::super::failure::blocking;
use super::super::sources::{ModelUse, Role, Samples};
use super::attacks::{Settings, Sides, attack_all, with_original};
use super::attempt::Attempt;
use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::domain::ids::ModelRef;
use crate::domain::job::JobResult;
use crate::domain::membership::{MembershipReport, MembershipSpec};
use crate::ml::evaluation::Predictions;
use crate::ml::membership::AttackInputs;

pub(super) async fn run(attempt: &mut Attempt, spec: &MembershipSpec) -> Result<JobResult> {
    let core = attempt.core.clone();
    let model = core.find_model(&spec.model).await?;
    let train = core.find_samples(&spec.train, Role::Train, &spec.forget, model.spec()).await?;
    let mut test = core.find_held_out(&spec.test, &spec.forget, model.spec()).await?;
    let options = spec.text.clone().unwrap_or_default();
    let train = train.put_as(&options);
    test.samples = test.samples.put_as(&options);
    let sides = Sides::new(&train, &test, spec.seed);
    let scene = Scene { train: &train, test: &test.samples, sides: &sides };
    attempt.stage("predict").await?;
    let own = scene.inputs(attempt, &model).await?;
    let original = other(attempt, "original", spec.original.as_ref(), &scene).await?;
    let reference = other(attempt, "reference", spec.reference.as_ref(), &scene).await?;
    attempt.stage("attack").await?;
    let settings =
        Settings { attacks: spec.attacks.clone(), bootstrap_samples: spec.bootstrap_samples, seed: spec.seed };
    let (member_count, non_member_count) = (sides.members.len() as u64, sides.non_members.len() as u64);
    let provenance = attempt.provenance(&model, &[&train, &test.samples], spec.seed);
    let version = model.name().clone();
    blocking(move || {
        let against = |inputs: AttackInputs| match &original {
            Some((_, original)) => with_original(inputs, original),
            None => inputs,
        };
        let attacks = attack_all(&against(own), &settings)?;
        let reference = match reference {
            Some((model, inputs)) => Some((model.name().clone(), attack_all(&against(inputs), &settings)?)),
            None => None,
        };
        Ok(MembershipReport { version, member_count, non_member_count, attacks, reference, provenance })
    })
    .await
    .map(JobResult::Membership)
}

/// What every model of the job is asked about.
struct Scene<'a> {
    train: &'a Samples,
    test: &'a Samples,
    sides: &'a Sides,
}

impl Scene<'_> {
    /// Predictions on the samples of all sides, and on no others.
    async fn inputs(&self, attempt: &Attempt, model: &ModelUse) -> Result<AttackInputs> {
        let Sides { members, non_members, retained_members, retained_non_members } = self.sides;
        let (forget_members, retained_members) = pair(attempt, model, self.train, members, retained_members).await?;
        let (forget_non_members, retained_non_members) =
            pair(attempt, model, self.test, non_members, retained_non_members).await?;
        Ok(AttackInputs { forget_members, forget_non_members, retained_members, retained_non_members, original: None })
    }
}

/// Predictions on two sets of samples of one split, in one piece of work.
async fn pair(
    attempt: &Attempt,
    model: &ModelUse,
    samples: &Samples,
    first: &[usize],
    second: &[usize],
) -> Result<(Predictions, Predictions)> {
    let positions = [first, second].concat();
    let all = attempt.predict(model, samples, positions, Precision::F32).await?;
    let at = |range: std::ops::Range<usize>| all.subset(&range.collect::<Vec<_>>());
    Ok((at(0..first.len()), at(first.len()..first.len() + second.len())))
}

async fn other(
    attempt: &mut Attempt,
    stage: &str,
    model: Option<&ModelRef>,
    scene: &Scene<'_>,
) -> Result<Option<(ModelUse, AttackInputs)>> {
    let Some(model) = model else { return Ok(None) };
    attempt.stage(stage).await?;
    let model = attempt.core.find_model(model).await?;
    let inputs = scene.inputs(attempt, &model).await?;
    Ok(Some((model, inputs)))
}
