//! Training of the head on features that were computed once.
//!
//! A linear head needs no autograd: with `p` the softmax of `x Wᵀ + b`, targets `t` and weights `w`, the gradient by the logits is
//! `w (p − t)`, so `∇W = (w (p − t))ᵀ x` and `∇b` its column sums. Any other head goes through autograd.

use tch::{Device, Kind, TchError, Tensor};

use super::loss::{DeviceTargets, Weights};
use super::run::Run;
use crate::domain::Result;
use crate::ml::activations::Features;
use crate::ml::backbone::Backbone;
use crate::ml::torch::{NoGrad, OneThread, torch_error};

/// Multiplications of a forward pass that one thread does in some tens of microseconds, a few times what a barrier takes.
const SMALL_STEP: f64 = 2e6;

/// Features of the training set on the device, in its order.
#[derive(Debug)]
pub(super) struct FeatureData {
    features: Tensor,
    linear: Option<LinearHead>,
    /// Rows of an epoch, i64, and the epoch's number.
    rows: Option<(u64, Tensor)>,
}

impl FeatureData {
    pub(super) fn new(run: &Run, features: &Features) -> Result<Self> {
        let _guard = NoGrad::enter();
        let positions: Vec<i64> = run.training.indices.iter().map(|&index| index as i64).collect();
        let gather = || {
            features.tensor().f_index_select(0, &Tensor::f_from_slice(&positions)?)?.f_to_device(run.backbone.device())
        };
        let features = gather().map_err(torch_error("gather the features"))?;
        let linear = LinearHead::recognise(&run.backbone, run.optimizer.parameters(), &features)?;
        Ok(Self { features, linear, rows: None })
    }

    /// Whether a step is so small that its operations end before a second thread has begun. It depends on the job's shape alone,
    /// so a job that is taken up again computes bit for bit as before.
    fn is_small(&self, batch_size: u32) -> bool {
        let products = |head: &LinearHead| f64::from(batch_size) * head.weight.numel() as f64;
        self.features.device() == Device::Cpu && self.linear.as_ref().is_some_and(|head| products(head) < SMALL_STEP)
    }

    /// One optimiser step; the loss of its batch.
    pub(super) fn step(&mut self, run: &mut Run) -> Result<f64> {
        let _one_thread = self.is_small(run.trainer.batch_size).then(OneThread::enter);
        let number = run.epoch_number();
        let (batch, epoch) = run.batch();
        if self.rows.as_ref().is_none_or(|(of, _)| *of != number) {
            let rows: Vec<i64> = epoch.rows.iter().map(|&row| row as i64).collect();
            let rows = Tensor::f_from_slice(&rows).and_then(|rows| rows.f_to_device(self.features.device()));
            self.rows = Some((number, rows.map_err(torch_error("copy the data order"))?));
        }
        let (_, rows) = self.rows.as_ref().expect("the rows were made above");
        let size = batch.end - batch.start;
        let weights = run.weights.of(batch.weighting, size)?;
        let select = || {
            let rows = rows.f_narrow(0, batch.start as i64, size as i64)?;
            Ok((self.features.f_index_select(0, &rows)?, run.targets.select(&rows)?))
        };
        let (features, targets) = select().map_err(torch_error("gather a batch"))?;
        let (loss, gradients) = match &self.linear {
            Some(head) => {
                head.gradients(&features, &targets, &weights).map_err(torch_error("differentiate the head"))?
            }
            None => differentiate(run, &features, &targets, &weights)?,
        };
        run.apply(&loss, gradients)
    }

    /// Features of rows `start..end` of the training set.
    pub(super) fn rows(&self, start: usize, end: usize) -> Result<Tensor> {
        self.features.f_narrow(0, start as i64, (end - start) as i64).map_err(torch_error("read features"))
    }
}

fn differentiate(
    run: &Run,
    features: &Tensor,
    targets: &DeviceTargets,
    weights: &Weights,
) -> Result<(Tensor, Vec<Tensor>)> {
    let logits = run.backbone.head(features)?;
    let gradients = || {
        let loss = weights.total(&targets.losses(&logits.f_log_softmax(-1, Kind::Float)?)?)?;
        let gradients = run.gradients(&loss)?;
        Ok((loss, gradients))
    };
    gradients().map_err(torch_error("differentiate the head"))
}

/// `x Wᵀ + b`, sharing the model's tensors.
#[derive(Debug)]
struct LinearHead {
    weight: Tensor,
    bias: Tensor,
    /// The optimiser's parameters are (weight, bias) and not (bias, weight).
    weight_first: bool,
}

impl LinearHead {
    /// The head as a linear map, if it has the parameters of one and gives what one gives.
    fn recognise(backbone: &Backbone, parameters: &[Tensor], features: &Tensor) -> Result<Option<Self>> {
        let [first, second] = parameters else { return Ok(None) };
        let weight_first = match (first.dim(), second.dim()) {
            (2, 1) => true,
            (1, 2) => false,
            _ => return Ok(None),
        };
        let (weight, bias) = if weight_first { (first, second) } else { (second, first) };
        if weight.size()[1] != features.size()[1] || weight.size()[0] != bias.size()[0] {
            return Ok(None);
        }
        let head = Self { weight: weight.detach(), bias: bias.detach(), weight_first };
        let same = || {
            let sample = features.f_narrow(0, 0, features.size()[0].min(16))?;
            Ok((head.logits(&sample)?, sample))
        };
        let (linear, sample) = same().map_err(torch_error("try the head"))?;
        let actual = backbone.head(&sample)?;
        let close = actual.f_allclose(&linear, 1e-4, 1e-5, false).map_err(torch_error("try the head"))?;
        Ok(close.then_some(head))
    }

    fn logits(&self, features: &Tensor) -> std::result::Result<Tensor, TchError> {
        self.bias.f_addmm(features, &self.weight.f_tr()?)
    }

    fn gradients(
        &self,
        features: &Tensor,
        targets: &DeviceTargets,
        weights: &Weights,
    ) -> std::result::Result<(Tensor, Vec<Tensor>), TchError> {
        let _guard = NoGrad::enter();
        let log_probabilities = self.logits(features)?.f_log_softmax(-1, Kind::Float)?;
        let loss = weights.total(&targets.losses(&log_probabilities)?)?;
        let mut delta = log_probabilities.f_exp()?;
        targets.subtract_from(&mut delta)?;
        weights.scale(&mut delta)?;
        let weight = delta.f_tr()?.f_mm(features)?;
        let bias = delta.f_sum_dim_intlist(0_i64, false, Kind::Float)?;
        Ok((loss, if self.weight_first { vec![weight, bias] } else { vec![bias, weight] }))
    }
}
