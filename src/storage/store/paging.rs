//! Keyset paging (AIP-158): a token names the last item seen, so that pages neither repeat nor miss items when others come and go.

use crate::domain::{Error, Result};

const DEFAULT_SIZE: u32 = 50;
const MAX_SIZE: u32 = 1000;

/// `size` 0 means the default (50), above 1000 means 1000. `token` is opaque; empty starts at the front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    pub size: u32,
    pub token: String,
}

/// One page; an empty token says that it is the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_token: String,
}

impl<T> Page<T> {
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next_token: self.next_token }
    }
}

impl PageRequest {
    pub(super) fn limit(&self) -> usize {
        let size = if self.size == 0 { DEFAULT_SIZE } else { self.size.min(MAX_SIZE) };
        size as usize
    }

    /// The key after which the page starts. A token of another listing or filter (`query`) is refused.
    pub(crate) fn start_after(&self, query: &str) -> Result<Option<String>> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let decoded = decode(&self.token).and_then(|text| {
            let (listing, key) = text.split_once('\n')?;
            (listing == query).then(|| key.to_owned())
        });
        decoded.map(Some).ok_or_else(|| {
            Error::invalid(
                "INVALID_PAGE_TOKEN",
                "page_token",
                "not a token of this listing; pass next_page_token of the page before with the same filter",
            )
        })
    }

    /// Cuts `items` (fetched with `limit() + 1`) to a page.
    pub(super) fn page<T>(&self, query: &str, mut items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let is_last = items.len() <= self.limit();
        items.truncate(self.limit());
        let next_token = match items.last() {
            Some(last) if !is_last => encode(&format!("{query}\n{}", key(last))),
            _ => String::new(),
        };
        Page { items, next_token }
    }
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(token: &str) -> Option<String> {
    if !token.is_ascii() || token.len() % 2 == 1 {
        return None;
    }
    let bytes = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_tokens_are_refused() {
        for token in ["x", "zz", "é", "0", "ff", &encode("jobs"), &encode("models\nm"), &"a".repeat(10_001)] {
            let request = PageRequest { size: 0, token: token.to_owned() };
            assert_eq!(request.start_after("jobs").unwrap_err().reason, "INVALID_PAGE_TOKEN", "{token}");
        }
    }
}
