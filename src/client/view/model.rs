//! Models.

use serde::Serialize;

use super::{View, rfc3339, some};
use crate::client::words::Words;
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct ModelView {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) format: &'static str,
    pub(crate) architecture: Option<String>,
    pub(crate) class_count: u32,
    pub(crate) class_names: Vec<String>,
    pub(crate) preprocessing: Option<PreprocessingView>,
    /// Of a language model.
    pub(crate) text: Option<TextModelView>,
    pub(crate) device: String,
    pub(crate) served_version: String,
    pub(crate) version_count: u32,
    pub(crate) resident_bytes: u64,
    pub(crate) create_time: Option<String>,
    pub(crate) etag: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct TextModelView {
    pub(crate) task: &'static str,
    pub(crate) vocabulary_size: u32,
    pub(crate) context: u32,
    pub(crate) hidden_size: u32,
    pub(crate) layers: u32,
    pub(crate) has_chat_template: bool,
}

impl TextModelView {
    fn of(text: &v1::TextModel) -> Self {
        Self {
            task: text.task().word(),
            vocabulary_size: text.vocabulary_size,
            context: text.context,
            hidden_size: text.hidden_size,
            layers: text.layers,
            has_chat_template: text.has_chat_template,
        }
    }

    fn text(&self) -> String {
        let chat = if self.has_chat_template { ", chat template" } else { "" };
        let Self { context, vocabulary_size, layers, hidden_size, .. } = self;
        format!("text of {context} tokens at most, {vocabulary_size} known; {layers} layers of {hidden_size}{chat}")
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct PreprocessingView {
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) channels: u32,
    pub(crate) mean: Vec<f32>,
    pub(crate) std: Vec<f32>,
    pub(crate) layout: &'static str,
    pub(crate) resize: &'static str,
}

impl ModelView {
    pub(crate) fn of(model: &v1::Model) -> Self {
        Self {
            name: model.name.clone(),
            state: model.state().word(),
            format: model.format().word(),
            architecture: some(&model.architecture),
            class_count: model.class_count,
            class_names: model.class_names.clone(),
            preprocessing: model.preprocessing.as_ref().map(PreprocessingView::of),
            text: model.text.as_ref().map(TextModelView::of),
            device: model.device.clone(),
            served_version: model.served_version.clone(),
            version_count: model.version_count,
            resident_bytes: model.resident_bytes,
            create_time: rfc3339(model.create_time.as_ref()),
            etag: model.etag.clone(),
        }
    }
}

impl PreprocessingView {
    fn of(preprocessing: &v1::Preprocessing) -> Self {
        Self {
            height: preprocessing.height,
            width: preprocessing.width,
            channels: preprocessing.channels,
            mean: preprocessing.mean.clone(),
            std: preprocessing.std.clone(),
            layout: preprocessing.layout().word(),
            resize: match preprocessing.resize() {
                v1::preprocessing::Resize::Unspecified => "refuse",
                v1::preprocessing::Resize::Bilinear => "bilinear",
            },
        }
    }

    fn text(&self) -> String {
        format!(
            "{}×{}×{}, mean {:?}, std {:?}, {}, other sizes: {}",
            self.height, self.width, self.channels, self.mean, self.std, self.layout, self.resize
        )
    }
}

impl ModelView {
    fn input(&self) -> String {
        let text = self.text.as_ref().map(TextModelView::text);
        text.or_else(|| self.preprocessing.as_ref().map(PreprocessingView::text)).unwrap_or_default()
    }
}

impl View for ModelView {
    fn text(&self) -> String {
        table::pairs(&[
            ("model", self.name.clone()),
            ("state", self.state.to_owned()),
            ("kind", self.architecture.clone().unwrap_or_else(|| self.format.to_owned())),
            ("classes", format!("{} {}", self.class_count, self.class_names.join(", ")).trim_end().to_owned()),
            ("input", self.input()),
            ("device", self.device.clone()),
            ("serves", names::short(&self.served_version)),
            ("versions", self.version_count.to_string()),
            ("in memory", table::bytes(self.resident_bytes)),
            ("created", table::time(self.create_time.as_deref())),
        ])
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelList {
    pub(crate) models: Vec<ModelView>,
}

impl View for ModelList {
    fn text(&self) -> String {
        let mut table = table::new(&["model", "state", "kind", "classes", "serves", "versions", "device", "in memory"]);
        for model in &self.models {
            table.add_row([
                names::short(&model.name),
                model.state.to_owned(),
                model.architecture.clone().unwrap_or_else(|| model.format.to_owned()),
                model.class_count.to_string(),
                names::short(&model.served_version),
                model.version_count.to_string(),
                model.device.clone(),
                table::bytes(model.resident_bytes),
            ]);
        }
        table::text(&table)
    }
}
