//! An example as one text, with what in it is learnt and what is its content, in bytes.

use std::ops::Range;

use crate::domain::text::{ChatMessage, Role, TrainedTurns};
use crate::domain::{Error, Result};

use super::template::{ChatTemplate, Moment};
use super::turns;

/// What may be cut from an example that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The beginning of the content before the first answer.
    Prompt,
    /// The end of the content: classifiers read from the start.
    End,
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) text: String,
    /// What the example says, without system prompt and marks of the template.
    pub(super) content: Vec<Range<usize>>,
    /// Answers.
    pub(super) trained: Vec<Range<usize>>,
    /// As the tokenizer's post-processor wants it; a chat template has put its marks itself.
    pub(super) add_special: bool,
    /// The last answer needs an end of its own: no template wrote one.
    pub(super) needs_end: bool,
    pub(super) cut: Cut,
}

impl Draft {
    pub(super) fn plain(text: &str) -> Self {
        let all = 0..text.len();
        Self {
            text: text.to_owned(),
            content: vec![all.clone()],
            trained: vec![all],
            add_special: true,
            needs_end: true,
            cut: Cut::Nothing,
        }
    }

    /// For a classifier.
    pub(super) fn classified(text: &str) -> Self {
        Self { trained: Vec::new(), needs_end: false, cut: Cut::End, ..Self::plain(text) }
    }

    /// Prompt and answer as they are, one space apart unless either brings its own. `content` lies in the prompt. Without an answer
    /// the text ends with the prompt.
    pub(super) fn raw(prompt: &str, content: Range<usize>, answer: Option<&str>) -> Self {
        let gap = answer.is_some_and(|answer| !answer.starts_with(char::is_whitespace))
            && !prompt.ends_with(char::is_whitespace);
        let answer = answer.map(|answer| format!("{}{answer}", if gap { " " } else { "" }));
        let text = format!("{prompt}{}", answer.as_deref().unwrap_or_default());
        let trained: Vec<Range<usize>> =
            answer.map(|_| prompt.len() + usize::from(gap)..text.len()).into_iter().collect();
        let content = std::iter::once(content).chain(trained.iter().cloned()).collect();
        Self { needs_end: !trained.is_empty(), text, content, trained, add_special: true, cut: Cut::Prompt }
    }

    /// A conversation; without `generation` its assistant's turns are learnt, with it the text ends where the assistant begins.
    pub(super) fn chat(
        messages: &[ChatMessage],
        template: &ChatTemplate,
        trained: TrainedTurns,
        generation: bool,
        now: Moment,
    ) -> Result<Self> {
        let text = template.render(messages, generation, now)?;
        let places = turns::find(messages, &text, template, generation, now)?;
        let of = |wanted: &dyn Fn(Role) -> bool| -> Vec<Range<usize>> {
            let turns = messages.iter().zip(&places).filter(|(message, _)| wanted(message.role));
            turns.filter_map(|(_, place)| place.clone()).collect()
        };
        let mut answers = of(&|role| role == Role::Assistant);
        if trained == TrainedTurns::Last {
            answers.drain(..answers.len().saturating_sub(1));
        }
        if answers.is_empty() && !generation {
            return Err(Error::invalid("NO_ANSWER", "messages", "the chat has no turn of the assistant to learn"));
        }
        Ok(Self {
            content: of(&|role| role != Role::System),
            trained: if generation { Vec::new() } else { answers },
            text,
            add_special: false,
            needs_end: false,
            cut: Cut::Prompt,
        })
    }

    /// Narrows the content of the only prompt to a part of it: the text between the words of a label's prompt.
    pub(super) fn narrowed(mut self, prompt_start: usize, part: Range<usize>) -> Self {
        if let Some(first) = self.content.iter_mut().find(|content| content.start == prompt_start) {
            *first = prompt_start + part.start..prompt_start + part.end;
        }
        self
    }
}
