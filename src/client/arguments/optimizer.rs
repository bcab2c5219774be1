//! The optimiser, as `torch.optim.SGD` and `torch.optim.AdamW`.

use clap::{Args, ValueEnum};

use crate::client::error::{Error, Result};
use crate::pb::v1::Optimizer;
use crate::pb::v1::optimizer::{AdamW, Kind, Sgd};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OptimizerKind {
    Sgd,
    Adamw,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct OptimizerArgs {
    /// Optimiser [default: sgd].
    #[arg(long)]
    optimizer: Option<OptimizerKind>,
    /// SGD: momentum [default: 0.9].
    #[arg(long)]
    momentum: Option<f64>,
    /// SGD: Nesterov momentum.
    #[arg(long)]
    nesterov: bool,
    /// AdamW: decay of the first moment [default: 0.9].
    #[arg(long)]
    beta1: Option<f64>,
    /// AdamW: decay of the second moment [default: 0.999].
    #[arg(long)]
    beta2: Option<f64>,
    /// AdamW: added to the denominator [default: 1e-8].
    #[arg(long)]
    epsilon: Option<f64>,
}

impl OptimizerArgs {
    /// None where nothing was said. Fails on a flag of the other optimiser.
    pub(super) fn message(&self) -> Result<Option<Optimizer>> {
        let of_sgd = self.momentum.is_some() || self.nesterov;
        let of_adamw = self.beta1.is_some() || self.beta2.is_some() || self.epsilon.is_some();
        let kind = match self.optimizer {
            Some(OptimizerKind::Adamw) if of_sgd => return Err(misplaced("--momentum and --nesterov", "sgd")),
            None | Some(OptimizerKind::Sgd) if of_adamw => {
                return Err(misplaced("--beta1, --beta2 and --epsilon", "adamw"));
            }
            Some(OptimizerKind::Adamw) => Kind::Adamw(self.adamw()),
            None if !of_sgd => return Ok(None),
            None | Some(OptimizerKind::Sgd) => Kind::Sgd(Sgd { momentum: self.momentum, nesterov: self.nesterov }),
        };
        Ok(Some(Optimizer { kind: Some(kind) }))
    }

    fn adamw(&self) -> AdamW {
        AdamW { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon }
    }
}

fn misplaced(flags: &str, optimizer: &str) -> Error {
    Error::Usage(format!("{flags} belong to --optimizer {optimizer}"))
}
