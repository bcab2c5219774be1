//! The sparse layer from concepts to classes, and the test of concepts.

use clap::Args;

use crate::pb::v1::{PcbmSpec, TcavSpec};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Sparse layer (PCBM)")]
pub(crate) struct PcbmArgs {
    /// Strength of the penalty [default: 1e-5].
    #[arg(long)]
    lambda: Option<f64>,
    /// Share of the penalty that is L1, in [0, 1] [default: 0.99].
    #[arg(long, value_name = "SHARE")]
    l1_ratio: Option<f64>,
    /// Fit on standardised projections; weights are reported for raw ones.
    #[arg(long)]
    standardize: bool,
    /// One softmax over all classes instead of one classifier a class.
    #[arg(long)]
    multinomial: bool,
    /// Also fit the residual on the embedding (PCBM-h) and report the accuracy with it.
    #[arg(long)]
    residual: bool,
}

impl PcbmArgs {
    /// None where nothing was said.
    pub(crate) fn message(&self) -> Option<PcbmSpec> {
        let Self { lambda, l1_ratio, standardize, multinomial, residual } = *self;
        let spec = PcbmSpec { lambda, l1_ratio, standardize, multinomial, residual };
        (spec != PcbmSpec::default()).then_some(spec)
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Test of concepts (TCAV)")]
pub(crate) struct TcavArgs {
    /// Test each class's concepts against random vectors.
    #[arg(long)]
    tcav: bool,
    /// Vectors a concept, 2 to 500 [default: 10].
    #[arg(long, value_name = "N", requires = "tcav")]
    tcav_runs: Option<u32>,
    /// Random vectors to compare with, 2 to 500 [default: 30].
    #[arg(long, value_name = "N", requires = "tcav")]
    tcav_random_sets: Option<u32>,
    /// Samples of a class that are counted [default: 500].
    #[arg(long, value_name = "N", requires = "tcav")]
    tcav_max_samples: Option<u32>,
    /// Family-wise error rate [default: 0.05].
    #[arg(long, value_name = "RATE", requires = "tcav")]
    tcav_alpha: Option<f64>,
    /// Student's t-test instead of Welch's.
    #[arg(long, requires = "tcav")]
    tcav_pooled_variance: bool,
}

impl TcavArgs {
    /// None: no test.
    pub(crate) fn message(&self) -> Option<TcavSpec> {
        self.tcav.then(|| TcavSpec {
            runs: self.tcav_runs.unwrap_or_default(),
            random_sets: self.tcav_random_sets.unwrap_or_default(),
            max_samples: self.tcav_max_samples.unwrap_or_default(),
            alpha: self.tcav_alpha,
            pooled_variance: self.tcav_pooled_variance,
        })
    }
}
