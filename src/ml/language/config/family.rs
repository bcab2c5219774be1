//! The architectures there are, by `model_type`.

use crate::domain::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ml::language) enum Family {
    /// Touvron et al. 2023; SmolLM and TinyLlama too.
    Llama,
    /// Jiang et al. 2023: a Llama whose tokens see a window.
    Mistral,
    /// Yang et al. 2024: a Llama with a bias in queries, keys and values.
    Qwen2,
    /// Radford et al. 2019.
    Gpt2,
    /// Black et al. 2022; Pythia.
    GptNeox,
    /// Devlin et al. 2019; MiniLM.
    Bert,
    /// Sanh et al. 2019.
    DistilBert,
}

impl Family {
    pub(super) const ALL: [Self; 7] =
        [Self::Llama, Self::Mistral, Self::Qwen2, Self::Gpt2, Self::GptNeox, Self::Bert, Self::DistilBert];

    pub(super) fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name).ok_or_else(|| super::unknown(name))
    }

    /// `model_type` of `config.json`.
    pub(in crate::ml::language) fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Gpt2 => "gpt2",
            Self::GptNeox => "gpt_neox",
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
        }
    }
}
