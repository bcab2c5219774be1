//! Everything about an attribution but its inputs and their targets.

use clap::Args;

use super::baseline::{BaselineArg, baseline};
use super::method::MethodArgs;
use crate::client::error::Result;
use crate::client::words::parser;
use crate::pb::v1::attribution_spec::Output;
use crate::pb::v1::noise_tunnel::{self, Level};
use crate::pb::v1::{AttributionSpec, NoiseTunnel, Precision};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Attribution")]
pub(crate) struct AttributionArgs {
    #[command(flatten)]
    method: MethodArgs,
    /// What an input is compared with: zero, mean, constant=PIXEL, blur=STD, uniform=IMAGES or image=FILE [default: zero].
    #[arg(long, value_parser = baseline)]
    baseline: Option<BaselineArg>,
    /// Which number of the class is explained [default: logit].
    #[arg(long, value_name = "OUTPUT", value_parser = parser::<Output>())]
    explain: Option<Output>,
    /// Join the attributions of noisy copies (gradient methods only).
    #[arg(long, value_name = "KIND", value_parser = parser::<noise_tunnel::Kind>())]
    noise: Option<noise_tunnel::Kind>,
    /// Noisy copies, 1 to 1000 [default: 5].
    #[arg(long, value_name = "N", requires = "noise")]
    noise_samples: Option<u32>,
    /// Standard deviation of the noise as a share of the input's range [default: 0.15].
    #[arg(long, value_name = "SHARE", requires = "noise", conflicts_with = "noise_absolute_std")]
    noise_std: Option<f64>,
    /// Standard deviation of the noise in units of the normalised input.
    #[arg(long, value_name = "STD", requires = "noise")]
    noise_absolute_std: Option<f64>,
    /// Also measure how badly the attribution predicts the output under perturbation.
    #[arg(long)]
    infidelity: bool,
    /// Also measure how much the attribution changes under small perturbations.
    #[arg(long)]
    sensitivity: bool,
    /// Arithmetic of the passes [default: f32].
    #[arg(long, value_parser = parser::<Precision>())]
    precision: Option<Precision>,
    /// Rows of one pass, at most 4096 [default: chosen by the daemon].
    #[arg(long, value_name = "N")]
    internal_batch_size: Option<u32>,
    /// Of all noise.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

impl AttributionArgs {
    pub(crate) fn message(&self) -> Result<AttributionSpec> {
        Ok(AttributionSpec {
            method: self.method.message()?,
            noise: self.noise.map(|kind| self.noise(kind)),
            baseline: self.baseline.as_ref().map(BaselineArg::message).transpose()?,
            output: self.explain.unwrap_or_default().into(),
            precision: self.precision.unwrap_or_default().into(),
            internal_batch_size: self.internal_batch_size.unwrap_or_default(),
            infidelity: self.infidelity,
            sensitivity: self.sensitivity,
            seed: self.seed,
        })
    }

    fn noise(&self, kind: noise_tunnel::Kind) -> NoiseTunnel {
        let relative = self.noise_std.map(Level::RelativeStd);
        NoiseTunnel {
            kind: kind.into(),
            samples: self.noise_samples.unwrap_or_default(),
            level: relative.or_else(|| self.noise_absolute_std.map(Level::AbsoluteStd)),
        }
    }
}
