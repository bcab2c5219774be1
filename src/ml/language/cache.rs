//! Keys and values of the tokens that a generation has seen.

use tch::{Device, Kind, TchError, Tensor};

use super::config::LanguageConfig;

/// Of one layer, `[N,H,capacity,head]`, of which the first `length` places are filled.
#[derive(Debug)]
pub(super) struct LayerCache {
    keys: Tensor,
    values: Tensor,
    length: i64,
}

impl LayerCache {
    /// Empty, for each layer of a model.
    pub(super) fn of_model(
        config: &LanguageConfig,
        rows: usize,
        capacity: usize,
        options: (Kind, Device),
    ) -> Result<Vec<Self>, TchError> {
        let size = [rows, config.key_head_count, capacity, config.head_size].map(|size| size as i64);
        let empty = || Tensor::f_empty(size, options);
        let layer = |_| Ok(Self { keys: empty()?, values: empty()?, length: 0 });
        (0..config.layer_count()).map(layer).collect()
    }

    /// Adds those of new tokens and gives all.
    pub(super) fn extend(&mut self, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        let new = keys.size()[2];
        self.keys.f_narrow(2, self.length, new)?.f_copy_(keys)?;
        self.values.f_narrow(2, self.length, new)?.f_copy_(values)?;
        self.length += new;
        Ok((self.keys.f_narrow(2, 0, self.length)?, self.values.f_narrow(2, 0, self.length)?))
    }

    /// Forgets all but the first `length` places.
    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length as i64);
    }
}
