//! `unlearnctl concepts import`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::view::ConceptBankView;
use crate::pb::v1::ImportConceptBankRequest;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Name of the new bank.
    #[arg(long, value_name = "BANK")]
    bank: String,
    /// The model whose embedding the vectors live in.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    /// `file://` URI or path of a safetensors file, inside one of the daemon's roots: `W` [concepts, embedding], optionally `b`.
    #[arg(long)]
    uri: String,
    /// Names of the concepts in the order of the rows; without them those in the file's metadata.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    names: Vec<String>,
    /// Project unit activations, so that a projection is the cosine: for text vectors of a CLIP-like model.
    #[arg(long)]
    normalize_input: bool,
    /// Of the vectors' source, kept with the bank.
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
}

impl ImportArgs {
    fn request(self) -> ImportConceptBankRequest {
        ImportConceptBankRequest {
            concept_bank_id: self.bank,
            model: names::model(&self.model),
            uri: self.uri,
            names: self.names,
            normalize_input: self.normalize_input,
            licence: self.licence.unwrap_or_default(),
            request_id: request_id(),
        }
    }
}

pub(super) async fn run(session: &Session, args: ImportArgs) -> Result<()> {
    let bank = session.concepts().import_concept_bank(args.request()).await?.into_inner();
    session.output.show(&ConceptBankView::of(None, &bank))
}
