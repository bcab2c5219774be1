//! Attention (Vaswani et al. 2017, equation 1), with keys shared by groups of heads (Ainslie et al. 2023).

use tch::{TchError, Tensor};

use super::cache::LayerCache;
use super::layout::Projections;
use super::linear::Linear;
use super::lora::Adapter;
use super::parts::Parts;
use super::pass::{Pass, View};
use crate::domain::Result;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct Attention {
    projection: Projection,
    attended: Linear,
    head_count: i64,
    key_head_count: i64,
    head_size: i64,
    window: Option<usize>,
}

#[derive(Debug)]
enum Projection {
    Separate(Box<[Linear; 3]>),
    Stacked(Linear),
    Interleaved(Linear),
}

impl Attention {
    pub(super) fn new(parts: &Parts, block: usize) -> Result<Self> {
        let paths = parts.config.paths();
        let linear = |name: &str| parts.linear_of(block, name);
        Ok(Self {
            projection: match paths.projections {
                Projections::Separate([query, key, value]) => {
                    Projection::Separate(Box::new([linear(query)?, linear(key)?, linear(value)?]))
                }
                Projections::Stacked(name) => Projection::Stacked(linear(name)?),
                Projections::Interleaved(name) => Projection::Interleaved(linear(name)?),
            },
            attended: linear(paths.attended)?,
            head_count: parts.config.head_count as i64,
            key_head_count: parts.config.key_head_count as i64,
            head_size: parts.config.head_size as i64,
            window: parts.config.windows[block],
        })
    }

    /// `[N,T,D]` to `[N,T,D]`; the cache takes the new keys and values.
    pub(super) fn forward(
        &self,
        hidden: &Tensor,
        pass: &Pass,
        cache: Option<&mut LayerCache>,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor> {
        let [queries, keys, values] = self.project(hidden, adapter)?;
        let attended = self.attend(&queries, &keys, &values, pass, cache).map_err(torch_error("attend"))?;
        self.attended.forward(&attended, adapter)
    }

    /// Queries, keys and values `[N,H,T,head]`.
    fn project(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<[Tensor; 3]> {
        let failed = torch_error("split the heads");
        match &self.projection {
            Projection::Separate(layers) => {
                let [query, key, value] = layers.as_ref();
                let part = |layer: &Linear| self.heads(&layer.forward(hidden, adapter)?).map_err(&failed);
                Ok([part(query)?, part(key)?, part(value)?])
            }
            Projection::Stacked(layer) => self.stacked(&layer.forward(hidden, adapter)?).map_err(failed),
            Projection::Interleaved(layer) => self.interleaved(&layer.forward(hidden, adapter)?).map_err(failed),
        }
    }

    fn heads(&self, projected: &Tensor) -> Result<Tensor, TchError> {
        let (rows, length, _) = projected.size3()?;
        projected.f_reshape([rows, length, -1, self.head_size])?.f_transpose(1, 2)
    }

    fn stacked(&self, projected: &Tensor) -> Result<[Tensor; 3], TchError> {
        let size = self.head_count * self.head_size;
        let part = |position: i64| self.heads(&projected.f_narrow(-1, position * size, size)?);
        Ok([part(0)?, part(1)?, part(2)?])
    }

    fn interleaved(&self, projected: &Tensor) -> Result<[Tensor; 3], TchError> {
        let (rows, length, _) = projected.size3()?;
        let all = projected.f_reshape([rows, length, self.head_count, 3 * self.head_size])?.f_transpose(1, 2)?;
        let part = |position: i64| all.f_narrow(-1, position * self.head_size, self.head_size);
        Ok([part(0)?, part(1)?, part(2)?])
    }

    fn attend(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        pass: &Pass,
        cache: Option<&mut LayerCache>,
    ) -> Result<Tensor, TchError> {
        let turn = |heads: &Tensor| match &pass.rotation {
            Some(rotation) => rotation.apply(heads),
            None => Ok(heads.shallow_clone()),
        };
        let (queries, keys) = (turn(queries)?, turn(keys)?);
        let (keys, values) = match cache {
            Some(cache) => cache.extend(&keys, values)?,
            None => (keys, values.shallow_clone()),
        };
        let (mask, is_causal) = match pass.view(self.window) {
            View::All => (None, false),
            View::Before => (None, true),
            View::Masked(mask) => (Some(mask), false),
        };
        let shares_keys = self.key_head_count != self.head_count;
        let attended =
            Tensor::f_scaled_dot_product_attention(&queries, &keys, &values, mask, 0.0, is_causal, None, shares_keys)?;
        let (rows, _, length, _) = attended.size4()?;
        attended.f_transpose(1, 2)?.f_reshape([rows, length, self.head_count * self.head_size])
    }
}
