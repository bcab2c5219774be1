//! All samples of a run: the forgotten ones first, without those that nothing is asked of.

use sha2::{Digest, Sha256};

use super::sample::{Target, TextSample};
use crate::domain::{Error, Result};
use crate::ml::language::config::{LanguageConfig, LanguageTask};

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) samples: Vec<TextSample>,
    pub(super) forget_count: usize,
    /// Samples that were left out because no token of theirs is labelled.
    pub(super) skipped: usize,
}

impl Pool {
    pub(super) fn new(config: &LanguageConfig, forget: Vec<TextSample>, retain: Vec<TextSample>) -> Result<Self> {
        let given = forget.len() + retain.len();
        let scored = |samples: Vec<TextSample>| samples.into_iter().filter(|sample| sample.scored_count() > 0);
        let mut samples: Vec<TextSample> = scored(forget).collect();
        let forget_count = samples.len();
        samples.extend(scored(retain));
        samples.iter().try_for_each(|sample| check(config, sample))?;
        match samples.is_empty() {
            true => Err(Error::failed_precondition(
                "EMPTY_TRAINING_SET",
                format!("none of {given} examples has a labelled token; raise the cutoff or give answers"),
            )),
            false => Ok(Self { skipped: given - samples.len(), samples, forget_count }),
        }
    }

    pub(super) fn is_forget(&self, sample: usize) -> bool {
        sample < self.forget_count
    }

    pub(super) fn fingerprint(&self) -> Result<String> {
        let text = serde_json::to_vec(&(&self.samples, self.forget_count))
            .map_err(|error| Error::internal("failed to name the training set").with_source(error))?;
        Ok(format!("{:x}", Sha256::digest(text)))
    }
}

fn check(config: &LanguageConfig, sample: &TextSample) -> Result<()> {
    if sample.tokens.len() > config.context() {
        let (length, context) = (sample.tokens.len(), config.context());
        let description = format!("an example has {length} tokens and the model reads {context}; shorten it");
        return Err(Error::invalid("CONTEXT_EXCEEDED", "tokens", description));
    }
    match (&sample.target, config.task()) {
        (Target::Labelled(flags), LanguageTask::Causal) if flags.len() == sample.tokens.len() => Ok(()),
        (Target::Labelled(flags), LanguageTask::Causal) => {
            Err(Error::internal(format!("{} labels for {} tokens", flags.len(), sample.tokens.len())))
        }
        (Target::Class(class), LanguageTask::Classify { labels }) if (*class as usize) < labels.len() => Ok(()),
        (Target::Class(class), LanguageTask::Classify { labels }) => Err(Error::invalid(
            "UNKNOWN_CLASS",
            "label",
            format!("the model has classes 0 to {}, got {class}", labels.len().saturating_sub(1)),
        )),
        (Target::Labelled(_), LanguageTask::Classify { .. }) | (Target::Class(_), LanguageTask::Causal) => {
            Err(Error::invalid(
                "TASK_MISMATCH",
                "dataset",
                "a classifier learns labelled texts and a generating model prompts with answers; give the other kind of data",
            ))
        }
    }
}
