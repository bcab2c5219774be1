//! Infidelity: Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", definition 2.1: the mean over perturbations
//! `I` of `(I . attribution - (F(x) - F(x - I)))^2`. `I` is normal noise whose deviation is a tenth of the input's range. As Captum
//! 0.8's `infidelity`, whose perturbation is the caller's.

use tch::{Kind, TchError, Tensor};

use super::method::Context;
use super::noise::{like, spread};
use super::randomness::Draw;
use super::rows::Rows;
use super::stage::{Answers, Stage, check_finite};
use crate::domain::Result;
use crate::ml::random::Purpose;
use crate::ml::torch::torch_error;

pub(super) const PERTURBATIONS: usize = 10;
/// Deviation of the perturbation as a share of `max - min`.
const SHARE: f64 = 0.1;

#[derive(Debug)]
pub(super) struct Infidelity {
    input: Tensor,
    attribution: Tensor,
    output: f64,
    stream: u64,
    stdev: f64,
    /// `I . attribution` of the rows written.
    products: Vec<f64>,
    answered: usize,
    squares: f64,
}

impl Infidelity {
    /// Of the attribution `[1,C,H,W]` of an input with this output.
    pub(super) fn new(input: Tensor, attribution: Tensor, output: f64, stream: u64) -> Result<Self> {
        let stdev = SHARE * spread(&input)?;
        Ok(Self { input, attribution, output, stream, stdev, products: Vec::new(), answered: 0, squares: 0.0 })
    }

    /// Absent for an input of one value: its range is 0, so nothing was perturbed and a figure of 0 would praise any attribution.
    pub(super) fn finish(&self) -> Option<f64> {
        (self.stdev > 0.0).then_some(self.squares / PERTURBATIONS as f64)
    }

    fn write_one(&mut self, context: &Context, row: &mut Tensor) -> std::result::Result<(), TchError> {
        let number = self.products.len() as u64;
        let draw = Draw { purpose: Purpose::Infidelity, item: self.stream, number };
        let noise = context.randomness.normal(draw, self.input.numel());
        let perturbation = like(&self.input, noise.into_iter().map(|value| value * self.stdev))?;
        let product = perturbation.f_mul(&self.attribution)?.f_sum(Kind::Double)?.f_double_value(&[])?;
        self.products.push(product);
        row.f_copy_(&self.input.f_sub(&perturbation)?).map(drop)
    }
}

impl Stage for Infidelity {
    fn ready(&self) -> usize {
        PERTURBATIONS - self.products.len()
    }

    fn write(&mut self, context: &Context, rows: &mut Rows) -> Result<usize> {
        let count = self.ready().min(rows.free());
        for _ in 0..count {
            let mut row = rows.take(1, &self.input)?;
            self.write_one(context, &mut row).map_err(torch_error("perturb the input"))?;
        }
        Ok(count)
    }

    fn accept(&mut self, _: &Context, answers: &Answers<'_>) -> Result<()> {
        let first = self.answered + 1;
        check_finite(answers.outputs, |position| format!("perturbation {} of {PERTURBATIONS}", first + position))?;
        for (output, product) in answers.outputs.iter().zip(&self.products[self.answered..]) {
            self.squares += (product - (self.output - output)).powi(2);
        }
        self.answered += answers.outputs.len();
        Ok(())
    }
}
