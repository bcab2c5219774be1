//! Class names beside class indices in what is sent.

/// The classes of one model by index; may be empty or short, then the index in decimal stands for the name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::rpc) struct ClassNames(Vec<String>);

impl ClassNames {
    pub(in crate::rpc) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    pub(super) fn of(&self, index: u32) -> String {
        self.0.get(index as usize).cloned().unwrap_or_else(|| index.to_string())
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_classes_are_called_by_their_index() {
        let names = ClassNames::new(vec!["cat".to_owned()]);
        assert_eq!((names.of(0), names.of(7)), ("cat".to_owned(), "7".to_owned()));
    }
}
