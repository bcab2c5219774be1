//! Where in a rendered chat each message stands.
//!
//! The same roles are rendered once more with a mark for each content: what lies between the marks is the template's. The
//! conversation is then read along these pieces, with or without the white space around a content, which many templates strip. A
//! template that looks at contents may give other pieces; then each content is looked for in order.

use std::ops::Range;

use crate::domain::text::ChatMessage;
use crate::domain::{Error, Result};

use super::template::{ChatTemplate, Moment};

/// Private use, so that neither template nor text has them.
const OPEN: char = '\u{F8F2}';
const CLOSE: char = '\u{F8F3}';

/// The bytes of each message's content in `text`; `None` for one that the template leaves out.
pub(super) fn find(
    messages: &[ChatMessage],
    text: &str,
    template: &ChatTemplate,
    generation: bool,
    now: Moment,
) -> Result<Vec<Option<Range<usize>>>> {
    let marked: Vec<ChatMessage> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| ChatMessage::new(message.role, format!("{OPEN}{index}{CLOSE}")))
        .collect();
    let skeleton = template.render(&marked, generation, now).ok();
    let along = skeleton.and_then(|skeleton| read_along(messages, text, &pieces(&skeleton, messages.len())?));
    match along {
        Some(places) => Ok(places),
        None => search(messages, text),
    }
}

/// The template's own text before each mark and after the last, with the message that each mark stands for. `None` where a
/// message is repeated.
fn pieces(skeleton: &str, count: usize) -> Option<(Vec<(&str, usize)>, &str)> {
    let (mut found, mut rest) = (Vec::new(), skeleton);
    let mut seen = vec![false; count];
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (index, after) = after.split_once(CLOSE)?;
        let index: usize = index.parse().ok()?;
        if std::mem::replace(seen.get_mut(index)?, true) {
            return None;
        }
        found.push((before, index));
        rest = after;
    }
    Some((found, rest))
}

fn read_along(
    messages: &[ChatMessage],
    text: &str,
    (pieces, end): &(Vec<(&str, usize)>, &str),
) -> Option<Vec<Option<Range<usize>>>> {
    let mut places = vec![None; messages.len()];
    let mut at = 0;
    for (number, (before, index)) in pieces.iter().enumerate() {
        at += text[at..].strip_prefix(before).map(|_| before.len())?;
        let next = pieces.get(number + 1).map_or(*end, |(next, _)| *next);
        let content = messages[*index].content.as_str();
        let written = [content, content.trim(), content.trim_start(), content.trim_end()]
            .into_iter()
            .find(|written| text[at..].strip_prefix(written).is_some_and(|rest| rest.starts_with(next)))?;
        places[*index] = Some(at..at + written.len());
        at += written.len();
    }
    (text[at..] == **end).then_some(places)
}

fn search(messages: &[ChatMessage], text: &str) -> Result<Vec<Option<Range<usize>>>> {
    let mut at = 0;
    let place = |(index, message): (usize, &ChatMessage)| {
        let content = message.content.trim();
        let found = text[at..].find(content).map(|start| at + start..at + start + content.len());
        let found = found.ok_or_else(|| {
            let why =
                "the chat template changes the text of this message, so that what of it is to be learnt is not known";
            Error::invalid("CHAT_TEMPLATE_REWRITES", format!("messages[{index}].content"), why)
        })?;
        at = found.end;
        Ok(Some(found))
    };
    messages.iter().enumerate().map(place).collect()
}
