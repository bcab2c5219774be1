//! Embeddings of chosen samples of a split, in their order.
//!
//! Where the whole split is cached, or at least half of it is asked for, the features of the whole split serve: they are what
//! head-scope training and evaluation need as well. Else a pass over the chosen samples alone is cheaper.

use std::sync::Arc;

use tch::{Device, Tensor};

use super::cache::ActivationCache;
use super::features::Features;
use super::pass::FeaturePass;
use crate::domain::Result;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::Precision;
use crate::ml::backbone::Backbone;
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::torch::{NoGrad, torch_error};

/// Activations of the penultimate layer, row after row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embeddings {
    pub dim: usize,
    pub values: Vec<f32>,
}

impl Embeddings {
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// The rows at `indices`, in that order.
    pub fn subset(&self, indices: &[usize]) -> Vec<f32> {
        indices.iter().flat_map(|index| &self.values[index * self.dim..][..self.dim]).copied().collect()
    }
}

/// One batch of the pass a step; the last step gathers.
#[derive(Debug)]
pub struct EmbedTask {
    pass: FeaturePass,
    /// Rows of the pass that are the answer; absent: all.
    rows: Option<Vec<usize>>,
}

impl EmbedTask {
    /// Whether features of the whole split are the way to those of `chosen` samples.
    pub fn takes_whole(
        backbone: &Backbone,
        whole: &Arc<dyn ImageSource>,
        chosen: usize,
        precision: Precision,
        cache: &ActivationCache,
    ) -> Result<bool> {
        Ok(chosen * 2 >= whole.len() || FeaturePass::is_cached(backbone, whole, precision, cache)?)
    }

    /// `source` is the whole split with the `rows` wanted, or just the samples wanted.
    pub fn new(
        backbone: &Backbone,
        source: Arc<dyn ImageSource>,
        rows: Option<Vec<usize>>,
        precision: Precision,
        cache: &ActivationCache,
    ) -> Result<Self> {
        Ok(Self { pass: FeaturePass::new(backbone, source, precision, Some(cache))?, rows })
    }
}

impl Task for EmbedTask {
    type Output = Embeddings;

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<Embeddings>> {
        match self.pass.step()? {
            None => Ok(Outcome::Continue),
            Some(features) => gather(&features, self.rows.as_deref()).map(Outcome::Done),
        }
    }

    fn position(&self) -> Position {
        self.pass.position()
    }
}

fn gather(features: &Features, rows: Option<&[usize]>) -> Result<Embeddings> {
    let _guard = NoGrad::enter();
    let read = || {
        let values = match rows {
            None => features.tensor().shallow_clone(),
            Some(rows) => {
                let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
                features.tensor().f_index_select(0, &Tensor::f_from_slice(&rows)?)?
            }
        };
        Vec::try_from(values.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?)
    };
    Ok(Embeddings { dim: features.dim(), values: read().map_err(torch_error("read activations"))? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::testing::{self, ToySource};

    #[test]
    fn chosen_rows_come_in_the_order_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ActivationCache::new(folder.path(), 1 << 20).unwrap();
        let backbone = Backbone::initialise(&testing::spec(3), 5, Device::Cpu).unwrap();
        let source: Arc<dyn ImageSource> = Arc::new(ToySource::new(20, 3, 1));
        let task = |rows| EmbedTask::new(&backbone, source.clone(), rows, Precision::F32, &cache).unwrap();
        assert!(!EmbedTask::takes_whole(&backbone, &source, 3, Precision::F32, &cache).unwrap());
        let embed = |mut task: EmbedTask| testing::complete(&mut task, &mut testing::Events::default()).unwrap();
        let all = embed(task(None));
        assert_eq!((all.rows(), all.dim), (20, backbone.feature_dim().unwrap()));
        let chosen = embed(task(Some(vec![7, 0, 19])));
        assert_eq!(chosen.values, all.subset(&[7, 0, 19]));
        assert!(EmbedTask::takes_whole(&backbone, &source, 3, Precision::F32, &cache).unwrap(), "it is cached now");
    }
}
