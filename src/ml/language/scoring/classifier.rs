//! Logits of a classifier: a batch of texts of like length, some blocks a step.

use tch::{Device, Kind, TchError, Tensor};

use super::classes::too_long;
use super::limits::Limits;
use super::scan::Question;
use crate::domain::Result;
use crate::domain::text::TextExample;
use crate::ml::language::{Pass, Reader};
use crate::ml::text::Outcome;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct Classes {
    pub(super) limits: Limits,
}

/// Texts between two blocks.
#[derive(Debug)]
pub(super) struct ClassBatch {
    hidden: Tensor,
    pass: Pass,
    block: usize,
    tokens: usize,
}

impl Question for Classes {
    type Item = Vec<u32>;
    type Batch = ClassBatch;
    type Answer = Vec<f32>;

    const STAGE: &'static str = "predict";

    fn encode(&self, reader: &Reader, example: &TextExample) -> Result<Vec<Vec<u32>>> {
        match reader.encoder().encode(example)? {
            Outcome::Encoded(encoded) => Ok(vec![encoded.tokens]),
            Outcome::Skipped => Err(too_long()),
        }
    }

    fn length(tokens: &Vec<u32>) -> usize {
        tokens.len()
    }

    fn rows(&self, length: usize) -> usize {
        self.limits.rows(length).min(self.limits.columns(length))
    }

    fn begin(&self, reader: &Reader, texts: Vec<Vec<u32>>) -> Result<ClassBatch> {
        let model = reader.language().model();
        let (tokens, mask) = padded(&texts).map_err(torch_error("make a batch"))?;
        let (hidden, pass) = model.begin(&model.embed(&tokens)?, Some(&mask))?;
        Ok(ClassBatch { hidden, pass, block: 0, tokens: tokens.numel() })
    }

    fn advance(&self, reader: &Reader, batch: &mut ClassBatch) -> Result<Option<Vec<Vec<f32>>>> {
        let (model, adapter) = (reader.language().model(), reader.language().adapter().map(AsRef::as_ref));
        let depth = model.config().layer_count();
        let count = (depth * self.limits.step_tokens / batch.tokens.max(1)).max(1);
        let end = depth.min(batch.block + count);
        for block in batch.block..end {
            batch.hidden = model.block(block, &batch.hidden, &batch.pass, adapter)?;
        }
        batch.block = end;
        if end < depth {
            return Ok(None);
        }
        let logits = model.head(&model.finish(&batch.hidden)?, adapter)?;
        rows(&logits).map(Some).map_err(torch_error("read the logits"))
    }
}

/// Tokens and mask `[N,T]`, padded on the right.
fn padded(texts: &[Vec<u32>]) -> Result<(Tensor, Tensor), TchError> {
    let length = texts.iter().map(Vec::len).max().unwrap_or_default();
    let values = |value: &dyn Fn(u32) -> i64| {
        let row = |text: &Vec<u32>| {
            let padding = std::iter::repeat_n(0, length - text.len());
            text.iter().map(|&token| value(token)).chain(padding).collect::<Vec<i64>>()
        };
        let values: Vec<i64> = texts.iter().flat_map(row).collect();
        Tensor::f_from_slice(&values)?.f_view([texts.len() as i64, length as i64])
    };
    Ok((values(&i64::from)?, values(&|_| 1)?))
}

fn rows(logits: &Tensor) -> Result<Vec<Vec<f32>>, TchError> {
    let width = logits.size()[1].unsigned_abs() as usize;
    let values: Vec<f32> =
        Vec::try_from(logits.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view(-1)?)?;
    Ok(values.chunks(width.max(1)).map(<[f32]>::to_vec).collect())
}
