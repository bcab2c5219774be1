//! Classification by a model that writes: a prompt with `{text}` and `{labels}` in it, and the label's name as the answer.

use std::ops::Range;

use crate::domain::{Error, Result};

pub(super) const DEFAULT_TEMPLATE: &str = "Choose the label of the text from: {labels}.\nText: {text}\nLabel:";
const TEXT: &str = "{text}";
const LABELS: &str = "{labels}";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verbaliser {
    before: String,
    after: String,
    names: Vec<String>,
}

impl Verbaliser {
    /// `template` holds `{text}` once; `{labels}` becomes the names with commas. Empty: `DEFAULT_TEMPLATE`.
    pub fn new(template: &str, names: &[String]) -> Result<Self> {
        let template = if template.is_empty() { DEFAULT_TEMPLATE } else { template };
        let pieces: Vec<&str> = template.split(TEXT).collect();
        let [before, after] = pieces.as_slice() else {
            let why = format!("the template holds `{TEXT}` {} times; it must hold it once", pieces.len() - 1);
            return Err(Error::invalid("INVALID_LABEL_PROMPT", "label_prompt", why));
        };
        check_names(names)?;
        let labels = names.join(", ");
        Ok(Self {
            before: before.replace(LABELS, &labels),
            after: after.replace(LABELS, &labels),
            names: names.to_vec(),
        })
    }

    /// What is answered for each class.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The prompt, and which bytes of it are the text.
    pub fn prompt(&self, text: &str) -> (String, Range<usize>) {
        let start = self.before.len();
        (format!("{}{text}{}", self.before, self.after), start..start + text.len())
    }

    pub fn answer(&self, label: u32) -> Result<&str> {
        let name = self.names.get(label as usize).map(String::as_str);
        name.ok_or_else(|| {
            let why = format!("label {label} has no name; there are {}", self.names.len());
            Error::invalid("LABEL_OUT_OF_RANGE", "label", why)
        })
    }

    /// The label that an answer names: the longest name that it begins with, whatever the case and the space before it.
    pub fn label(&self, answer: &str) -> Option<u32> {
        let answer = answer.trim_start().to_lowercase();
        let matching = (0_u32..).zip(&self.names).filter(|(_, name)| answer.starts_with(&name.to_lowercase()));
        matching.max_by_key(|(_, name)| name.len()).map(|(index, _)| index)
    }
}

fn check_names(names: &[String]) -> Result<()> {
    let distinct: std::collections::HashSet<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
    if names.len() < 2 || distinct.len() < names.len() || distinct.contains("") {
        let why = "labels need at least two different names, none of them empty";
        return Err(Error::invalid("INVALID_CLASS_NAME", "label_answers", why));
    }
    Ok(())
}
