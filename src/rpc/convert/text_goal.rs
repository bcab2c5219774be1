//! unlearning.proto: when the training of a language model is over.

use super::common::{each, words};
use super::fields::{at_most, or, share, within};
use crate::domain::Result;
use crate::domain::text_training::TextGoal;
use crate::pb::v1 as pb;

const MAX_NAMES: usize = 1000;
const USUAL_DROP: f64 = 0.05;

pub(super) fn text_goal(value: pb::TextGoal) -> Result<TextGoal> {
    let pb::TextGoal { max_forget, max_retain_drop, examples, names, max_answer_tokens } = value;
    at_most(names.len(), MAX_NAMES, "names")?;
    Ok(TextGoal {
        max_forget: share(max_forget.unwrap_or_default(), "max_forget")?,
        max_retain_drop: share(max_retain_drop.unwrap_or(USUAL_DROP), "max_retain_drop")?,
        examples: within(or(examples, 50), 1..=10_000, "examples")?,
        names: each(names, "names", |name| words(name, ""))?,
        max_answer_tokens: within(or(max_answer_tokens, 64), 1..=4096, "max_answer_tokens")?,
    })
}

impl From<TextGoal> for pb::TextGoal {
    fn from(value: TextGoal) -> Self {
        let TextGoal { max_forget, max_retain_drop, examples, names, max_answer_tokens } = value;
        Self {
            max_forget: Some(max_forget),
            max_retain_drop: Some(max_retain_drop),
            examples,
            names,
            max_answer_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_goal_is_the_papers() {
        let goal = text_goal(pb::TextGoal::default()).unwrap();
        assert_eq!((goal.max_forget, goal.max_retain_drop, goal.examples), (0.0, 0.05, 50));
        assert_eq!(text_goal(goal.clone().into()).unwrap(), goal);
        let wrong = pb::TextGoal { max_forget: Some(1.5), ..Default::default() };
        assert_eq!(text_goal(wrong).unwrap_err().violations[0].field, "max_forget");
    }
}
