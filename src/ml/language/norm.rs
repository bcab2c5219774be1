//! Norms over the hidden dimension: root mean square (Zhang and Sennrich 2019) and layer norm (Ba et al. 2016).

use tch::{TchError, Tensor};

use crate::domain::Result;
use crate::ml::shim;
use crate::ml::torch::{is_f32_on_cpu, torch_error};

#[derive(Debug)]
pub(super) enum Norm {
    RootMeanSquare { weight: Tensor, epsilon: f64 },
    Layer { weight: Tensor, bias: Option<Tensor>, epsilon: f64 },
}

impl Norm {
    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.apply(input).map_err(torch_error("normalise the hidden states"))
    }

    fn apply(&self, input: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::RootMeanSquare { weight, epsilon } => root_mean_square(input, weight, *epsilon),
            Self::Layer { weight, bias, epsilon } => {
                input.f_layer_norm(weight.size(), Some(weight), bias.as_ref(), *epsilon, true)
            }
        }
    }
}

/// In one pass where libtorch would compose it.
fn root_mean_square(input: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor, TchError> {
    if is_f32_on_cpu(input) && is_f32_on_cpu(weight) && !weight.requires_grad() {
        return shim::rms_norm(input, weight, epsilon);
    }
    input.f_rms_norm(weight.size(), Some(weight), epsilon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn gap(left: &Tensor, right: &Tensor) -> f64 {
        (left - right).abs().max().double_value(&[])
    }

    #[test]
    fn one_pass_is_the_composed_norm_and_so_is_its_gradient() {
        tch::manual_seed(3);
        for (shape, spread) in [(vec![4, 37, 576], 1.0), (vec![5, 7], 1e-3), (vec![1, 1, 33], 100.0), (vec![0, 8], 1.0)]
        {
            let width = shape[shape.len() - 1];
            let (input, weight) = (Tensor::randn(&shape, FLOAT) * spread, Tensor::randn([width], FLOAT));
            let outer = Tensor::randn(&shape, FLOAT);
            let run = |norm: &dyn Fn(&Tensor) -> Tensor| {
                let leaf = input.detach().set_requires_grad(true);
                let output = norm(&leaf);
                let goal = (&output * &outer).sum(None::<Kind>);
                (output.detach(), Tensor::run_backward(&[goal], &[&leaf], false, false).remove(0))
            };
            let (output, gradient) = run(&|leaf| root_mean_square(leaf, &weight, 1e-5).unwrap());
            let (expected, slope) = run(&|leaf| leaf.rms_norm([width], Some(&weight), 1e-5));
            assert_eq!(output.size(), shape);
            if input.numel() > 0 {
                let (values, slopes) = (gap(&output, &expected), gap(&gradient, &slope) * spread);
                assert!(values < 1e-5 && slopes < 1e-5, "{shape:?}: {values}, {slopes}");
            }
        }
    }

    #[test]
    fn rows_that_do_not_lie_in_order_are_those_that_they_show() {
        let input = Tensor::randn([6, 5], FLOAT);
        let weight = Tensor::ones([6], FLOAT);
        let turned = root_mean_square(&input.tr(), &weight, 1e-5).unwrap();
        assert!(gap(&turned, &input.tr().contiguous().rms_norm([6], Some(&weight), 1e-5)) < 1e-6);
        assert!(shim::rms_norm(&input, &weight, 1e-5).is_err(), "the weight does not fit");
        assert!(shim::rms_norm(&input.to_kind(Kind::Double), &Tensor::ones([5], FLOAT), 1e-5).is_err());
    }

    #[test]
    fn a_weight_that_is_trained_gets_its_gradient() {
        let weight = Tensor::ones([5], FLOAT).set_requires_grad(true);
        let output = root_mean_square(&Tensor::randn([3, 5], FLOAT), &weight, 1e-5).unwrap();
        let gradient = Tensor::run_backward(&[output.sum(None::<Kind>)], &[&weight], false, false).remove(0);
        assert_eq!(gradient.size(), [5]);
    }
}
