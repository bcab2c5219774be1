//! The token that stands for nothing.

use crate::domain::attribution::TokenBaseline;

/// Tokens of a tokenizer that have no meaning of their own, as far as it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaselineTokens {
    pub pad: Option<u32>,
    pub mask: Option<u32>,
    pub end: Option<u32>,
    pub unknown: Option<u32>,
}

impl BaselineTokens {
    /// The baseline wanted or the first of pad, end, unknown and zeros that there is, with its token; zeros have none.
    pub(super) fn choose(&self, wanted: TokenBaseline) -> (TokenBaseline, Option<u32>) {
        if wanted == TokenBaseline::Zero {
            return (TokenBaseline::Zero, None);
        }
        let chain = [wanted, TokenBaseline::Pad, TokenBaseline::End, TokenBaseline::Unknown];
        let found = chain.into_iter().find_map(|baseline| Some((baseline, Some(self.token(baseline)?))));
        found.unwrap_or((TokenBaseline::Zero, None))
    }

    fn token(&self, baseline: TokenBaseline) -> Option<u32> {
        match baseline {
            TokenBaseline::Pad => self.pad,
            TokenBaseline::Mask => self.mask,
            TokenBaseline::End => self.end,
            TokenBaseline::Unknown => self.unknown,
            TokenBaseline::Zero => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_that_is_missing_falls_back_and_the_one_used_is_told() {
        let special = BaselineTokens { pad: None, mask: Some(4), end: Some(2), unknown: Some(3) };
        assert_eq!(special.choose(TokenBaseline::Mask), (TokenBaseline::Mask, Some(4)));
        assert_eq!(special.choose(TokenBaseline::Pad), (TokenBaseline::End, Some(2)));
        assert_eq!(special.choose(TokenBaseline::Zero), (TokenBaseline::Zero, None));
        let special = BaselineTokens { pad: Some(1), ..BaselineTokens::default() };
        assert_eq!(special.choose(TokenBaseline::Mask), (TokenBaseline::Pad, Some(1)));
        assert_eq!(BaselineTokens::default().choose(TokenBaseline::End), (TokenBaseline::Zero, None));
    }
}
