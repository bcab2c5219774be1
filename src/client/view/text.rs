//! What language models wrote, and what it rests on.

use std::fmt::Write as _;

use maud::{DOCTYPE, html};
use serde::Serialize;

use super::View;
use super::attribution::FailureView;
use crate::client::error::{Error, Result};
use crate::client::table;
use crate::client::words::Words;
use crate::pb::v1;

#[derive(Debug, Default, Serialize)]
pub(crate) struct GenerationView {
    pub(crate) model_version: String,
    pub(crate) text: String,
    pub(crate) finish_reason: &'static str,
    pub(crate) prompt_tokens: u32,
    pub(crate) generated_tokens: u32,
}

impl GenerationView {
    pub(crate) fn add(&mut self, piece: &v1::GenerateResponse) {
        self.model_version.clone_from(&piece.model_version);
        self.text += &piece.text;
        self.finish_reason = piece.finish_reason().word();
        (self.prompt_tokens, self.generated_tokens) = (piece.prompt_tokens, piece.generated_tokens);
    }

    /// Beside the text.
    pub(crate) fn remark(&self) -> String {
        let Self { prompt_tokens, generated_tokens, finish_reason, .. } = self;
        format!("{generated_tokens} tokens after {prompt_tokens}; ended by {finish_reason}")
    }
}

impl View for GenerationView {
    fn text(&self) -> String {
        self.text.clone()
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct TextAttributionView {
    pub(crate) model_version: String,
    pub(crate) error: Option<FailureView>,
    pub(crate) rendered: String,
    pub(crate) words: Vec<ShareOfText>,
    pub(crate) tokens: Vec<ShareOfText>,
    pub(crate) output: f64,
    pub(crate) baseline_output: f64,
    pub(crate) delta: f64,
    pub(crate) relative_delta: f64,
    pub(crate) converged: bool,
    pub(crate) steps: u32,
    pub(crate) baseline: &'static str,
    /// Of a classifier.
    pub(crate) target: Option<String>,
    /// File that the coloured page was written to.
    pub(crate) page: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ShareOfText {
    pub(crate) text: String,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) value: f64,
}

impl TextAttributionView {
    pub(crate) fn of(response: v1::AttributeTextResponse) -> Self {
        let baseline = response.baseline().word();
        let shares = |shares: Vec<v1::TextShare>| shares.into_iter().map(ShareOfText::of).collect();
        Self {
            model_version: response.model_version,
            error: response.failure.map(FailureView::of),
            rendered: response.rendered,
            words: shares(response.words),
            tokens: shares(response.tokens),
            output: response.output,
            baseline_output: response.baseline_output,
            delta: response.delta,
            relative_delta: response.relative_delta,
            converged: response.converged,
            steps: response.steps,
            baseline,
            target: (!response.target_name.is_empty()).then_some(response.target_name),
            page: None,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.error.is_some() { Err(Error::Unattributed { failed: 1, total: 1 }) } else { Ok(()) }
    }

    /// The text in pieces: what has no share, and words with theirs, between -1 and 1.
    fn pieces(&self) -> Vec<(&str, Option<f64>)> {
        let largest = self.words.iter().map(|word| word.value.abs()).fold(f64::MIN_POSITIVE, f64::max);
        let mut pieces = Vec::new();
        let mut end = 0;
        for word in &self.words {
            let (start, stop) = (word.start as usize, word.end as usize);
            pieces.push((self.rendered.get(end..start).unwrap_or_default(), None));
            pieces.push((self.rendered.get(start..stop).unwrap_or_default(), Some(word.value / largest)));
            end = stop;
        }
        pieces.push((self.rendered.get(end..).unwrap_or_default(), None));
        pieces
    }

    fn coloured(&self) -> String {
        let paint = |(text, share): &(&str, Option<f64>)| match share {
            Some(share) if *share >= 0.1 => console::style(text).red().to_string(),
            Some(share) if *share <= -0.1 => console::style(text).blue().to_string(),
            Some(_) => (*text).to_owned(),
            None => console::style(text).dim().to_string(),
        };
        self.pieces().iter().map(paint).collect()
    }

    /// A page that needs nothing else: red speaks for the output, blue against it.
    pub(crate) fn html(&self) -> String {
        let background = |share: f64| {
            let colour = if share >= 0.0 { "214, 48, 49" } else { "9, 87, 204" };
            format!("background: rgba({colour}, {:.3})", share.abs() * 0.7)
        };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head { meta charset="utf-8"; title { "Attribution" } }
                body style="font: 1.1rem/1.7 system-ui, sans-serif; max-width: 50rem; margin: 3rem auto" {
                    p style="white-space: pre-wrap" {
                        @for (text, share) in self.pieces() {
                            @match share {
                                Some(share) => span style=(background(share)) title=(format!("{share:+.3}")) { (text) },
                                None => span style="color: #888" { (text) },
                            }
                        }
                    }
                    p { (self.summary()) }
                }
            }
        };
        page.into_string()
    }

    fn summary(&self) -> String {
        let of = self.target.as_ref().map_or_else(|| "the answer".to_owned(), |target| format!("`{target}`"));
        let share = table::percent(self.relative_delta);
        format!(
            "{of}: {:.4}, at the baseline ({}) {:.4}; completeness error {:+.4} ({share}) after {} steps{}",
            self.output,
            self.baseline,
            self.baseline_output,
            self.delta,
            self.steps,
            if self.converged { "" } else { ": not converged, take more steps" }
        )
    }
}

impl ShareOfText {
    fn of(share: v1::TextShare) -> Self {
        let v1::TextShare { text, start, end, value } = share;
        Self { text, start, end, value }
    }
}

const SHOWN_WORDS: usize = 10;

impl View for TextAttributionView {
    fn text(&self) -> String {
        if let Some(FailureView { reason, message, .. }) = &self.error {
            return format!("{reason}: {message}");
        }
        let mut words: Vec<&ShareOfText> = self.words.iter().collect();
        words.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
        let mut rows = table::of_figures(&["word", "share"]);
        for word in words.into_iter().take(SHOWN_WORDS) {
            rows.add_row([word.text.trim().to_owned(), format!("{:+.4}", word.value)]);
        }
        let mut text = format!("{}\n\n{}\n{}", self.coloured(), table::text(&rows), self.summary());
        if let Some(page) = &self.page {
            let _ = write!(text, "\nwritten: {page}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> TextAttributionView {
        let share = |start, end, value| v1::TextShare { start, end, value, ..Default::default() };
        TextAttributionView::of(v1::AttributeTextResponse {
            rendered: "<s>lost <card> today".into(),
            words: vec![share(3, 7, 2.0), share(8, 14, -1.0)],
            ..Default::default()
        })
    }

    #[test]
    fn every_byte_of_the_text_is_shown_once() {
        let view = view();
        let whole: String = view.pieces().into_iter().map(|piece| piece.0).collect();
        assert_eq!(whole, view.rendered);
        assert!(view.pieces().contains(&("<card>", Some(-0.5))));
    }

    #[test]
    fn markup_in_a_text_is_text() {
        let page = view().html();
        assert!(page.contains("&lt;card&gt;") && !page.contains("<card>"));
    }
}
