//! `unlearnctl concepts show`

use std::path::PathBuf;

use clap::Args;

use crate::client::error::Result;
use crate::client::folder::Folder;
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::ConceptBankView;
use crate::pb::v1::{ConceptBank, GetConceptBankRequest};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Name of the bank.
    name: String,
    /// Write the images that show each concept best to this folder, as PNG.
    #[arg(long, value_name = "DIR")]
    examples: Option<PathBuf>,
    /// At most this many images a concept, 1 to 8.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "examples")]
    examples_per_concept: u32,
}

impl ShowArgs {
    fn request(&self) -> GetConceptBankRequest {
        let examples = if self.examples.is_some() { self.examples_per_concept } else { 0 };
        GetConceptBankRequest { name: names::concept_bank(&self.name), examples }
    }
}

pub(super) async fn run(session: &Session, args: &ShowArgs) -> Result<()> {
    let bank = session.concepts().get_concept_bank(args.request()).await?.into_inner();
    let mut view = ConceptBankView::of(None, &bank);
    if let Some(path) = &args.examples {
        write_examples(&Folder::new(path), &bank, &mut view)?;
    }
    session.output.show(&view)
}

/// `{concept}-{number}.png`
fn write_examples(folder: &Folder, bank: &ConceptBank, view: &mut ConceptBankView) -> Result<()> {
    for (concept, shown) in bank.concepts.iter().zip(&mut view.concepts) {
        for (number, image) in concept.examples.iter().enumerate() {
            shown.examples.push(folder.write_png(&format!("{}-{number}", concept.name), image)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::Concept;

    #[test]
    fn examples_are_written_under_the_name_of_their_concept() {
        let root = tempfile::tempdir().unwrap();
        let concept =
            Concept { name: "dark red".into(), examples: vec![b"a".to_vec(), b"b".to_vec()], ..Concept::default() };
        let bank = ConceptBank { concepts: vec![concept], ..ConceptBank::default() };
        let mut view = ConceptBankView::of(None, &bank);
        write_examples(&Folder::new(root.path()), &bank, &mut view).unwrap();
        assert_eq!(view.concepts[0].examples.len(), 2);
        assert_eq!(std::fs::read(root.path().join("dark-red-1.png")).unwrap(), b"b");
    }
}
