//! The explained output of each row and its derivative by the logits `z`: for a logit the unit vector `e_t`, for a log
//! probability `e_t - p`, for a probability `p_t (e_t - p)` with `p = softmax(z)`.

use tch::{Kind, TchError, Tensor};

use crate::domain::attribution::TargetOutput;
use crate::domain::{Error, Result};
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(in crate::ml::backbone) struct Seed {
    pub outputs: Vec<f64>,
    /// `[N,K]`, f32, without gradients of its own.
    pub derivative: Tensor,
}

/// For logits `[N,K]` and a class for each row; computed in f64.
pub(super) fn seed(logits: &Tensor, targets: &[u32], output: TargetOutput) -> Result<Seed> {
    let &[rows, classes] = logits.size().as_slice() else { return Err(mismatch(logits, targets)) };
    let fits = rows as usize == targets.len() && targets.iter().all(|&target| i64::from(target) < classes);
    if !fits {
        return Err(mismatch(logits, targets));
    }
    compute(logits, targets, output).map_err(torch_error("compute the explained outputs"))
}

fn compute(logits: &Tensor, targets: &[u32], output: TargetOutput) -> std::result::Result<Seed, TchError> {
    let logits = logits.f_detach()?.f_to_kind(Kind::Double)?;
    let targets: Vec<i64> = targets.iter().map(|&target| target.into()).collect();
    let targets = Tensor::f_from_slice(&targets)?.f_to_device(logits.device())?.f_unsqueeze(1)?;
    let unit = logits.f_zeros_like()?.f_scatter_value(1, &targets, 1.0)?;
    let (values, derivative) = match output {
        TargetOutput::Logit => (logits, unit),
        TargetOutput::LogProbability => {
            let logarithms = logits.f_log_softmax(1, Kind::Double)?;
            let derivative = unit.f_sub(&logarithms.f_exp()?)?;
            (logarithms, derivative)
        }
        TargetOutput::Probability => {
            let probabilities = logits.f_softmax(1, Kind::Double)?;
            let chosen = probabilities.f_gather(1, &targets, false)?;
            let derivative = unit.f_sub(&probabilities)?.f_mul(&chosen)?;
            (probabilities, derivative)
        }
    };
    let outputs = Vec::try_from(values.f_gather(1, &targets, false)?.f_view(-1)?)?;
    Ok(Seed { outputs, derivative: derivative.f_to_kind(Kind::Float)? })
}

fn mismatch(logits: &Tensor, targets: &[u32]) -> Error {
    let message = format!("logits of shape {:?} do not fit {} targets", logits.size(), targets.len());
    Error::failed_precondition("CLASS_COUNT_MISMATCH", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_autograd() {
        let logits = Tensor::from_slice(&[0.5_f64, -1.0, 2.0, 0.0, 3.0, 0.1]).view([2, 3]).set_requires_grad(true);
        let kinds = [TargetOutput::Logit, TargetOutput::LogProbability, TargetOutput::Probability];
        for output in kinds {
            let values = match output {
                TargetOutput::Logit => logits.shallow_clone(),
                TargetOutput::LogProbability => logits.log_softmax(1, Kind::Double),
                TargetOutput::Probability => logits.softmax(1, Kind::Double),
            };
            let sum = values.get(0).get(2) + values.get(1).get(0);
            let gradient = Tensor::run_backward(&[sum], &[&logits], false, false).remove(0);
            let seed = seed(&logits, &[2, 0], output).unwrap();
            assert!((seed.derivative - gradient).abs().max().double_value(&[]) < 1e-7);
            let expected = [values.double_value(&[0, 2]), values.double_value(&[1, 0])];
            assert!(seed.outputs.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12));
        }
    }

    #[test]
    fn targets_must_fit() {
        let logits = Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu));
        for targets in [&[0_u32][..], &[0, 3]] {
            assert_eq!(seed(&logits, targets, TargetOutput::Logit).unwrap_err().reason, "CLASS_COUNT_MISMATCH");
        }
    }
}
