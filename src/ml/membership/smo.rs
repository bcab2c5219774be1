//! The dual of the C-support-vector classifier by sequential minimal optimisation, equivalent to libsvm's.
//!
//! Minimises ½ Σ β_s β_t K_st − Σ |β_t| with Σ β_t = 0 and β_t between 0 and y_t C (β_t = y_t α_t). Each step moves the pair
//! chosen by second-order information (WSS2: Fan, Chen and Lin, JMLR 2005) until the largest violation is below the tolerance.
//! As most samples end at a bound, each round works on those alone that could still move (libsvm's shrinking), and the rest is
//! looked at again between rounds; the solution is the same.

use super::gram::Gram;

/// Curvature given to pairs of equal samples, as in libsvm.
const TAU: f64 = 1e-12;
/// A guard, in kernel values read: some seconds. The solution is feasible wherever it stops.
const WORK_LIMIT: usize = 2_000_000_000;

/// β, the intercept, and the value of the dual objective.
#[derive(Debug, Clone)]
pub struct Solution {
    pub weights: Vec<f64>,
    pub intercept: f64,
    pub objective: f64,
    pub converged: bool,
}

/// Solves the dual for `member[t]` true where y_t = 1.
pub fn solve(gram: &Gram, member: &[bool], c: f64, tolerance: f64) -> Solution {
    debug_assert_eq!(gram.size(), member.len(), "one side for each row");
    let mut state = State::new(gram, member, c);
    let mut work = WORK_LIMIT;
    while work > 0 && state.violating_pair(tolerance).is_some() {
        // A round without a move would be the same again: the numbers are too far apart for the tolerance.
        work = state.round(tolerance).map_or(0, |spent| work.saturating_sub(spent));
    }
    let converged = work > 0;
    Solution { intercept: state.intercept(), objective: state.objective(), weights: state.weights, converged }
}

struct State<'a> {
    gram: &'a Gram,
    weights: Vec<f64>,
    /// The bounds of each weight: [0, C] or [−C, 0].
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// y_t − Σ_s β_s K_st: how much the objective falls per unit that β_t grows.
    pull: Vec<f64>,
}

impl<'a> State<'a> {
    fn new(gram: &'a Gram, member: &[bool], c: f64) -> Self {
        Self {
            gram,
            weights: vec![0.0; gram.size()],
            lower: member.iter().map(|member| if *member { 0.0 } else { -c }).collect(),
            upper: member.iter().map(|member| if *member { c } else { 0.0 }).collect(),
            pull: member.iter().map(|member| if *member { 1.0 } else { -1.0 }).collect(),
        }
    }

    /// Moves pairs of the active samples until none violates optimality, or as often as there are samples. About how many
    /// kernel values that read; `None` where nothing moved.
    fn round(&mut self, tolerance: f64) -> Option<usize> {
        let active = self.active();
        let gram = self.gram.among(&active);
        let mut part = self.among(&gram, &active);
        let mut moves = 0;
        while moves < self.weights.len()
            && let Some((up, down)) = part.violating_pair(tolerance)
        {
            part.move_pair(up, down);
            moves += 1;
        }
        self.adopt(&active, &part.weights);
        (moves > 0).then(|| active.len() * (self.weights.len() + 2 * moves))
    }

    /// Samples that are free, or would leave their bound together with some other.
    fn active(&self) -> Vec<usize> {
        let (highest, lowest) = self.extremes();
        let could_grow = |t: usize| self.can_grow(t) && (self.can_fall(t) || self.pull[t] > lowest);
        let could_fall = |t: usize| self.can_fall(t) && (self.can_grow(t) || self.pull[t] < highest);
        (0..self.weights.len()).filter(|t| could_grow(*t) || could_fall(*t)).collect()
    }

    /// The highest pull of what can grow, and the lowest of what can fall.
    fn extremes(&self) -> (f64, f64) {
        let all = 0..self.weights.len();
        let growing = all.clone().filter(|t| self.can_grow(*t)).map(|t| self.pull[t]);
        let falling = all.filter(|t| self.can_fall(*t)).map(|t| self.pull[t]);
        (growing.fold(f64::NEG_INFINITY, f64::max), falling.fold(f64::INFINITY, f64::min))
    }

    /// The same state with the chosen samples alone; `gram` is theirs.
    fn among<'part>(&self, gram: &'part Gram, chosen: &[usize]) -> State<'part> {
        let pick = |values: &[f64]| chosen.iter().map(|t| values[*t]).collect();
        let (weights, pull) = (pick(&self.weights), pick(&self.pull));
        State { gram, weights, lower: pick(&self.lower), upper: pick(&self.upper), pull }
    }

    /// Takes the weights of the chosen samples over.
    fn adopt(&mut self, chosen: &[usize], weights: &[f64]) {
        for (index, weight) in chosen.iter().zip(weights) {
            let step = weight - self.weights[*index];
            self.weights[*index] = *weight;
            if step != 0.0 {
                self.pull.iter_mut().zip(self.gram.row(*index)).for_each(|(pull, value)| *pull -= step * value);
            }
        }
    }

    fn can_grow(&self, index: usize) -> bool {
        self.weights[index] < self.upper[index]
    }

    fn can_fall(&self, index: usize) -> bool {
        self.weights[index] > self.lower[index]
    }

    /// The pair to move: the one that most wants to grow, and of those that can fall the one with the largest gain.
    /// `None` when no pair violates optimality by the tolerance.
    fn violating_pair(&self, tolerance: f64) -> Option<(usize, usize)> {
        let (up, most) = self.most_pulled()?;
        let (row, own) = (self.gram.row(up), self.gram.diagonal()[up]);
        let (mut best, mut best_gain, mut least) = (up, 0.0, f64::INFINITY);
        let bounds = self.weights.iter().zip(&self.lower);
        let kernels = row.iter().zip(self.gram.diagonal());
        for (index, ((pull, (weight, lower)), (shared, other))) in self.pull.iter().zip(bounds).zip(kernels).enumerate()
        {
            if weight <= lower {
                continue;
            }
            least = least.min(*pull);
            let difference = most - pull;
            let gain = difference * difference / positive(own + other - 2.0 * shared);
            if difference > 0.0 && gain > best_gain {
                (best, best_gain) = (index, gain);
            }
        }
        (most - least >= tolerance && best != up).then_some((up, best))
    }

    /// The weight that can grow and most wants to, and its pull.
    fn most_pulled(&self) -> Option<(usize, f64)> {
        let (mut best, mut most) = (None, f64::NEG_INFINITY);
        let bounds = self.weights.iter().zip(&self.upper);
        for (index, (pull, (weight, upper))) in self.pull.iter().zip(bounds).enumerate() {
            if weight < upper && *pull > most {
                (best, most) = (Some(index), *pull);
            }
        }
        best.map(|index| (index, most))
    }

    fn curvature(&self, up: usize, down: usize) -> f64 {
        positive(self.gram.diagonal()[up] + self.gram.diagonal()[down] - 2.0 * self.gram.row(up)[down])
    }

    /// Moves weight from `down` to `up` to the minimum between them, or to the first bound (then exactly).
    fn move_pair(&mut self, up: usize, down: usize) {
        let best = (self.pull[up] - self.pull[down]) / self.curvature(up, down);
        let room_up = self.upper[up] - self.weights[up];
        let room_down = self.weights[down] - self.lower[down];
        let step = best.min(room_up).min(room_down);
        self.weights[up] = if step == room_up { self.upper[up] } else { self.weights[up] + step };
        self.weights[down] = if step == room_down { self.lower[down] } else { self.weights[down] - step };
        for ((pull, up), down) in self.pull.iter_mut().zip(self.gram.row(up)).zip(self.gram.row(down)) {
            *pull -= step * (up - down);
        }
    }

    /// The mean pull of free weights; without any, the middle of what the bounds allow.
    fn intercept(&self) -> f64 {
        let all = 0..self.weights.len();
        let free: Vec<f64> = all.filter(|t| self.can_grow(*t) && self.can_fall(*t)).map(|t| self.pull[t]).collect();
        if !free.is_empty() {
            return free.iter().sum::<f64>() / free.len() as f64;
        }
        let (highest, lowest) = self.extremes();
        (highest + lowest) / 2.0
    }

    /// ½ Σ β_t (Kβ)_t − Σ |β_t|, with (Kβ)_t = y_t − pull_t and β_t y_t = |β_t|.
    fn objective(&self) -> f64 {
        let terms = self.weights.iter().zip(&self.pull);
        terms.map(|(weight, pull)| -0.5 * (weight * pull + weight.abs())).sum()
    }
}

fn positive(curvature: f64) -> f64 {
    if curvature > 0.0 { curvature } else { TAU }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_samples_meet_in_the_middle() {
        let points = [1.0, -1.0];
        let solution = solve(&Gram::new(2, |s, t| points[s] * points[t]), &[true, false], 10.0, 1e-9);
        assert!((solution.weights[0] - 0.5).abs() < 1e-12 && (solution.weights[1] + 0.5).abs() < 1e-12);
        assert!(solution.intercept.abs() < 1e-12);
        assert!((solution.objective + 0.5).abs() < 1e-12);
    }

    #[test]
    fn equal_samples_of_both_sides_end_at_their_bounds() {
        let solution = solve(&Gram::new(4, |_, _| 1.0), &[true, true, false, false], 3.0, 1e-6);
        assert!(solution.converged);
        assert_eq!(solution.weights, [3.0, 3.0, -3.0, -3.0]);
        assert_eq!(solution.intercept, 0.0);
    }
}
