//! Examples into tokens, for training, for scoring and for generation.

use crate::domain::text::{ChatMessage, EncodingReport, Role, TextExample, TrainedTurns, Truncation};
use crate::domain::{Error, Result};

use super::draft::{Cut, Draft};
use super::finish::{Encoded, fit, tokenise, windows};
use super::template::{ChatTemplate, Moment};
use super::tokenizer::Tokenizer;
use super::verbaliser::Verbaliser;

/// How a prompt with an answer becomes one text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PromptFormat {
    /// As they are, one space apart unless either brings its own.
    #[default]
    Raw,
    /// The user says the prompt and the assistant the answer, in the model's chat template.
    Chat { system: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Tokens that the model takes.
    pub context: usize,
    pub truncation: Truncation,
    pub turns: TrainedTurns,
    pub format: PromptFormat,
    /// For templates that print the date.
    pub now: Moment,
}

/// What became of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Encoded(Box<Encoded>),
    /// It does not fit and its answer may not be cut.
    Skipped,
}

/// Turns examples into tokens for one model.
#[derive(Debug, Clone, Copy)]
pub struct Encoder<'a> {
    pub tokenizer: &'a Tokenizer,
    pub template: Option<&'a ChatTemplate>,
    /// For labelled texts on a causal model; without it they are for a classifier.
    pub verbaliser: Option<&'a Verbaliser>,
    pub options: &'a EncodeOptions,
}

impl Encoder<'_> {
    /// For training and scoring. Errors name the field of the example (`prompt`, `messages[2].content`).
    pub fn encode(&self, example: &TextExample) -> Result<Outcome> {
        check_texts(example)?;
        let (draft, label) = self.draft(example, false)?;
        self.finish(draft, label)
    }

    /// As `encode`, for training: none where the example is left out, and of a plain text that is longer than the context as
    /// many windows as it takes, unless long examples are to be skipped or refused.
    pub fn pieces(&self, example: &TextExample) -> Result<Vec<Encoded>> {
        if let (TextExample::Plain { text }, Truncation::CutPrompt) = (example, self.options.truncation) {
            check_texts(example)?;
            let encoded = tokenise(Draft::plain(text), self.tokenizer, None)?;
            check_marks(&encoded, true)?;
            return Ok(windows(&encoded, self.options.context));
        }
        Ok(match self.encode(example)? {
            Outcome::Encoded(encoded) => vec![*encoded],
            Outcome::Skipped => Vec::new(),
        })
    }

    /// For generation: everything before the answer, or before the assistant's last turn; a plain text whole.
    pub fn prompt(&self, example: &TextExample) -> Result<Encoded> {
        check_texts(example)?;
        let (draft, label) = self.draft(example, true)?;
        match self.finish(draft, label)? {
            Outcome::Encoded(encoded) => Ok(*encoded),
            Outcome::Skipped => Err(self.too_long()),
        }
    }

    fn draft(&self, example: &TextExample, generation: bool) -> Result<(Draft, Option<u32>)> {
        Ok(match example {
            TextExample::Plain { text } if generation => (Draft::raw(text, 0..text.len(), None), None),
            TextExample::Plain { text } => (Draft::plain(text), None),
            TextExample::Completion { prompt, answer } => {
                (self.completion(prompt, 0..prompt.len(), (!generation).then_some(answer))?, None)
            }
            TextExample::Chat { messages } => (self.chat(messages, generation)?, None),
            TextExample::Labelled { text, label } => match self.verbaliser {
                None => (Draft::classified(text), Some(*label)),
                Some(verbaliser) => {
                    let (prompt, content) = verbaliser.prompt(text);
                    let answer = if generation { None } else { Some(verbaliser.answer(*label)?) };
                    (self.completion(&prompt, content, answer)?, Some(*label))
                }
            },
        })
    }

    fn completion(&self, prompt: &str, content: std::ops::Range<usize>, answer: Option<&str>) -> Result<Draft> {
        let PromptFormat::Chat { system } = &self.options.format else {
            return Ok(Draft::raw(prompt, content, answer));
        };
        let said = [(Role::System, system.as_deref()), (Role::User, Some(prompt)), (Role::Assistant, answer)];
        let messages: Vec<ChatMessage> =
            said.into_iter().filter_map(|(role, text)| Some(ChatMessage::new(role, text?))).collect();
        let whole = content == (0..prompt.len());
        let draft = self.rendered(&messages, answer.is_none())?;
        let start = draft.content.first().map_or(0, |content| content.start);
        let stripped = prompt.len() - prompt.trim_start().len();
        let shift = if draft.text[start..].starts_with(prompt) { 0 } else { stripped };
        Ok(if whole { draft } else { draft.narrowed(start, content.start - shift..content.end - shift) })
    }

    /// For generation the assistant's last turn is left out, if it ends the chat.
    fn chat(&self, messages: &[ChatMessage], generation: bool) -> Result<Draft> {
        let ends = messages.last().is_some_and(|message| message.role == Role::Assistant);
        let kept = if generation && ends { &messages[..messages.len() - 1] } else { messages };
        self.rendered(kept, generation)
    }

    fn rendered(&self, messages: &[ChatMessage], generation: bool) -> Result<Draft> {
        let template = self.template.ok_or_else(|| {
            let why = "the model has no chat template; give it one, or use prompts with answers";
            Error::failed_precondition("NO_CHAT_TEMPLATE", why)
        })?;
        Draft::chat(messages, template, self.options.turns, generation, self.options.now)
    }

    fn finish(&self, draft: Draft, label: Option<u32>) -> Result<Outcome> {
        let cut = match self.options.truncation {
            Truncation::CutPrompt => draft.cut,
            Truncation::Skip | Truncation::Refuse => Cut::Nothing,
        };
        let learns = !draft.trained.is_empty();
        let mut encoded = tokenise(draft, self.tokenizer, label)?;
        check_marks(&encoded, learns)?;
        let length = encoded.len();
        if fit(&mut encoded, cut, self.options.context) {
            return Ok(Outcome::Encoded(Box::new(encoded)));
        }
        match self.options.truncation {
            Truncation::CutPrompt | Truncation::Skip => Ok(Outcome::Skipped),
            Truncation::Refuse => Err(self.too_long().saying(&format!("{length} tokens"))),
        }
    }

    fn too_long(&self) -> Error {
        let why = format!(
            "the example does not fit into the {} tokens of the context, and an answer is never cut; shorten it, or let it be skipped",
            self.options.context
        );
        Error::invalid("EXAMPLE_TOO_LONG", "", why)
    }
}

/// Some token must say something, and some must be learnt where anything is.
fn check_marks(encoded: &Encoded, learns: bool) -> Result<()> {
    if encoded.content.contains(&true) && (encoded.labelled_count() > 0 || !learns) {
        return Ok(());
    }
    let what = if learns { "nothing of it can be learnt" } else { "it says nothing" };
    Err(Error::invalid("EMPTY_TEXT", "", format!("the text has no token of its own: {what}")))
}

/// Encodes in order and counts; the pieces of an example all have its position, which an error names too. A split of which nothing is left is an error.
pub fn encode_all<'a>(
    encoder: &Encoder<'_>,
    examples: impl IntoIterator<Item = (usize, &'a TextExample)>,
) -> Result<(Vec<(usize, Encoded)>, EncodingReport)> {
    let (mut kept, mut report) = (Vec::new(), EncodingReport::default());
    for (position, example) in examples {
        let pieces = encoder.pieces(example).map_err(|error| error.saying(&format!("example {position}")))?;
        report.note(&pieces);
        kept.extend(pieces.into_iter().map(|piece| (position, piece)));
    }
    if kept.is_empty() && report.examples > 0 {
        let why = format!(
            "none of the {} examples fits into the {} tokens of the context",
            report.examples, encoder.options.context
        );
        return Err(Error::invalid("EXAMPLE_TOO_LONG", "", why));
    }
    Ok((kept, report))
}

impl EncodingReport {
    /// Counts the pieces of one example.
    pub fn note(&mut self, pieces: &[Encoded]) {
        let any = |test: fn(&Encoded) -> bool| u64::from(pieces.iter().any(test));
        self.examples += 1;
        self.skipped += u64::from(pieces.is_empty());
        self.cut += any(|piece| piece.truncated > 0);
        self.without_end += any(|piece| !piece.ended);
        for piece in pieces {
            self.cut_tokens += piece.truncated as u64;
            self.tokens += piece.len() as u64;
            self.labelled_tokens += piece.labelled_count() as u64;
        }
    }
}

/// Nothing that is learnt or read may be empty.
fn check_texts(example: &TextExample) -> Result<()> {
    let check = |field: &str, text: &str| match text.trim().is_empty() {
        true => Err(Error::invalid("EMPTY_TEXT", field, "the text is empty")),
        false => Ok(()),
    };
    match example {
        TextExample::Completion { prompt, answer } => check("prompt", prompt).and_then(|()| check("answer", answer)),
        TextExample::Labelled { text, .. } | TextExample::Plain { text } => check("text", text),
        TextExample::Chat { messages } => {
            let mut said = messages.iter().enumerate().filter(|(_, message)| message.role != Role::System);
            said.try_for_each(|(index, message)| check(&format!("messages[{index}].content"), &message.content))
        }
    }
}
