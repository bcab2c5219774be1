//! `y = W x + b`, and what an adapter adds to it.
//!
//! Over many rows in f32 on a CPU the product runs as a convolution with a window of one, in oneDNN: libtorch's matrix product is MKL's,
//! which does not use all that processors of other makers have. Both record gradients.

use tch::{Device, Kind, TchError, Tensor};

use super::lora::Adapter;
use crate::domain::Result;
use crate::ml::torch::torch_error;

/// From so many rows on the convolution wins: it rearranges the weight in every call.
const CONVOLUTION_ROWS: i64 = 32;

/// A linear layer of a model, named by its path (`model.layers.0.self_attn.q_proj`).
#[derive(Debug)]
pub struct Linear {
    path: String,
    /// `[out, in]`; a view where the file has it the other way round (GPT-2).
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub fn new(path: impl Into<String>, weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { path: path.into(), weight, bias }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward(&self, input: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor> {
        let output = match adapter.and_then(|adapter| adapter.replacement(&self.path)) {
            Some((weight, bias)) => replaced(input, weight, bias),
            None => self.product(input),
        };
        let output = output.map_err(torch_error("apply a linear layer"))?;
        match adapter.map(|adapter| adapter.delta(&self.path, input)).transpose()?.flatten() {
            Some(delta) => output.f_add(&delta).map_err(torch_error("add an adapter")),
            None => Ok(output),
        }
    }

    fn product(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let width = self.weight.size()[1];
        let rows = input.numel() as i64 / width.max(1);
        let is_plain = input.device() == Device::Cpu && input.kind() == Kind::Float && self.weight.is_contiguous();
        if is_plain && rows >= CONVOLUTION_ROWS && input.size().last() == Some(&width) {
            return self.convolve(input, rows);
        }
        input.f_linear(&self.weight, self.bias.as_ref())
    }

    /// The rows are pixels of one image whose channels lie innermost.
    fn convolve(&self, input: &Tensor, rows: i64) -> Result<Tensor, TchError> {
        let (outputs, inputs) = self.weight.size2()?;
        let image = input.f_reshape([1, 1, rows, inputs])?.f_permute([0, 3, 1, 2])?;
        let window = self.weight.f_view([outputs, inputs, 1, 1])?;
        let image = image.f_conv2d(&window, self.bias.as_ref(), [1, 1], [0, 0], [1, 1], 1)?;
        let mut shape = input.size();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        image.f_permute([0, 2, 3, 1])?.f_reshape(shape)
    }
}

/// With a weight that was trained in another precision.
fn replaced(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
    let kind = input.f_kind()?;
    let bias = bias.map(|bias| bias.f_to_kind(kind)).transpose()?;
    input.f_linear(&weight.f_to_kind(kind)?, bias.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::language::lora::LowRank;
    use std::collections::BTreeMap;

    fn random(size: &[i64]) -> Tensor {
        let count: i64 = size.iter().product();
        let values: Vec<f32> = (0..count).map(|i| ((i * 7919 % 1013) as f32 / 506.0 - 1.0) / 3.0).collect();
        Tensor::from_slice(&values).view(size)
    }

    fn gap(left: &Tensor, right: &Tensor) -> f64 {
        (left - right).abs().max().double_value(&[])
    }

    #[test]
    fn the_convolution_is_the_matrix_product_and_so_is_its_gradient() {
        let (weight, bias) = (random(&[24, 16]), random(&[24]));
        let layer = Linear::new("layer", weight.shallow_clone(), Some(bias.shallow_clone()));
        let input = random(&[4, 40, 16]).set_requires_grad(true);
        let expected = input.linear(&weight, Some(&bias));
        let found = layer.forward(&input, None).unwrap();
        assert_eq!(found.size(), expected.size());
        assert!(gap(&found, &expected) < 1e-5);
        let gradient =
            |output: &Tensor| Tensor::run_backward(&[output.square().sum(Kind::Float)], &[&input], true, false);
        assert!(gap(&gradient(&found)[0], &gradient(&expected)[0]) < 1e-4);
    }

    #[test]
    fn an_adapter_adds_its_low_rank_product_to_its_layer_alone() {
        let (a, b) = (random(&[2, 16]), random(&[24, 2]));
        let low_rank = LowRank { a: a.shallow_clone(), b: b.shallow_clone(), scale: 0.5 };
        let adapter = Adapter::new(BTreeMap::from([("one".to_owned(), low_rank)]));
        let layer = |path: &str| Linear::new(path, random(&[24, 16]), None);
        let input = random(&[3, 16]);
        let plain = layer("one").forward(&input, None).unwrap();
        let adapted = layer("one").forward(&input, Some(&adapter)).unwrap();
        let merged = layer("one").weight() + b.matmul(&a) * 0.5;
        assert!(gap(&adapted, &input.linear::<&Tensor>(&merged, None)) < 1e-5);
        assert!(gap(&layer("two").forward(&input, Some(&adapter)).unwrap(), &plain) == 0.0);
    }
}
