//! Typed reads from `config.json`: each names the field, what it holds and what it may hold.

use serde_json::{Map, Value};

use crate::domain::{Error, Result};

/// No dimension of a model is larger: products of two fit into 64 bits with room to spare.
const LARGEST: u64 = 1 << 24;
const MOST_LAYERS: u64 = 1024;

#[derive(Debug)]
pub(super) struct Fields {
    values: Map<String, Value>,
}

impl Fields {
    pub(super) fn parse(json: &str) -> Result<Self> {
        match serde_json::from_str(json) {
            Ok(Value::Object(values)) => Ok(Self { values }),
            Ok(_) => Err(invalid("config.json", "is not a JSON object; use the model's own file")),
            Err(error) => {
                Err(invalid("config.json", "is not JSON; use the model's own file, whole").with_source(error))
            }
        }
    }

    /// The fields of a nested object; nothing where there is none.
    pub(super) fn nested(&self, names: &[&str]) -> Result<Option<Self>> {
        for &name in names {
            match self.get(name) {
                None => {}
                Some(Value::Object(values)) => return Ok(Some(Self { values: values.clone() })),
                Some(other) => return Err(self.wrong(name, other, "an object")),
            }
        }
        Ok(None)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the field is there, be it null.
    pub(super) fn states(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn size(&self, name: &str) -> Result<usize> {
        self.maybe_size(name)?.ok_or_else(|| missing(name))
    }

    pub(super) fn size_or(&self, name: &str, default: usize) -> Result<usize> {
        Ok(self.maybe_size(name)?.unwrap_or(default))
    }

    pub(super) fn maybe_size(&self, name: &str) -> Result<Option<usize>> {
        self.maybe_at_most(name, LARGEST)
    }

    /// A number of layers: of each something is kept before the weights are looked at.
    pub(super) fn layers(&self, name: &str) -> Result<usize> {
        self.maybe_at_most(name, MOST_LAYERS)?.ok_or_else(|| missing(name))
    }

    pub(super) fn maybe_at_most(&self, name: &str, most: u64) -> Result<Option<usize>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64().filter(|size| (1..=most).contains(size)) {
            Some(size) => Ok(Some(size as usize)),
            None => Err(self.wrong(name, value, &format!("a whole number from 1 to {most}"))),
        }
    }

    /// A finite number above 0.
    pub(super) fn positive_or(&self, name: &str, default: f64) -> Result<f64> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let number = value.as_f64().filter(|number| number.is_finite() && *number > 0.0);
        number.ok_or_else(|| self.wrong(name, value, "a finite number above 0"))
    }

    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.wrong(name, value, "true or false"))
    }

    pub(super) fn text_or<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.as_str().ok_or_else(|| self.wrong(name, value, "a text"))
    }

    /// A list of texts; empty where there is none.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let texts = value.as_array().and_then(|values| {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        texts.ok_or_else(|| self.wrong(name, value, "a list of texts"))
    }

    /// One token or a list of them; -1 and null stand for none.
    pub(super) fn tokens(&self, name: &str) -> Result<Vec<u32>> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let one = std::slice::from_ref(value);
        let values = value.as_array().map_or(one, Vec::as_slice).iter().filter(|value| value.as_i64() != Some(-1));
        let tokens = values.map(|value| value.as_u64().and_then(|token| u32::try_from(token).ok())).collect();
        Option::<Vec<u32>>::ok_or_else(tokens, || self.wrong(name, value, "a token or a list of tokens"))
    }

    /// Refuses an option that would change what the model computes in a way that is not implemented.
    pub(super) fn must_be(&self, name: &str, only: &Value) -> Result<()> {
        match self.get(name) {
            Some(value) if value != only => {
                Err(unsupported(name, format!("`{}` is not implemented, only `{only}` is", shorten(value))))
            }
            Some(_) | None => Ok(()),
        }
    }

    #[expect(clippy::unused_self, reason = "reads as what it is: a complaint about these fields")]
    fn wrong(&self, name: &str, value: &Value, wanted: &str) -> Error {
        invalid(name, &format!("is `{}`, {wanted} is needed", shorten(value)))
    }
}

fn missing(name: &str) -> Error {
    invalid(name, "is missing; use the model's own config.json")
}

pub(super) fn invalid(field: &str, problem: &str) -> Error {
    Error::invalid("INVALID_LANGUAGE_CONFIG", "uri", format!("config.json: `{field}` {problem}"))
}

pub(super) fn unsupported(field: &str, problem: impl AsRef<str>) -> Error {
    let description = format!("config.json: `{field}`: {}; use another model", problem.as_ref());
    Error::invalid("UNSUPPORTED_LANGUAGE_MODEL", "uri", description)
}

fn shorten(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}
