//! The forget set. Every stated kind of condition must hold.

use clap::Args;

use super::selector::{Conditions, column, range};
use crate::pb::v1::Selector;
use crate::pb::v1::predicate::{ColumnEquals, IndexRange};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Forget set")]
pub(crate) struct ForgetArgs {
    /// Forget this class (name or index). May be repeated.
    #[arg(long, value_name = "CLASS")]
    forget_class: Vec<String>,
    /// Forget the sample at this position of the split. May be repeated, or a list with commas.
    #[arg(long, value_name = "POSITION", value_delimiter = ',')]
    forget_index: Vec<i64>,
    /// Forget only positions START (included) to END (excluded).
    #[arg(long, value_name = "START:END", value_parser = range)]
    forget_range: Option<IndexRange>,
    /// Forget only this seeded share of the samples, in (0, 1].
    #[arg(long, value_name = "SHARE")]
    forget_fraction: Option<f64>,
    /// Forget only samples whose further column has this value. May be repeated.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = column)]
    forget_column: Vec<ColumnEquals>,
}

impl ForgetArgs {
    /// None when nothing is to be forgotten.
    pub(crate) fn selector(&self, seed: u64) -> Option<Selector> {
        let conditions = Conditions {
            classes: &self.forget_class,
            indices: &self.forget_index,
            range: self.forget_range,
            fraction: self.forget_fraction,
            columns: &self.forget_column,
        };
        conditions.selector(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stated_is_no_selector() {
        assert_eq!(ForgetArgs::default().selector(0), None);
    }

    #[test]
    fn conditions_are_collected() {
        let args = ForgetArgs {
            forget_class: vec!["deer".into()],
            forget_range: Some(range("0:100").unwrap()),
            forget_fraction: Some(0.5),
            forget_column: vec![column("user=7").unwrap()],
            ..ForgetArgs::default()
        };
        let selector = args.selector(3).unwrap();
        assert_eq!((selector.classes.len(), selector.predicates.len()), (1, 3));
        assert!(range("5").is_err() && column("user").is_err());
    }
}
