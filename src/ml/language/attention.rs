//! Attention (Vaswani et al. 2017, equation 1), with keys shared by groups of heads (Ainslie et al. 2023).

use tch::{Device, Kind, TchError, Tensor};

use super::cache::LayerCache;
use super::layout::Projections;
use super::linear::Linear;
use super::lora::Adapter;
use super::parts::Parts;
use super::pass::{Pass, View};
use crate::domain::Result;
use crate::ml::shim;
use crate::ml::torch::{mkl_is_fast, torch_error};

#[derive(Debug)]
pub(super) struct Attention {
    projection: Projection,
    attended: Linear,
    head_count: i64,
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
        let attended = look([&queries, &keys, &values], pass.view(self.window))?;
        let (rows, _, length, _) = attended.size4()?;
        attended.f_transpose(1, 2)?.f_reshape([rows, length, self.head_count * self.head_size])
    }
}

/// What queries `[N,H,T,head]` see of keys and values, which groups of them may share.
fn look([queries, keys, values]: [&Tensor; 3], view: &View) -> Result<Tensor, TchError> {
    let (mask, is_causal) = match view {
        View::All => (None, false),
        View::Before => (None, true),
        View::Masked(mask) => (Some(mask), false),
    };
    if mask.is_none() && !mkl_is_fast() && has_kernel([queries, keys, values]) {
        return shim::attention(queries, keys, values, is_causal);
    }
    let shares_keys = queries.size()[1] != keys.size()[1];
    Tensor::f_scaled_dot_product_attention(queries, keys, values, mask, 0.0, is_causal, None, shares_keys)
}

/// Products of bf16 in libtorch's attention are MKL's, which computes them in f32 where it is not at home.
fn has_kernel(heads: [&Tensor; 3]) -> bool {
    let fits = |tensor: &&Tensor| {
        tensor.kind() == Kind::BFloat16
            && tensor.device() == Device::Cpu
            && !tensor.requires_grad()
            && tensor.size().last().is_some_and(|size| size % 16 == 0 && *size <= 256)
    };
    shim::attention_supported() && heads.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As they come out of a linear layer: a token's heads side by side.
    fn heads([rows, count, tokens, size]: [i64; 4]) -> Tensor {
        let random = Tensor::randn([rows, tokens, count, size], (Kind::Float, Device::Cpu)) * 2.0;
        random.to_kind(Kind::BFloat16).transpose(1, 2)
    }

    #[test]
    fn the_kernel_for_bf16_is_attention() {
        if !shim::attention_supported() {
            println!("SKIPPED: the processor has no AVX512-BF16");
            return;
        }
        tch::manual_seed(11);
        for (rows, [count, shared], [queries, keys], size) in [
            (1, [9, 3], [512, 512], 64),
            (3, [4, 4], [1, 1], 16),
            (2, [6, 2], [49, 49], 80),
            (1, [2, 1], [130, 130], 256),
            (2, [8, 2], [5, 131], 32),
            (1, [2, 2], [48, 7], 128),
        ] {
            let query = heads([rows, count, queries, size]);
            let [key, value] = [heads([rows, shared, keys, size]), heads([rows, shared, keys, size])];
            for is_causal in [false, true] {
                if is_causal && queries != keys {
                    assert!(shim::attention(&query, &key, &value, true).is_err());
                    continue;
                }
                let found = shim::attention(&query, &key, &value, is_causal).unwrap().to_kind(Kind::Float);
                let [query, key, value] = [&query, &key, &value].map(|heads| heads.to_kind(Kind::Float));
                let expected = Tensor::scaled_dot_product_attention::<&Tensor>(
                    &query, &key, &value, None, 0.0, is_causal, None, true,
                );
                // Shares and results are rounded to 8 bits of fraction.
                let gap = (found - &expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[]);
                assert!(gap < 5e-3, "{rows} {count}/{shared} {queries}/{keys} {size} {is_causal}: {gap}");
            }
        }
    }

    #[test]
    fn what_the_kernel_does_not_take_is_refused_or_left_to_libtorch() {
        let [plain, odd] = [heads([1, 2, 4, 16]), heads([1, 2, 4, 24])];
        assert!(!has_kernel([&odd, &odd, &odd]) && !has_kernel([&plain, &plain, &plain.to_kind(Kind::Float)]));
        let trained = plain.to_kind(Kind::Float).set_requires_grad(true).to_kind(Kind::BFloat16);
        assert!(!has_kernel([&trained, &plain, &plain]) && shim::attention(&trained, &plain, &plain, true).is_err());
        assert!(
            shim::attention(&odd, &odd, &odd, true).is_err() && shim::attention(&plain, &odd, &odd, false).is_err()
        );
        assert!(look([&odd, &odd, &odd], &View::Before).is_ok());
    }

    #[test]
    fn what_is_no_number_stays_none() {
        if !shim::attention_supported() {
            println!("SKIPPED: the processor has no AVX512-BF16");
            return;
        }
        let [query, key, value] = [heads([1, 1, 20, 16]), heads([1, 1, 20, 16]), heads([1, 1, 20, 16])];
        let _ = key.select(2, 7).fill_(f64::NAN);
        let found = shim::attention(&query, &key, &value, true).unwrap();
        let nowhere = found.isnan().any_dim(-1, false).flatten(0, -1);
        let nowhere = Vec::<bool>::try_from(nowhere).unwrap();
        assert!(nowhere[..7].iter().all(|is_nan| !is_nan) && nowhere[7..].iter().all(|is_nan| *is_nan), "{nowhere:?}");
    }
}
