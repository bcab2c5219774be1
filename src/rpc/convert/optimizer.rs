//! unlearning.proto: optimiser and schedule of a trainer.

use super::fields::{count, number, required, share, wire_count, within};
use super::trainer::{MAX_EPOCHS, not_negative};
use crate::domain::finetune::{Optimizer, Schedule};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

impl TryFrom<pb::Optimizer> for Optimizer {
    type Error = Error;

    fn try_from(value: pb::Optimizer) -> Result<Self> {
        use pb::optimizer::Kind;
        let pb::Optimizer { kind } = value;
        match required(kind, "kind").map_err(|error| error.under("optimizer"))? {
            Kind::Sgd(sgd) => sgd_optimizer(sgd).map_err(|error| error.under("optimizer.sgd")),
            Kind::Adamw(adamw) => adamw_optimizer(adamw).map_err(|error| error.under("optimizer.adamw")),
        }
    }
}

fn sgd_optimizer(value: pb::optimizer::Sgd) -> Result<Optimizer> {
    let pb::optimizer::Sgd { momentum, nesterov } = value;
    let momentum = below_one(momentum.unwrap_or(0.9), "momentum")?;
    if nesterov && momentum == 0.0 {
        return Err(Error::invalid("OUT_OF_RANGE", "nesterov", "needs a momentum above 0"));
    }
    Ok(Optimizer::Sgd { momentum, nesterov })
}

fn adamw_optimizer(value: pb::optimizer::AdamW) -> Result<Optimizer> {
    let pb::optimizer::AdamW { beta1, beta2, epsilon } = value;
    Ok(Optimizer::AdamW {
        beta1: below_one(beta1.unwrap_or(0.9), "beta1")?,
        beta2: below_one(beta2.unwrap_or(0.999), "beta2")?,
        epsilon: not_negative(epsilon.unwrap_or(1e-8), "epsilon")?,
    })
}

impl From<Optimizer> for pb::Optimizer {
    fn from(value: Optimizer) -> Self {
        use pb::optimizer::{AdamW, Kind, Sgd};
        let kind = match value {
            Optimizer::Sgd { momentum, nesterov } => Kind::Sgd(Sgd { momentum: Some(momentum), nesterov }),
            Optimizer::AdamW { beta1, beta2, epsilon } => {
                Kind::Adamw(AdamW { beta1: Some(beta1), beta2: Some(beta2), epsilon: Some(epsilon) })
            }
        };
        Self { kind: Some(kind) }
    }
}

pub(super) fn schedule_and_warmup(value: pb::Schedule) -> Result<(Schedule, u64)> {
    use pb::schedule::{Cosine, Kind, Step};
    let pb::Schedule { kind, warmup_steps } = value;
    let schedule = match kind {
        None => Schedule::Constant,
        Some(Kind::Step(Step { every_epochs, gamma })) => Schedule::Step {
            every_epochs: within(every_epochs, 1..=MAX_EPOCHS, "schedule.step.every_epochs")?,
            gamma: number(gamma, |gamma| gamma > 0.0 && gamma <= 1.0, "above 0 and at most 1", "schedule.step.gamma")?,
        },
        Some(Kind::Cosine(Cosine { minimum })) => {
            Schedule::Cosine { minimum: share(minimum, "schedule.cosine.minimum")? }
        }
    };
    Ok((schedule, count(warmup_steps, "schedule.warmup_steps")?))
}

pub(super) fn wire_schedule(schedule: Schedule, warmup_steps: u64) -> pb::Schedule {
    use pb::schedule::{Cosine, Kind, Step};
    let kind = match schedule {
        Schedule::Constant => None,
        Schedule::Step { every_epochs, gamma } => Some(Kind::Step(Step { every_epochs, gamma })),
        Schedule::Cosine { minimum } => Some(Kind::Cosine(Cosine { minimum })),
    };
    pb::Schedule { kind, warmup_steps: wire_count(warmup_steps) }
}

fn below_one(value: f64, field: &str) -> Result<f64> {
    number(value, |value| (0.0..1.0).contains(&value), "at least 0 and below 1", field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violated(value: pb::Optimizer) -> String {
        Optimizer::try_from(value).unwrap_err().violations[0].field.clone()
    }

    fn sgd(momentum: Option<f64>, nesterov: bool) -> pb::Optimizer {
        pb::Optimizer { kind: Some(pb::optimizer::Kind::Sgd(pb::optimizer::Sgd { momentum, nesterov })) }
    }

    #[test]
    fn momentum_stays_below_one() {
        assert_eq!(violated(sgd(Some(1.0), false)), "optimizer.sgd.momentum");
        assert_eq!(violated(sgd(Some(0.0), true)), "optimizer.sgd.nesterov");
        let usual = Optimizer::Sgd { momentum: 0.9, nesterov: false };
        assert_eq!(Optimizer::try_from(sgd(None, false)).unwrap(), usual);
    }

    #[test]
    fn a_schedule_steps_at_least_every_epoch() {
        let kind = Some(pb::schedule::Kind::Step(pb::schedule::Step { every_epochs: 0, gamma: 0.1 }));
        let error = schedule_and_warmup(pb::Schedule { kind, warmup_steps: 0 }).unwrap_err();
        assert_eq!(error.violations[0].field, "schedule.step.every_epochs");
    }
}
