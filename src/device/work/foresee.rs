//! Looks ahead: what work would need, and whether it can ever have it.

use crate::device::demand::Demand;
use crate::device::ledger::Need;
use crate::device::{DeviceHandle, ModelSource, Residents};
use crate::domain::Result;
use crate::domain::text::{TextExample, TextOptions};
use crate::ml::language::Reader;

/// What the most demanding of several pieces of work comes to, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Foresight {
    /// The version itself included, unless it stays loaded anyway.
    pub need: u64,
    /// What there is when everything else has ended.
    pub at_best: u64,
    /// Where it does not fit and a batch decides: the largest that would; 0: none.
    pub fitting_batch: Option<usize>,
}

/// Examples, and how a model is to read them.
#[derive(Debug, Clone)]
pub struct SomeTexts {
    pub examples: Vec<TextExample>,
    /// Of the dataset; empty where its examples have no labels.
    pub class_names: Vec<String>,
    pub options: TextOptions,
}

impl DeviceHandle {
    /// Tokens of the longest of the examples as they are trained on, at most what the model and the options let through. An example that
    /// cannot be read counts as the longest: what is wrong with it is told by the job that needs it.
    ///
    /// # Errors
    /// What loading the version refuses.
    pub async fn count_tokens(&self, source: ModelSource, texts: SomeTexts) -> Result<usize> {
        self.call(move |residents| count_tokens(residents, &source, &texts)).await
    }

    /// Measures what is not known yet; the version is loaded for it if it is not resident.
    ///
    /// # Errors
    /// `DEVICE_MEMORY`, and what loading refuses.
    pub async fn foresee(&self, source: ModelSource, demands: Vec<Demand>) -> Result<Foresight> {
        self.call(move |residents| foresee(residents, &source, &demands)).await
    }
}

fn count_tokens(residents: &mut Residents, source: &ModelSource, texts: &SomeTexts) -> Result<usize> {
    let reader = Reader::new(residents.lease_language(source)?, &texts.class_names, &texts.options)?;
    let longest = |example: &TextExample| {
        let pieces = reader.encoder().pieces(example).ok()?;
        Some(pieces.iter().map(|piece| piece.tokens.len()).max().unwrap_or_default())
    };
    let counts = texts.examples.iter().map(|example| longest(example).unwrap_or_else(|| reader.most_tokens()));
    Ok(counts.max().unwrap_or_default())
}

fn foresee(residents: &mut Residents, source: &ModelSource, demands: &[Demand]) -> Result<Foresight> {
    let mut largest: Option<(Need, &Demand)> = None;
    for demand in demands {
        let need = residents.need(source, demand)?;
        if largest.is_none_or(|(most, _)| need.total() > most.total()) {
            largest = Some((need, demand));
        }
    }
    let Some((need, demand)) = largest else { return Ok(Foresight::default()) };
    let (own, at_best) = (residents.own_bytes(source)?, residents.at_best());
    let need = need.total() + own;
    let fitting_batch = match need > at_best {
        true => residents.fitting_batch(source, demand, at_best.saturating_sub(own))?,
        false => None,
    };
    Ok(Foresight { need, at_best, fitting_batch })
}

#[cfg(test)]
mod tests {
    use super::super::tests::Bench;
    use super::*;
    use crate::domain::text::TextSource;
    use crate::ml::language::testing::{self, Texts};

    const CONTEXT: usize = 64;

    async fn counted(examples: Vec<TextExample>) -> usize {
        let bench = Bench::new(1 << 30);
        let options = TextOptions { label_prompt: "t: {text} L:".to_owned(), ..TextOptions::default() };
        let texts = SomeTexts { examples, class_names: testing::class_names(), options };
        bench.cpu().count_tokens(bench.packaged("llama"), texts).await.unwrap()
    }

    #[tokio::test]
    async fn tokens_are_counted_as_the_model_reads_them() {
        let texts = Texts::labelled();
        let all: Vec<TextExample> = (0..texts.len()).map(|position| texts.get(position).unwrap()).collect();
        let mut longest = 0;
        for example in &all {
            longest = longest.max(counted(vec![example.clone()]).await);
        }
        assert_eq!(counted(all).await, longest);
        assert!((10..CONTEXT).contains(&longest), "{longest} tokens");
        assert_eq!(counted(Vec::new()).await, 0);
    }

    #[tokio::test]
    async fn what_cannot_be_read_counts_as_the_longest() {
        let label = testing::class_names().len() as u32;
        let unknown = TextExample::Labelled { text: "my card".to_owned(), label };
        assert_eq!(counted(vec![unknown]).await, CONTEXT);
    }
}
