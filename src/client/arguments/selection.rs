//! Samples of a split that a command is about, where they are not a forget set.

use clap::Args;

use super::selector::{Conditions, column, range};
use crate::pb::v1::Selector;
use crate::pb::v1::predicate::{ColumnEquals, IndexRange};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Samples")]
pub(crate) struct SelectionArgs {
    /// Samples of this class (name or index). May be repeated.
    #[arg(long, value_name = "CLASS")]
    class: Vec<String>,
    /// Samples at these positions of the split.
    #[arg(long, value_name = "POSITION,…", value_delimiter = ',')]
    indices: Vec<i64>,
    /// Only positions START (included) to END (excluded).
    #[arg(long, value_name = "START:END", value_parser = range)]
    range: Option<IndexRange>,
    /// Only this seeded share of the samples, in (0, 1].
    #[arg(long, value_name = "SHARE")]
    fraction: Option<f64>,
    /// Only samples whose further column has this value. May be repeated.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = column)]
    column: Vec<ColumnEquals>,
}

impl SelectionArgs {
    /// None means all samples.
    pub(crate) fn selector(&self, seed: u64) -> Option<Selector> {
        let conditions = Conditions {
            classes: &self.class,
            indices: &self.indices,
            range: self.range,
            fraction: self.fraction,
            columns: &self.column,
        };
        conditions.selector(seed)
    }

    /// The stated positions, when nothing else is stated.
    pub(crate) fn indices_alone(&self) -> Option<&[i64]> {
        let others =
            !self.class.is_empty() || self.range.is_some() || self.fraction.is_some() || !self.column.is_empty();
        (!self.indices.is_empty() && !others).then_some(&self.indices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stand_alone_or_are_one_condition_of_several() {
        let args = SelectionArgs { indices: vec![3, 5], ..SelectionArgs::default() };
        assert_eq!(args.indices_alone(), Some(&[3, 5][..]));
        let args = SelectionArgs { class: vec!["deer".into()], ..args };
        assert_eq!(args.indices_alone(), None);
        assert_eq!(args.selector(0).map(|selector| (selector.classes.len(), selector.indices.len())), Some((1, 2)));
        assert_eq!(SelectionArgs::default().selector(0), None);
    }
}
