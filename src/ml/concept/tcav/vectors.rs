//! The vectors of TCAV's runs: concept against random, and random against random. They do not depend on a class.

use nalgebra::DMatrix;
use rand::seq::index::sample;
use rayon::prelude::*;

use crate::domain::concept::{ConceptActivations, TcavSpec};
use crate::domain::{Error, Result};
use crate::ml::concept::rows::{check, dot};
use crate::ml::interrupt::Interrupt;
use crate::ml::membership::gram::Gram;
use crate::ml::membership::smo::solve;
use crate::ml::random::{Purpose, stream};

/// Examples a side to learn a vector from, at most and at least.
const MOST_EXAMPLES: usize = 100;
const LEAST_EXAMPLES: usize = 5;
/// Of both kinds: a test needs variance.
const LEAST_RUNS: u32 = 2;
const C: f64 = 0.1;
/// libsvm's.
const TOLERANCE: f64 = 1e-3;
/// A shorter vector has no direction.
const LEAST_NORM: f64 = 1e-12;

/// Unit vectors of every run.
#[derive(Debug, Clone)]
pub struct Vectors {
    /// For each concept its runs; `None` with too few examples, or examples that nothing tells from random ones.
    pub(super) concepts: Vec<Option<Vec<Vec<f64>>>>,
    pub(super) random: Vec<Vec<f64>>,
    pub(super) alpha: f64,
    pub(super) pooled_variance: bool,
}

impl Vectors {
    /// Learns from the positives of each concept and a pool of random activations `[m, dim]`. A run's draw depends on the seed,
    /// the concept's place and the run alone.
    pub fn learn(
        concepts: &[&ConceptActivations],
        pool: &[f32],
        dim: usize,
        spec: &TcavSpec,
        seed: u64,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        check_inputs(concepts, pool, dim, spec)?;
        let learner = Learner { pool: Table { values: pool, dim }, seed, interrupt };
        let positives = concepts.iter().map(|concept| Table { values: &concept.positives, dim });
        let learnt =
            positives.enumerate().map(|(concept, table)| learner.concept(concept as u64 + 1, table, spec.runs));
        let concepts = learnt.collect::<Result<_>>()?;
        let random = learner.random(spec.random_sets)?;
        if random.len() < LEAST_RUNS as usize {
            return Err(identical_pool());
        }
        Ok(Self { concepts, random, alpha: spec.alpha, pooled_variance: spec.pooled_variance })
    }
}

fn check_inputs(concepts: &[&ConceptActivations], pool: &[f32], dim: usize, spec: &TcavSpec) -> Result<()> {
    check(pool, dim, "random activations")?;
    for (index, concept) in concepts.iter().enumerate() {
        check(&concept.positives, dim, &format!("examples of concept {index}"))?;
    }
    for (field, runs) in [("tcav.runs", spec.runs), ("tcav.random_sets", spec.random_sets)] {
        if runs < LEAST_RUNS {
            let description = format!("{runs} leave a test without variance; ask for {LEAST_RUNS} or more");
            return Err(Error::invalid("TOO_FEW_RUNS", field, description));
        }
    }
    let (rows, least) = (pool.len() / dim, 2 * LEAST_EXAMPLES);
    if rows < least {
        let message = format!("TCAV draws random sets from {rows} samples and needs {least}; give it more samples");
        return Err(Error::failed_precondition("TOO_FEW_SAMPLES", message));
    }
    Ok(())
}

fn identical_pool() -> Error {
    let message = "the random samples of TCAV all have the same activations; the model or the data are degenerate";
    Error::invalid("DEGENERATE_FEATURES", "", message)
}

#[derive(Clone, Copy)]
struct Table<'a> {
    values: &'a [f32],
    dim: usize,
}

impl Table<'_> {
    fn len(self) -> usize {
        self.values.len() / self.dim
    }

    fn row(self, index: usize) -> Vec<f64> {
        self.values[index * self.dim..][..self.dim].iter().copied().map(f64::from).collect()
    }
}

struct Learner<'a> {
    pool: Table<'a>,
    seed: u64,
    interrupt: &'a Interrupt,
}

impl Learner<'_> {
    /// Runs of a concept; each draws its examples and as many random activations.
    fn concept(&self, place: u64, positives: Table<'_>, runs: u32) -> Result<Option<Vec<Vec<f64>>>> {
        let side = self.side().min(positives.len());
        if side < LEAST_EXAMPLES {
            return Ok(None);
        }
        let run = |run| {
            self.interrupt.check()?;
            let mut stream = stream(self.seed, Purpose::ConceptTest, place << 32 | u64::from(run));
            let shown = sample(&mut stream, positives.len(), side).into_iter().map(|row| positives.row(row)).collect();
            let random = sample(&mut stream, self.pool.len(), side).into_iter().map(|row| self.pool.row(row)).collect();
            Ok(separator(shown, random))
        };
        let vectors: Vec<Vec<f64>> =
            (0..runs).into_par_iter().map(run).filter_map(Result::transpose).collect::<Result<_>>()?;
        Ok((vectors.len() >= LEAST_RUNS as usize).then_some(vectors))
    }

    /// Vectors between two random sets that share no sample.
    fn random(&self, sets: u32) -> Result<Vec<Vec<f64>>> {
        let side = self.side();
        let run = |run| {
            self.interrupt.check()?;
            let mut stream = stream(self.seed, Purpose::ConceptTest, u64::from(run));
            let drawn = sample(&mut stream, self.pool.len(), 2 * side);
            let mut rows: Vec<Vec<f64>> = drawn.into_iter().map(|row| self.pool.row(row)).collect();
            let others = rows.split_off(side);
            Ok(separator(rows, others))
        };
        (0..sets).into_par_iter().map(run).filter_map(Result::transpose).collect()
    }

    fn side(&self) -> usize {
        MOST_EXAMPLES.min(self.pool.len() / 2)
    }
}

/// The unit normal of the support-vector classifier between two sides; `None` where nothing separates them.
fn separator(shown: Vec<Vec<f64>>, random: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let member: Vec<bool> = (0..shown.len() + random.len()).map(|row| row < shown.len()).collect();
    let rows = [shown, random].concat();
    let columns = DMatrix::from_iterator(rows[0].len(), rows.len(), rows.iter().flatten().copied());
    let products = columns.transpose() * &columns;
    let gram = Gram::new(rows.len(), |left, right| products[(left, right)]);
    let weights = solve(&gram, &member, C, TOLERANCE).weights;
    let mut normal = vec![0.0; rows[0].len()];
    for (row, weight) in rows.iter().zip(weights).filter(|(_, weight)| *weight != 0.0) {
        normal.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
    }
    let norm = dot(&normal, &normal).sqrt();
    (norm > LEAST_NORM).then(|| normal.iter().map(|value| value / norm).collect())
}
