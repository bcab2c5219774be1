//! Concepts: directions in a model's embedding that stand for something a person can name, and what a class owes to them.
//!
//! A concept bank belongs to one frozen prefix (everything below the head): it fits every version that shares it.

mod bank;
mod extraction;
mod report;

pub use bank::{
    BankOrigin, CavMethod, CavSpec, Concept, ConceptActivations, ConceptBankRecord, ConceptExamples, ConceptQuality,
    ConceptSource, ConceptVectors, ExampleSet, LearnConceptsSpec, MarginStats,
};
pub use extraction::{ConceptBasis, ConceptSign, ExtractConceptsSpec, PcbmSpec, TcavSpec, WordOptions};
pub use report::{
    ClassConcept, ClassConcepts, ConceptPurity, ConceptReport, ConceptResidue, DonorSuggestion, PcbmReport, TcavResult,
    WordConcept, WordSummary,
};
