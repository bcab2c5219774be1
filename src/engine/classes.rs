//! Classes of a dataset as classes of a model: by name when both name the same set, else by index.

use super::failure::precondition;
use crate::domain::dataset::{Predicate, Selector};
use crate::domain::model::ModelSpec;
use crate::domain::{Error, Result};

/// How the classes of one dataset are called by one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassMap {
    /// Class of the model for each class of the dataset; `None`: the same number.
    to_model: Option<Vec<u32>>,
    dataset_names: Vec<String>,
    model_names: Vec<String>,
}

impl ClassMap {
    pub(super) fn between(dataset_names: &[String], model: &ModelSpec) -> Self {
        Self {
            to_model: by_name(dataset_names, &model.class_names),
            dataset_names: dataset_names.to_vec(),
            model_names: model.class_names.clone(),
        }
    }

    pub(super) fn labels(&self, labels: &[u32]) -> Vec<u32> {
        match &self.to_model {
            None => labels.to_vec(),
            // Labels beyond the names cannot be: the dataset was checked when it was read.
            Some(map) => labels.iter().map(|label| map.get(*label as usize).copied().unwrap_or(*label)).collect(),
        }
    }

    /// The selector with classes that only the model names written as the dataset's indices.
    pub(super) fn selector(&self, selector: &Selector) -> Selector {
        let classes = selector.classes.iter().map(|class| self.in_dataset(class)).collect();
        Selector { classes, ..selector.clone() }
    }

    fn in_dataset(&self, class: &str) -> String {
        if self.dataset_names.iter().any(|name| name == class) {
            return class.to_owned();
        }
        let Some(index) = self.model_names.iter().position(|name| name == class) else { return class.to_owned() };
        let index = index as u32;
        let in_dataset = self.to_model.as_ref().and_then(|map| map.iter().position(|model| *model == index));
        in_dataset.unwrap_or(index as usize).to_string()
    }
}

/// `None` where the numbers are the same or the names do not decide.
fn by_name(dataset: &[String], model: &[String]) -> Option<Vec<u32>> {
    if dataset.is_empty() || dataset.len() != model.len() || dataset == model {
        return None;
    }
    let find = |name: &String| model.iter().position(|other| other == name).map(|index| index as u32);
    dataset.iter().map(find).collect()
}

/// Class names by the model, of a model without any by a dataset whose numbers it shares (a model that generates has no classes of its
/// own); empty where neither names them.
pub(super) fn class_names<'a>(model: &'a ModelSpec, dataset: &'a [String]) -> &'a [String] {
    let unnamed = model.class_count == 0 || dataset.len() == model.class_count as usize;
    match (model.class_names.is_empty(), unnamed) {
        (true, true) => dataset,
        (true, false) | (false, _) => &model.class_names,
    }
}

/// Classes of a model by name or decimal index, in the order given; all when none is given.
pub(super) fn classes_named(classes: &[String], names: &[String], class_count: u32) -> Result<Vec<u32>> {
    if classes.is_empty() {
        return Ok((0..class_count).collect());
    }
    let find = |(number, class): (usize, &String)| {
        class_named(class, names, class_count).map_err(|error| error.under(&format!("classes[{number}]")))
    };
    classes.iter().enumerate().map(find).collect()
}

/// A class of a model by name or decimal index.
pub(super) fn class_named(class: &str, names: &[String], class_count: u32) -> Result<u32> {
    let named = names.iter().position(|name| name == class).map(|index| index as u32);
    named.or_else(|| class.parse().ok()).filter(|index| *index < class_count).ok_or_else(|| {
        let description = format!("the model has no class `{class}`; name one of its {class_count} classes");
        Error::invalid("UNKNOWN_CLASS", "", description)
    })
}

/// Refuses a dataset with samples of classes that the model does not have.
pub(super) fn check_class_count(labels: &[u32], model: &ModelSpec, field: &str) -> Result<()> {
    let Some(label) = labels.iter().copied().find(|label| *label >= model.class_count) else { return Ok(()) };
    let description = format!(
        "the dataset has samples of class {label}, but the model knows {} classes; use a dataset with the model's classes",
        model.class_count
    );
    Err(precondition("CLASS_COUNT_MISMATCH", field, description))
}

/// The forget selector as it applies to held-out data: positions and shares mean samples of the training split, classes and
/// columns mean the same everywhere.
pub(super) fn held_out(selector: &Selector) -> Selector {
    let lasts = |predicate: &&Predicate| match predicate {
        Predicate::ColumnEquals { .. } => true,
        Predicate::IndexRange { .. } | Predicate::Fraction { .. } => false,
    };
    Selector {
        classes: selector.classes.clone(),
        indices: Vec::new(),
        predicates: selector.predicates.iter().filter(lasts).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::{Layout, ModelFormat, Preprocessing, Resize};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn model(class_names: &[&str]) -> ModelSpec {
        ModelSpec {
            format: ModelFormat::TorchScript,
            architecture: String::new(),
            class_count: 3,
            class_names: names(class_names),
            preprocessing: Preprocessing {
                height: 1,
                width: 1,
                channels: 1,
                mean: vec![],
                std: vec![],
                layout: Layout::Nchw,
                resize: Resize::None,
            },
            text: None,
        }
    }

    #[test]
    fn the_same_names_in_another_order_are_mapped() {
        let map = ClassMap::between(&names(&["cat", "deer", "dog"]), &model(&["deer", "dog", "cat"]));
        assert_eq!(map.labels(&[0, 1, 2, 1]), [2, 0, 1, 0]);
        let selector = Selector { classes: names(&["deer"]), ..Selector::default() };
        assert_eq!(map.selector(&selector).classes, ["deer"]);
    }

    #[test]
    fn other_names_leave_the_numbers() {
        let map = ClassMap::between(&names(&["0", "1", "2"]), &model(&["deer", "dog", "cat"]));
        assert_eq!(map.labels(&[0, 1, 2]), [0, 1, 2]);
        let selector = Selector { classes: names(&["cat", "1", "cow"]), ..Selector::default() };
        assert_eq!(map.selector(&selector).classes, ["2", "1", "cow"]);
    }

    #[test]
    fn classes_beyond_the_model_are_refused() {
        assert_eq!(check_class_count(&[0, 3], &model(&[]), "train").unwrap_err().reason, "CLASS_COUNT_MISMATCH");
        assert!(check_class_count(&[0, 2], &model(&[]), "train").is_ok());
    }
}
