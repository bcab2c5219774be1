//! `y = W x + b`, and what an adapter adds to it.
//!
//! Over many rows in f32 on a processor that MKL does not serve well the product runs as a convolution with a window of one, in oneDNN.
//! Both record gradients.

use tch::{Device, Kind, TchError, Tensor};

use super::lora::Adapter;
use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::ml::torch::{Autocast, mkl_is_fast, torch_error};

/// From so many rows on the convolution wins: it rearranges the weight in every call.
const CONVOLUTION_ROWS: i64 = 32;

/// Up to so many rows on a CPU autocast costs more than it gains: it converts the whole weight for them (29 ms against 6 ms for one row
/// and a weight of 28 M values).
const FEW_ROWS: i64 = 8;

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

    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// The same layer with its weight as operations of this thread will take it, for many calls.
    pub fn lowered(&self) -> Result<Self> {
        let weight = Autocast::lowered(&self.weight).map_err(torch_error("convert a weight"))?;
        Ok(Self { path: self.path.clone(), weight, bias: self.bias.as_ref().map(Tensor::shallow_clone) })
    }

    /// For so many outputs each, in order.
    pub fn split(&self, outputs: i64) -> Result<Vec<Self>, TchError> {
        let weights = self.weight.f_split(outputs, 0)?;
        let biases = self.bias.as_ref().map(|bias| bias.f_split(outputs, 0)).transpose()?;
        let bias = |index: usize| biases.as_ref().map(|biases| biases[index].shallow_clone());
        let part = |(index, weight)| Self { path: self.path.clone(), weight, bias: bias(index) };
        Ok(weights.into_iter().enumerate().map(part).collect())
    }

    /// For these outputs alone, `[M]` i64.
    pub fn rows_at(&self, outputs: &Tensor) -> Result<Self, TchError> {
        let chosen = |tensor: &Tensor| tensor.f_index_select(0, outputs);
        let bias = self.bias.as_ref().map(chosen).transpose()?;
        Ok(Self { path: self.path.clone(), weight: chosen(&self.weight)?, bias })
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward(&self, input: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor> {
        let is_slow_in_half = self.rows(input) <= FEW_ROWS && self.weight.kind() == Kind::Float;
        if is_slow_in_half && input.device() == Device::Cpu && Autocast::is_on(Device::Cpu) {
            let _precision = Autocast::enter(Precision::F32)?;
            let input = input.f_to_kind(Kind::Float).map_err(torch_error("convert the hidden states"))?;
            return self.applied(&input, adapter);
        }
        self.applied(input, adapter)
    }

    fn applied(&self, input: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor> {
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

    fn rows(&self, input: &Tensor) -> i64 {
        input.numel() as i64 / self.weight.size()[1].max(1)
    }

    fn product(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let (rows, width) = (self.rows(input), self.weight.size()[1]);
        let fits = self.weight.is_contiguous() && input.size().last() == Some(&width);
        if fits && rows >= CONVOLUTION_ROWS && !mkl_is_fast() && is_plain(input) {
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

/// In f32 on a CPU; products in bf16 are oneDNN's in any case.
fn is_plain(input: &Tensor) -> bool {
    input.device() == Device::Cpu && input.kind() == Kind::Float && !Autocast::is_on(Device::Cpu)
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
    use crate::ml::torch::has_bf16;
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
        let found = layer.convolve(&input, 160).unwrap();
        assert_eq!(found.size(), expected.size());
        assert!(gap(&found, &expected) < 1e-5);
        let gradient =
            |output: &Tensor| Tensor::run_backward(&[output.square().sum(Kind::Float)], &[&input], true, false);
        assert!(gap(&gradient(&found)[0], &gradient(&expected)[0]) < 1e-4);
    }

    #[test]
    fn few_rows_are_computed_as_precisely_as_without_autocast() {
        let layer = Linear::new("layer", random(&[24, 16]), Some(random(&[24])));
        let (few, many) = (random(&[2, FEW_ROWS / 2, 16]), random(&[FEW_ROWS + 1, 16]));
        let expected = layer.forward(&few, None).unwrap();
        let _precision = Autocast::enter(Precision::Bf16).unwrap();
        assert_eq!(gap(&layer.forward(&few, None).unwrap(), &expected), 0.0);
        let half = if has_bf16(Device::Cpu) { Kind::BFloat16 } else { Kind::Float };
        assert_eq!(layer.forward(&many, None).unwrap().kind(), half);
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
