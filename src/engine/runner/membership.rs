//! Membership inference jobs: `predict`, `original`, `reference`, `attack`.

use super::super::failure::blocking;
use super::super::sources::{ModelUse, Role, Samples};
use super::attacks::{Asked, Settings, Sides, attack_all, with_original};
use super::attempt::Attempt;
use super::texts::token_sides;
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
    let own = scene.asked(attempt, &model).await?;
    let original = other(attempt, "original", spec.original.as_ref(), &scene).await?;
    let reference = other(attempt, "reference", spec.reference.as_ref(), &scene).await?;
    attempt.stage("attack").await?;
    let settings =
        Settings { attacks: spec.attacks.clone(), bootstrap_samples: spec.bootstrap_samples, seed: spec.seed };
    let (member_count, non_member_count) = (sides.members.len() as u64, sides.non_members.len() as u64);
    let provenance = attempt.provenance(&model, &[&train, &test.samples], spec.seed);
    let version = model.name().clone();
    blocking(move || {
        let against = |mut asked: Asked| {
            let original = original.as_ref().and_then(|(_, original)| original.classes.as_ref());
            asked.classes = asked.classes.map(|inputs| match original {
                Some(original) => with_original(inputs, original),
                None => inputs,
            });
            asked
        };
        let reference_tokens = reference.as_ref().and_then(|(_, asked)| asked.tokens.clone());
        let attacks = attack_all(&against(own), reference_tokens.as_ref(), &settings)?;
        let reference = match reference {
            Some((model, asked)) => Some((model.name().clone(), attack_all(&against(asked), None, &settings)?)),
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
    async fn asked(&self, attempt: &Attempt, model: &ModelUse) -> Result<Asked> {
        let classes = match self.train.has_classes() {
            true => Some(self.inputs(attempt, model).await?),
            false => None,
        };
        let Sides { members, non_members, .. } = self.sides;
        let tokens = token_sides(attempt, model, (self.train, members), (self.test, non_members)).await?;
        Ok(Asked { classes, tokens })
    }

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
) -> Result<Option<(ModelUse, Asked)>> {
    let Some(model) = model else { return Ok(None) };
    attempt.stage(stage).await?;
    let model = attempt.core.find_model(model).await?;
    let asked = scene.asked(attempt, &model).await?;
    Ok(Some((model, asked)))
}
