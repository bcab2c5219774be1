//! Rotary position embeddings (Su et al. 2021): pairs of a head's values are turned by the token's position times a frequency.

use serde_json::Value;

use super::fields::{Fields, unsupported};
use crate::domain::Result;

#[derive(Debug, Clone, PartialEq)]
pub(in crate::ml::language) struct Rotary {
    /// Values of a head that are turned; the others stay.
    pub(in crate::ml::language) size: usize,
    pub(in crate::ml::language) base: f64,
    pub(in crate::ml::language) scaling: Scaling,
}

/// How frequencies are stretched for texts longer than those of the first training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::ml::language) enum Scaling {
    None,
    /// All by the same factor.
    Linear {
        factor: f64,
    },
    /// Low frequencies by the factor, high ones not, those between by a mixture (Llama 3.1).
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        context: f64,
    },
}

impl Rotary {
    /// `rope_theta` and `rope_scaling`, or `rope_parameters` with both, as newer files have it.
    pub(super) fn read(fields: &Fields, base_field: &str, size: usize) -> Result<Self> {
        let parameters = fields.nested(&["rope_scaling", "rope_parameters"])?;
        let base = fields.positive_or(base_field, 10_000.0)?;
        let Some(parameters) = parameters else { return Ok(Self { size, base, scaling: Scaling::None }) };
        let base = parameters.positive_or("rope_theta", base)?;
        Ok(Self { size, base, scaling: Scaling::read(&parameters)? })
    }
}

impl Scaling {
    fn read(parameters: &Fields) -> Result<Self> {
        let kind = parameters.get("rope_type").or_else(|| parameters.get("type"));
        let factor = || parameters.positive_or("factor", 1.0);
        match kind.and_then(Value::as_str).unwrap_or("default") {
            "default" => Ok(Self::None),
            "linear" => Ok(Self::Linear { factor: factor()? }),
            "llama3" => Ok(Self::Llama3 {
                factor: factor()?,
                low: parameters.positive_or("low_freq_factor", 1.0)?,
                high: parameters.positive_or("high_freq_factor", 4.0)?,
                context: parameters.size("original_max_position_embeddings")? as f64,
            }),
            other => Err(unsupported("rope_scaling", format!("`{other}` is not implemented"))),
        }
    }
}
