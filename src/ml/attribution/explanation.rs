//! One item on its way: outputs at both ends, the attribution (again with more steps where it is adaptive), then its quality.

use std::rc::Rc;

use tch::Tensor;

use super::completeness::Completeness;
use super::ends::Ends;
use super::infidelity::{self, Infidelity};
use super::item::Item;
use super::method::{Context, Method, Question, Space, method};
use super::noise::deviation;
use super::output::{explained_output, predicted_class};
use super::phase::Phase;
use super::rows::Rows;
use super::sensitivity::{self, Sensitivity};
use super::stage::{Answers, Stage};
use super::sweep::{Origin, Sweep};
use super::validate::MOST_ADAPTIVE_STEPS;
use crate::domain::attribution::{Attribution, AttributionMethod, AttributionOptions};
use crate::domain::{Error, Result};
use crate::ml::torch::{is_finite, torch_error};

#[derive(Debug)]
pub(super) struct Explanation {
    options: Rc<AttributionOptions>,
    origin: Rc<Origin>,
    target: Option<u32>,
    method: Rc<dyn Method>,
    steps: u32,
    phase: Phase,
    output: f64,
    baseline_output: f64,
    values: Option<Tensor>,
    is_baseline: bool,
    infidelity: Option<f64>,
    sensitivity: Option<f64>,
}

impl Explanation {
    pub(super) fn new(item: Item, options: &Rc<AttributionOptions>, context: &Context) -> Result<Self> {
        let Item { input, target, stream } = item;
        let noise = options.noise.map(|tunnel| Ok((tunnel, deviation(tunnel.level, &input)?))).transpose()?;
        let origin = Rc::new(Origin { input, stream, noise });
        Ok(Self {
            options: options.clone(),
            target,
            method: method(options.method, None, context),
            steps: steps(options.method),
            phase: Phase::Ends(Ends::new(origin.clone(), context)),
            origin,
            output: f64::NAN,
            baseline_output: f64::NAN,
            values: None,
            is_baseline: false,
            infidelity: None,
            sensitivity: None,
        })
    }

    /// What the model is to be asked next, of how many rows; nothing when the item is done or has failed.
    pub(super) fn wanted(&self) -> Option<(Question, usize)> {
        self.phase.stage().map(|stage| (stage.question(), stage.ready()))
    }

    /// Where the rows of the current stage live.
    pub(super) fn space(&self) -> Space {
        self.phase.stage().map_or(Space::Images, |stage| stage.space())
    }

    /// Rows until the item is done, as far as is known.
    pub(super) fn remaining(&self, context: &Context) -> usize {
        let sweep = || Sweep::new(self.origin.clone(), self.method.clone(), self.origin.input.shallow_clone(), context);
        let attribution = || sweep().remaining();
        let sensitivity = || if self.options.sensitivity { sensitivity::PERTURBATIONS * attribution() } else { 0 };
        let infidelity = || if self.options.infidelity { infidelity::PERTURBATIONS } else { 0 };
        let now = self.phase.stage().map_or(0, |stage| stage.remaining());
        now + match &self.phase {
            Phase::Ends(_) => attribution() + infidelity() + sensitivity(),
            Phase::Attribution(_) => infidelity() + sensitivity(),
            Phase::Infidelity(_) => sensitivity(),
            Phase::Sensitivity(_) | Phase::Done | Phase::Failed(_) => 0,
        }
    }

    pub(super) fn write(&mut self, context: &Context, rows: &mut Rows) -> Result<usize> {
        self.phase.stage_mut().map_or(Ok(0), |stage| stage.write(context, rows))
    }

    /// The class explained; known once the first outputs are.
    pub(super) fn target(&self) -> u32 {
        self.target.unwrap_or_default()
    }

    /// Takes the logits of the rows written last, `classes` a row.
    pub(super) fn accept_logits(&mut self, context: &Context, logits: &[f32], classes: usize) -> Result<()> {
        let rows = || logits.chunks_exact(classes);
        if self.target.is_none() {
            self.target = rows().next().map(predicted_class);
        }
        let outputs: Vec<f64> = rows().map(|row| explained_output(row, self.target(), self.options.output)).collect();
        self.accept(context, &Answers { outputs: &outputs, gradients: None })
    }

    /// Takes outputs and gradients of the rows written last. What is wrong with this item alone is kept for `finish`.
    pub(super) fn accept(&mut self, context: &Context, answers: &Answers<'_>) -> Result<()> {
        let Some(stage) = self.phase.stage_mut() else { return Ok(()) };
        let accepted = stage.accept(context, answers);
        match accepted.and_then(|()| self.go_on(context)) {
            Err(error) if error.reason.starts_with("NON_FINITE") => {
                self.phase = Phase::Failed(error);
                Ok(())
            }
            other => other,
        }
    }

    /// Goes to the next stage when this one is complete.
    fn go_on(&mut self, context: &Context) -> Result<()> {
        if self.phase.stage().is_none_or(|stage| stage.remaining() > 0) {
            return Ok(());
        }
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Ends(ends) => {
                self.output = ends.output();
                self.baseline_output = ends.baseline_output();
                self.is_baseline = ends.is_baseline();
                if self.is_baseline {
                    self.values = Some(self.origin.input.f_zeros_like().map_err(torch_error("make the attribution"))?);
                } else {
                    self.attribute(context);
                }
            }
            Phase::Attribution(mut sweep) => {
                let values = sweep.finish()?;
                self.check(&values)?;
                let converged = self.completeness(&values)?.converged();
                self.values = Some(values);
                match self.more_steps().filter(|_| !converged) {
                    Some(steps) => {
                        self.steps = steps;
                        self.method = method(self.options.method, Some(steps), context);
                        self.attribute(context);
                    }
                    None => self.judge(context)?,
                }
            }
            Phase::Infidelity(stage) => {
                self.infidelity = stage.finish();
                self.perturb(context)?;
            }
            Phase::Sensitivity(stage) => self.sensitivity = Some(stage.finish()),
            Phase::Done | Phase::Failed(_) => {}
        }
        Ok(())
    }

    fn attribute(&mut self, context: &Context) {
        let input = self.origin.input.shallow_clone();
        self.phase = Phase::Attribution(Sweep::new(self.origin.clone(), self.method.clone(), input, context));
    }

    /// The number of steps to try next, if this method may.
    fn more_steps(&self) -> Option<u32> {
        match self.options.method {
            AttributionMethod::IntegratedGradients { adaptive: true, .. } if self.steps < MOST_ADAPTIVE_STEPS => {
                Some((2 * self.steps).min(MOST_ADAPTIVE_STEPS))
            }
            AttributionMethod::IntegratedGradients { .. }
            | AttributionMethod::Saliency { .. }
            | AttributionMethod::InputXGradient
            | AttributionMethod::GradientShap { .. }
            | AttributionMethod::Occlusion { .. } => None,
        }
    }

    fn judge(&mut self, context: &Context) -> Result<()> {
        match (&self.values, self.options.infidelity) {
            (Some(values), true) => {
                let (input, values) = (self.origin.input.shallow_clone(), values.shallow_clone());
                self.phase = Phase::Infidelity(Infidelity::new(input, values, self.output, self.origin.stream)?);
                Ok(())
            }
            (Some(_) | None, _) => self.perturb(context),
        }
    }

    fn perturb(&mut self, context: &Context) -> Result<()> {
        if let (Some(values), true) = (&self.values, self.options.sensitivity) {
            let sensitivity =
                Sensitivity::new(self.origin.clone(), self.method.clone(), values.shallow_clone(), context)?;
            self.phase = Phase::Sensitivity(Box::new(sensitivity));
        }
        Ok(())
    }

    fn check(&self, values: &Tensor) -> Result<()> {
        if is_finite(values).map_err(torch_error("check the attribution"))? {
            return Ok(());
        }
        let message =
            "the model's gradient is infinite or NaN although its output is not; check its operations, or use F32";
        Err(Error::failed_precondition("NON_FINITE_GRADIENT", message))
    }

    fn completeness(&self, values: &Tensor) -> Result<Completeness> {
        Completeness::of(values, self.output - self.baseline_output)
    }

    /// The result of an item for which nothing is wanted any more.
    pub(super) fn finish(self) -> Result<Attribution> {
        if let Phase::Failed(error) = self.phase {
            return Err(error);
        }
        let Some(values) = &self.values else { return Err(super::unasked()) };
        let completeness = if self.is_baseline { Completeness::default() } else { self.completeness(values)? };
        let [channels, height, width] = [1, 2, 3].map(|axis| values.size()[axis].unsigned_abs() as u32);
        let flat = values.f_to_device(tch::Device::Cpu).and_then(|values| values.f_contiguous()?.f_view(-1));
        let values = flat.and_then(Vec::try_from).map_err(torch_error("read the attribution"))?;
        Ok(Attribution {
            values,
            channels,
            height,
            width,
            target: self.target(),
            output: self.output,
            baseline_output: self.baseline_output,
            delta: completeness.delta,
            relative_delta: completeness.relative_delta,
            converged: completeness.converged(),
            is_complete: self.options.is_complete(),
            steps: self.steps,
            infidelity: self.infidelity,
            sensitivity: self.sensitivity,
            is_baseline: self.is_baseline,
        })
    }
}

/// Steps or samples of the method itself.
fn steps(method: AttributionMethod) -> u32 {
    match method {
        AttributionMethod::IntegratedGradients { steps, .. } => steps,
        AttributionMethod::GradientShap { samples, .. } => samples,
        AttributionMethod::Saliency { .. }
        | AttributionMethod::InputXGradient
        | AttributionMethod::Occlusion { .. } => 1,
    }
}
