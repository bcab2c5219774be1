//! Which column of a Parquet file is what, and what Hugging Face's schema metadata says about them.
//!
//! The key `huggingface` holds `{"info": {"features": {"label": {"names": [..], "_type": "ClassLabel"}}}}`.

use arrow_schema::{DataType, Schema};
use serde_json::Value;

use crate::domain::{Error, Result};

use super::parquet::AskedColumns;

const IMAGE_NAMES: [&str; 3] = ["image", "img", "images"];
const LABEL_NAMES: [&str; 6] = ["label", "labels", "fine_label", "class", "target", "y"];

#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) image: String,
    pub(super) label: String,
    pub(super) label_is_text: bool,
    /// Further scalar columns.
    pub(super) others: Vec<String>,
    /// Of the label column, where the metadata has them.
    pub(super) class_names: Option<Vec<String>>,
}

impl Columns {
    pub(super) fn find(schema: &Schema, asked: AskedColumns<'_>) -> Result<Self> {
        let features = features(schema);
        let image = pick(schema, asked.image, "image_column", &IMAGE_NAMES, &holds_images)?;
        let is_class = |name: &str, kind: &DataType| name != image && (kind.is_integer() || is_text(kind));
        let class_labels: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .filter(|name| class_names(&features, name).is_some())
            .collect();
        let likely: Vec<&str> = LABEL_NAMES.iter().copied().chain(class_labels).collect();
        let label = pick(schema, asked.label, "label_column", &likely, &is_class)?;
        let others = schema
            .fields()
            .iter()
            .filter(|field| *field.name() != image && *field.name() != label && is_scalar(field.data_type()));
        Ok(Self {
            label_is_text: schema.field_with_name(&label).is_ok_and(|field| is_text(field.data_type())),
            class_names: class_names(&features, &label),
            others: others.map(|field| field.name().clone()).collect(),
            image,
            label,
        })
    }

    pub(super) fn all(&self) -> Vec<&str> {
        [&self.image, &self.label].into_iter().chain(&self.others).map(String::as_str).collect()
    }

    /// Whether another file of the dataset has the same columns.
    pub(super) fn check(&self, schema: &Schema, file: &str) -> Result<()> {
        let kind = |name: &str| schema.field_with_name(name).ok().map(|field| field.data_type());
        let image_fits = kind(&self.image).is_some_and(|kind| holds_images(&self.image, kind));
        let label_fits = kind(&self.label).is_some_and(|kind| kind.is_integer() || is_text(kind));
        let label_fits = label_fits && kind(&self.label).is_some_and(is_text) == self.label_is_text;
        if image_fits && label_fits && self.others.iter().all(|name| kind(name).is_some_and(is_scalar)) {
            return Ok(());
        }
        let why = format!(
            "{file} has other columns than the first one, whose image column is `{}` and label column `{}`",
            self.image, self.label
        );
        Err(Error::invalid("COLUMNS_DIFFER", "uri", why))
    }
}

/// The column that was asked for, else the first of `likely`, else the only one that fits.
fn pick(
    schema: &Schema,
    asked: Option<&str>,
    field: &str,
    likely: &[&str],
    fits: &dyn Fn(&str, &DataType) -> bool,
) -> Result<String> {
    let fitting: Vec<&str> = schema
        .fields()
        .iter()
        .filter(|field| fits(field.name(), field.data_type()))
        .map(|field| field.name().as_str())
        .collect();
    let found = match asked {
        Some(asked) => fitting.iter().find(|name| **name == asked),
        None => likely.iter().find_map(|wanted| fitting.iter().find(|name| *name == wanted)).or_else(|| match fitting
            .as_slice()
        {
            [only] if field == "image_column" => Some(only),
            _ => None,
        }),
    };
    found.map(|name| (*name).to_owned()).ok_or_else(|| not_found(schema, asked, field))
}

fn not_found(schema: &Schema, asked: Option<&str>, field: &str) -> Error {
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .take(20)
        .map(|field| format!("`{}` ({})", field.name(), short(field.data_type())))
        .collect();
    let wanted =
        if field == "image_column" { "JPEG or PNG bytes, alone or as {bytes, path}" } else { "integers or text" };
    let which = asked.map_or_else(|| "no column was found".to_owned(), |name| format!("`{name}` is no such column"));
    Error::invalid(
        "COLUMN_NOT_FOUND",
        field,
        format!("{which}; it must hold {wanted}; the columns are {}", columns.join(", ")),
    )
}

fn short(kind: &DataType) -> String {
    kind.to_string().chars().take(40).collect()
}

fn holds_images(_: &str, kind: &DataType) -> bool {
    let is_bytes = |kind: &DataType| matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    match kind.is_nested() {
        true => {
            matches!(kind, DataType::Struct(fields) if fields.find("bytes").is_some_and(|(_, field)| is_bytes(field.data_type())))
        }
        false => is_bytes(kind),
    }
}

fn is_scalar(kind: &DataType) -> bool {
    kind.is_numeric() || is_text(kind) || kind.is_temporal() || matches!(kind, DataType::Boolean)
}

pub(super) fn features(schema: &Schema) -> Value {
    let text = schema.metadata().get("huggingface").map_or("", String::as_str);
    let mut parsed: Value = serde_json::from_str(text).unwrap_or_default();
    parsed.pointer_mut("/info/features").map(Value::take).unwrap_or_default()
}

pub(super) fn class_names(features: &Value, column: &str) -> Option<Vec<String>> {
    let names = features.get(column)?.get("names")?.as_array()?;
    let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    names.filter(|names| !names.is_empty())
}

pub(super) fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        || matches!(kind, DataType::Dictionary(_, value) if is_text(value))
}
