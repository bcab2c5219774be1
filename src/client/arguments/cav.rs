//! How a concept's vector is found between positive and negative examples.

use clap::Args;

use crate::client::words::parser;
use crate::pb::v1::{CavMethod, CavSpec};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Concept vectors")]
pub(crate) struct CavArgs {
    /// How the vector is found [default: svc-hinge].
    #[arg(long, value_parser = parser::<CavMethod>())]
    method: Option<CavMethod>,
    /// Examples a side to learn from, 2 to 5000; as many again are held out to validate on [default: 50].
    #[arg(long, value_name = "N")]
    examples_per_side: Option<u32>,
    /// Regularisation strengths tried; the best on held-out examples wins [default: 0.001,0.01,0.1,1,10].
    #[arg(long, value_name = "C,…", value_delimiter = ',')]
    c_grid: Vec<f64>,
}

impl CavArgs {
    /// None where nothing was said.
    pub(crate) fn message(&self) -> Option<CavSpec> {
        let spec = CavSpec {
            method: self.method.unwrap_or_default().into(),
            examples_per_side: self.examples_per_side,
            c_grid: self.c_grid.clone(),
        };
        (spec != CavSpec::default()).then_some(spec)
    }
}
