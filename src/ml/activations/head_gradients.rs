//! How much a class gains on the others with the activations below the head: what TCAV's directional derivatives are made of.
//!
//! Differentiated is the class's logit beside the mean of all logits, which unlike the logit alone does not change when all grow
//! alike. Of a linear head the derivative is the same for every sample, so that a score there is 0 or 1. The loss, which the
//! reference implementation differentiates, depends on the sample, but for a sample that is told with certainty it asks about the
//! nearest other class alone: for a class that is cold and a ring it then says "warm" where the nearest is cold and a cross.

use tch::{Kind, Tensor};

use super::embed::Embeddings;
use crate::domain::Result;
use crate::ml::backbone::Backbone;
use crate::ml::torch::torch_error;

/// `d (head(e)[class] - mean(head(e))) / d e` of each row, `[rows, dim]` row after row.
pub fn head_gradients(backbone: &Backbone, rows: &Embeddings, class: u32) -> Result<Vec<f32>> {
    if rows.values.is_empty() {
        return Ok(Vec::new());
    }
    let failed = torch_error("differentiate the head");
    let features = || {
        let size = [rows.rows() as i64, rows.dim as i64];
        let features = Tensor::f_from_slice(&rows.values)?.f_view(size)?.f_to_device(backbone.device())?;
        features.f_set_requires_grad(true)
    };
    let features = features().map_err(&failed)?;
    let logits = backbone.head(&features)?;
    let differentiate = || {
        let others = logits.f_mean_dim(Some([1_i64].as_slice()), false, Kind::Float)?;
        let total = logits.f_select(1, i64::from(class))?.f_sub(&others)?.f_sum(Kind::Float)?;
        let gradients = Tensor::f_run_backward(&[total], &[&features], false, false)?;
        let gradient = gradients.into_iter().next().unwrap_or_else(Tensor::new);
        Vec::try_from(gradient.f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view([-1])?)
    };
    differentiate().map_err(failed)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::ml::testing;
    use crate::ml::torch::NoGrad;

    /// The logit of `class` beside the mean of all at one embedding.
    fn lead(backbone: &Backbone, embedding: &[f32], class: u32) -> f64 {
        let _guard = NoGrad::enter();
        let row = Tensor::from_slice(embedding).view([1, embedding.len() as i64]);
        let logits = backbone.head(&row).unwrap();
        logits.double_value(&[0, i64::from(class)]) - logits.mean(Kind::Float).double_value(&[])
    }

    #[test]
    fn gradients_equal_central_differences() {
        let backbone = Backbone::initialise(&testing::spec(3), 5, Device::Cpu).unwrap();
        let dim = backbone.feature_dim().unwrap();
        let values: Vec<f32> = (0..2 * dim).map(|index| (index as f32 * 0.37).sin().abs()).collect();
        let rows = Embeddings { dim, values };
        let gradients = head_gradients(&backbone, &rows, 1).unwrap();
        assert_eq!(gradients.len(), 2 * dim);
        let second = &rows.values[dim..];
        for index in [0, dim / 2, dim - 1] {
            let at = |shift: f32| {
                let mut moved = second.to_vec();
                moved[index] += shift;
                lead(&backbone, &moved, 1)
            };
            let difference = (at(0.05) - at(-0.05)) / 0.1;
            let gradient = f64::from(gradients[dim + index]);
            assert!((gradient - difference).abs() < 1e-3, "{gradient} against {difference}");
        }
    }

    #[test]
    fn nothing_has_no_gradients() {
        let backbone = Backbone::initialise(&testing::spec(3), 5, Device::Cpu).unwrap();
        assert!(head_gradients(&backbone, &Embeddings::default(), 0).unwrap().is_empty());
    }
}
