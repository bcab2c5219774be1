//! What can be asked of which model about which examples.

use std::sync::Arc;

use crate::domain::text::{TextForm, TextSource};
use crate::domain::{Error, Result};
use crate::ml::language::{LanguageTask, Reader};

/// Positions are those of the source.
pub(super) fn positions(texts: &Arc<dyn TextSource>, positions: &[usize]) -> Result<()> {
    match positions.iter().all(|&position| position < texts.len()) {
        true => Ok(()),
        false => Err(Error::internal("positions do not fit the split")),
    }
}

/// Only a model that writes says how likely a text is.
pub(super) fn writes(reader: &Reader) -> Result<()> {
    match reader.language().model().config().task() {
        LanguageTask::Causal => Ok(()),
        LanguageTask::Classify { .. } => Err(Error::failed_precondition(
            "NOT_GENERATIVE",
            "the model classifies texts and neither writes answers nor scores them; use a causal language model",
        )),
    }
}

/// Labelled texts need words for their classes.
pub(super) fn has_answers(reader: &Reader, texts: &Arc<dyn TextSource>) -> Result<()> {
    writes(reader)?;
    match (texts.form(), reader.verbaliser()) {
        (TextForm::Labelled, None) => Err(mismatch("has labelled texts without names of classes; name the classes")),
        (TextForm::Labelled, Some(_)) | (TextForm::Completion | TextForm::Chat | TextForm::Plain, _) => Ok(()),
    }
}

/// How many classes there are to score.
///
/// # Errors
/// `TASK_MISMATCH` for texts without labels; `TOO_FEW_CLASSES`; `CLASS_COUNT_MISMATCH` for a label beyond them.
pub(super) fn classes(reader: &Reader, texts: &Arc<dyn TextSource>, labels: &[u32]) -> Result<usize> {
    if texts.form() != TextForm::Labelled {
        let description = format!("has {} and no labels, so there are no classes to score", texts.form());
        return Err(mismatch(&description));
    }
    let count = match (reader.language().model().config().task(), reader.verbaliser()) {
        (LanguageTask::Classify { labels }, _) => labels.len(),
        (LanguageTask::Causal, Some(verbaliser)) => verbaliser.names().len(),
        (LanguageTask::Causal, None) => return has_answers(reader, texts).map(|()| 0),
    };
    if count < 2 {
        return Err(Error::invalid("TOO_FEW_CLASSES", "", format!("{count} classes; at least two are needed")));
    }
    let Some(index) = labels.iter().position(|&label| label as usize >= count) else { return Ok(count) };
    let message = format!("sample {index} has class {} but there are {count} classes", labels[index]);
    Err(Error::failed_precondition("CLASS_COUNT_MISMATCH", message))
}

fn mismatch(description: &str) -> Error {
    Error::invalid("TASK_MISMATCH", "dataset", description)
}
