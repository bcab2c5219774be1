//! Language models at work for a caller who waits: what they write, and what an answer rests on.

use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};

use super::classes::class_named;
use super::handle::Engine;
use super::requests::{AttributeTexts, GenerateText};
use super::sources::ModelUse;
use super::views::{AttributedTextItem, TextPiece};
use crate::device::work::{AttributedText, GenerateCall, TextAttributionCall};
use crate::domain::model::{TextSpec, TextTask};
use crate::domain::{Error, Result};
use crate::ml::language::{TextItem, TextQuestion};

impl Engine {
    /// Answers piece by piece. Clients take turns.
    ///
    /// # Errors
    /// What the request has wrong, before anything is computed; the stream ends with what goes wrong later.
    ///
    /// # Cancel safety
    /// Dropping the stream ends the work after its current token.
    pub async fn generate(
        &self,
        request: GenerateText,
        client: String,
    ) -> Result<impl Stream<Item = Result<TextPiece>> + Send + use<>> {
        self.core.check_ready()?;
        let GenerateText { model, input, options } = request;
        let model = self.core.find_model(&model).await?;
        match model.spec().check_takes_text()?.task {
            TextTask::Generate => {}
            TextTask::Classify => return Err(classifier()),
        }
        let call = GenerateCall { model: model.source.clone(), input, options, client };
        let pieces = ReceiverStream::new(model.device.generate(call)?);
        let version = model.version.name;
        Ok(pieces.map(move |piece| piece.map(|piece| TextPiece { version: version.clone(), piece })))
    }

    /// Answers text by text, in order, as they are ready. Clients take turns.
    ///
    /// # Errors
    /// What an input or an option has wrong, before anything is computed; what concerns one text alone is in its item.
    ///
    /// # Cancel safety
    /// Dropping the stream ends the work after its current step.
    pub async fn attribute_text(
        &self,
        request: AttributeTexts,
        client: String,
    ) -> Result<impl Stream<Item = AttributedTextItem> + Send + use<>> {
        self.core.check_ready()?;
        let AttributeTexts { model, inputs, options } = request;
        let model = self.core.find_model(&model).await?;
        let text = model.spec().check_takes_text()?.clone();
        let mut items = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.into_iter().enumerate() {
            let question = question(input.answer, &input.target_class, &model, &text)
                .map_err(|error| error.under(&format!("inputs[{index}]")))?;
            items.push(TextItem { input: input.input, question });
        }
        let call = TextAttributionCall { model: model.source.clone(), options, items, client };
        let answers = ReceiverStream::new(model.device.attribute_text(call)?);
        let version = model.version.name;
        Ok(answers.map(move |AttributedText { index, outcome }| AttributedTextItem {
            index: index as u32,
            version: version.clone(),
            outcome,
        }))
    }
}

fn classifier() -> Error {
    Error::failed_precondition("NOT_GENERATIVE", "this model tells classes and writes nothing; name one that generates")
}

/// What is explained, as far as this kind of model allows it.
fn question(answer: String, target_class: &str, model: &ModelUse, text: &TextSpec) -> Result<TextQuestion> {
    match (text.task, answer.is_empty(), target_class.is_empty()) {
        (TextTask::Generate, false, true) => Ok(TextQuestion::Answer(answer)),
        (TextTask::Generate, true, _) => {
            let description = "a model that generates is asked about an answer; give the one to explain";
            Err(Error::invalid("MISSING_FIELD", "answer", description))
        }
        (TextTask::Generate, false, false) => {
            Err(Error::invalid("FIELD_NOT_FOR_MODEL", "target_class", "this model has no classes; leave it out"))
        }
        (TextTask::Classify, false, _) => {
            Err(Error::invalid("FIELD_NOT_FOR_MODEL", "answer", "this model writes no answers; leave it out"))
        }
        (TextTask::Classify, true, true) => Ok(TextQuestion::Class(None)),
        (TextTask::Classify, true, false) => {
            let spec = model.spec();
            let class = class_named(target_class, &spec.class_names, spec.class_count);
            class.map(|class| TextQuestion::Class(Some(class))).map_err(|error| error.under("target_class"))
        }
    }
}
