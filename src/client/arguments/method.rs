//! The method of attribution and its parameters.

use clap::{Args, ValueEnum};

use crate::client::error::{Error, Result};
use crate::client::words::parser;
use crate::pb::v1::QuadratureRule;
use crate::pb::v1::attribution_spec::{GradientShap, InputXGradient, IntegratedGradients, Method, Occlusion, Saliency};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MethodKind {
    IntegratedGradients,
    Saliency,
    InputXGradient,
    GradientShap,
    Occlusion,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MethodArgs {
    /// How values are attributed [default: integrated-gradients].
    #[arg(long)]
    method: Option<MethodKind>,
    /// Integrated gradients: points and weights of the path [default: gauss-legendre].
    #[arg(long, value_parser = parser::<QuadratureRule>())]
    rule: Option<QuadratureRule>,
    /// Integrated gradients: points of the path, 1 to 1024 [default: 50].
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Integrated gradients: double the steps until the completeness error is at most 5 %.
    #[arg(long)]
    adaptive: bool,
    /// Saliency: keep the gradient's sign.
    #[arg(long)]
    signed: bool,
    /// Gradient SHAP: random points, 1 to 1000 [default: 5].
    #[arg(long, value_name = "N")]
    samples: Option<u32>,
    /// Gradient SHAP: of noise added to the input [default: 0].
    #[arg(long, value_name = "STD")]
    stdev: Option<f64>,
    /// Occlusion: side of the window in pixels [default: an eighth of the image].
    #[arg(long, value_name = "PIXELS")]
    window: Option<u32>,
    /// Occlusion: pixels between windows [default: half the window].
    #[arg(long, value_name = "PIXELS")]
    stride: Option<u32>,
}

impl MethodArgs {
    /// None where nothing was said. Fails on a flag of another method.
    pub(super) fn message(&self) -> Result<Option<Method>> {
        let method = self.method.unwrap_or(MethodKind::IntegratedGradients);
        let said = self.flags().into_iter().filter(|(_, _, is_said)| *is_said);
        let owners: Vec<_> = said.map(|(flags, owner, _)| (flags, owner)).collect();
        if let Some((flags, owner)) = owners.iter().find(|(_, owner)| *owner != method) {
            return Err(misplaced(flags, *owner));
        }
        Ok((self.method.is_some() || !owners.is_empty()).then(|| self.of(method)))
    }

    /// Flags, the method they belong to, and whether one of them was said.
    fn flags(&self) -> [(&'static str, MethodKind, bool); 4] {
        let path = self.rule.is_some() || self.steps.is_some() || self.adaptive;
        let shap = self.samples.is_some() || self.stdev.is_some();
        let occlusion = self.window.is_some() || self.stride.is_some();
        [
            ("--rule, --steps and --adaptive", MethodKind::IntegratedGradients, path),
            ("--signed", MethodKind::Saliency, self.signed),
            ("--samples and --stdev", MethodKind::GradientShap, shap),
            ("--window and --stride", MethodKind::Occlusion, occlusion),
        ]
    }

    fn of(&self, method: MethodKind) -> Method {
        match method {
            MethodKind::IntegratedGradients => Method::IntegratedGradients(IntegratedGradients {
                rule: self.rule.unwrap_or_default().into(),
                steps: self.steps,
                adaptive: self.adaptive,
            }),
            MethodKind::Saliency => Method::Saliency(Saliency { signed: self.signed }),
            MethodKind::InputXGradient => Method::InputXGradient(InputXGradient {}),
            MethodKind::GradientShap => Method::GradientShap(GradientShap {
                samples: self.samples.unwrap_or_default(),
                stdev: self.stdev.unwrap_or_default(),
            }),
            MethodKind::Occlusion => Method::Occlusion(Occlusion {
                window: self.window.unwrap_or_default(),
                stride: self.stride.unwrap_or_default(),
            }),
        }
    }
}

fn misplaced(flags: &str, owner: MethodKind) -> Error {
    let name = owner.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    Error::Usage(format!("{flags} belong to --method {name}"))
}
