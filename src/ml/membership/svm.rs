//! The support-vector classifier (C-SVC: Cortes and Vapnik 1995) with linear and RBF kernels, as scikit-learn's `SVC`.

use super::features::Features;
use super::gram::Gram;
use super::smo::{Solution, solve};

const LANES: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kernel {
    /// x · y
    Linear,
    /// exp(−γ ‖x − y‖²)
    Rbf { gamma: f64 },
}

impl Kernel {
    fn value(self, left: &[f64], right: &[f64]) -> f64 {
        match self {
            Self::Linear => dot(left, right),
            Self::Rbf { gamma } => {
                let pairs = left.iter().zip(right);
                let distance: f64 = pairs.map(|(left, right)| (left - right) * (left - right)).sum();
                (-gamma * distance).exp()
            }
        }
    }
}

/// x · y, summed in lanes that a processor adds at once.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    sums.iter().sum::<f64>() + rest
}

#[derive(Debug, Clone)]
pub struct SupportVectorClassifier {
    kernel: Kernel,
    vectors: Features,
    /// y_t α_t of each vector.
    weights: Vec<f64>,
    intercept: f64,
    /// ½ αᵀQα − Σα at the solution.
    pub dual_objective: f64,
    /// Whether the tolerance was reached; if not, the answer is the best found.
    pub converged: bool,
}

impl SupportVectorClassifier {
    /// Fits to `features` with `member[i]` true for the positive side, until optimality is violated by less than `tolerance`
    /// (scikit-learn's `tol`). Both sides must be present.
    pub fn fit(features: &Features, member: &[bool], kernel: Kernel, c: f64, tolerance: f64) -> Self {
        debug_assert!(member.contains(&true) && member.contains(&false), "both sides are needed");
        let gram = Gram::new(features.len(), |s, t| kernel.value(features.row(s), features.row(t)));
        let Solution { weights, intercept, objective, converged } = solve(&gram, member, c, tolerance);
        let support: Vec<usize> = (0..weights.len()).filter(|index| weights[*index] != 0.0).collect();
        let weights = support.iter().map(|index| weights[*index]).collect();
        let (vectors, weights) = compact(kernel, features.subset(&support), weights);
        Self { kernel, vectors, weights, intercept, dual_objective: objective, converged }
    }

    /// Σ β K(vector, x) + b for every row; positive means member.
    pub fn decisions(&self, features: &Features) -> Vec<f64> {
        features.rows().map(|row| self.decision(row)).collect()
    }

    /// w and b of a linear fit: w·x + b is the decision.
    pub(in crate::ml) fn into_hyperplane(self) -> (Vec<f64>, f64) {
        debug_assert_eq!(self.kernel, Kernel::Linear, "only a linear kernel has a normal");
        (self.vectors.row(0).to_vec(), self.intercept)
    }

    fn decision(&self, row: &[f64]) -> f64 {
        let terms = self.vectors.rows().zip(&self.weights);
        terms.map(|(vector, weight)| weight * self.kernel.value(vector, row)).sum::<f64>() + self.intercept
    }
}

/// With the linear kernel all vectors are as good as their weighted sum.
fn compact(kernel: Kernel, vectors: Features, weights: Vec<f64>) -> (Features, Vec<f64>) {
    match kernel {
        Kernel::Rbf { .. } => (vectors, weights),
        Kernel::Linear => {
            let mut sum = vec![0.0; vectors.columns()];
            for (vector, weight) in vectors.rows().zip(&weights) {
                sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
            }
            (Features::new(sum.len(), sum), vec![1.0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rbf_kernel_learns_what_no_line_can() {
        let features = Features::new(2, vec![0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
        let member = [true, true, false, false];
        let fit = SupportVectorClassifier::fit(&features, &member, Kernel::Rbf { gamma: 1.0 }, 10.0, 1e-6);
        let predicted: Vec<bool> = fit.decisions(&features).iter().map(|decision| *decision > 0.0).collect();
        assert_eq!(predicted, member);
    }

    #[test]
    fn linear_kernel_keeps_one_weight_vector() {
        let features = Features::new(1, vec![2.0, 3.0, -2.0, -5.0]);
        let fit = SupportVectorClassifier::fit(&features, &[true, true, false, false], Kernel::Linear, 1.0, 1e-6);
        assert_eq!(fit.weights, [1.0]);
        assert!((fit.decisions(&features)[0] - 1.0).abs() < 1e-9);
    }
}
