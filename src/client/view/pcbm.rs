//! The sparse layer from concepts to classes, beside the model itself.

use serde::Serialize;

use crate::client::table;
use crate::pb::v1::concept_report as wire;

#[derive(Debug, Serialize)]
pub(crate) struct PcbmView {
    pub(crate) sample_count: i64,
    pub(crate) train: Option<ShareView>,
    pub(crate) test: Option<ShareView>,
    /// Of the model itself on the same samples.
    pub(crate) model_train: Option<ShareView>,
    pub(crate) model_test: Option<ShareView>,
    /// With the residual on the embedding.
    pub(crate) residual_train: Option<ShareView>,
    pub(crate) residual_test: Option<ShareView>,
    pub(crate) completeness: f64,
    pub(crate) nonzero_count: i64,
    pub(crate) kkt_residual: f64,
    pub(crate) iterations: u32,
    pub(crate) converged: bool,
    /// Rows are classes, columns the bank's concepts.
    pub(crate) weights: Vec<Vec<f64>>,
    pub(crate) biases: Vec<f64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ShareView {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) total: i64,
}

impl PcbmView {
    pub(super) fn of(pcbm: &wire::Pcbm) -> Self {
        let share = |share: Option<wire::Share>| share.map(ShareView::of);
        Self {
            sample_count: pcbm.sample_count,
            train: share(pcbm.train),
            test: share(pcbm.test),
            model_train: share(pcbm.model_train),
            model_test: share(pcbm.model_test),
            residual_train: share(pcbm.residual_train),
            residual_test: share(pcbm.residual_test),
            completeness: pcbm.completeness,
            nonzero_count: pcbm.nonzero_count,
            kkt_residual: pcbm.kkt_residual,
            iterations: pcbm.iterations,
            converged: pcbm.converged,
            weights: rows(&pcbm.weights, pcbm.biases.len()),
            biases: pcbm.biases.clone(),
        }
    }

    /// Name and value, absent ones empty.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let share = |share: Option<ShareView>| share.map(ShareView::text).unwrap_or_default();
        let weights: usize = self.weights.iter().map(Vec::len).sum();
        let converged = if self.converged { "" } else { ", not converged" };
        vec![
            ("accuracy by concepts, train", share(self.train)),
            ("accuracy by concepts, test", share(self.test)),
            ("with the residual, train", share(self.residual_train)),
            ("with the residual, test", share(self.residual_test)),
            ("accuracy of the model, train", share(self.model_train)),
            ("accuracy of the model, test", share(self.model_test)),
            ("completeness", table::percent(self.completeness)),
            ("weights that are not 0", format!("{} of {weights}{converged}", self.nonzero_count)),
        ]
    }
}

impl ShareView {
    fn of(share: wire::Share) -> Self {
        let wire::Share { value, low, high, total } = share;
        Self { value, low, high, total }
    }

    fn text(self) -> String {
        table::percent_within(self.value, self.low, self.high)
    }
}

/// Row by row; empty when there are no rows of one length.
fn rows(values: &[f64], count: usize) -> Vec<Vec<f64>> {
    if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
        return Vec::new();
    }
    values.chunks(values.len() / count).map(<[f64]>::to_vec).collect()
}
