//! Where each architecture keeps its tensors: paths of modules as in transformers, and the shapes that follow from the config.

use std::collections::BTreeMap;

use super::config::{Family, LanguageConfig, LanguageTask, NormKind, Positions};

/// How queries, keys and values are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Projections {
    Separate([&'static str; 3]),
    /// One layer gives all queries, then all keys, then all values.
    Stacked(&'static str),
    /// One layer gives query, key and value of the first head, then of the second.
    Interleaved(&'static str),
}

/// Paths of an architecture; those of a block are below `blocks.N`.
#[derive(Debug)]
pub(super) struct Paths {
    /// Of the model without its head; files of the bare model leave it out.
    pub(super) base: &'static str,
    pub(super) embedding: &'static str,
    pub(super) positions: Option<&'static str>,
    pub(super) segments: Option<&'static str>,
    pub(super) embedding_norm: Option<&'static str>,
    pub(super) blocks: &'static str,
    pub(super) projections: Projections,
    pub(super) attended: &'static str,
    pub(super) gate: Option<&'static str>,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    /// Of attention, of the network.
    pub(super) norms: [&'static str; 2],
    pub(super) final_norm: Option<&'static str>,
    /// Between hidden states and logits; of a classifier first what it does to the first token.
    pub(super) head: &'static [&'static str],
    /// Weights lie as `[in, out]`.
    pub(super) is_transposed: bool,
}

const LLAMA: Paths = Paths {
    base: "model.",
    embedding: "model.embed_tokens",
    positions: None,
    segments: None,
    embedding_norm: None,
    blocks: "model.layers",
    projections: Projections::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    attended: "self_attn.o_proj",
    gate: Some("mlp.gate_proj"),
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    norms: ["input_layernorm", "post_attention_layernorm"],
    final_norm: Some("model.norm"),
    head: &["lm_head"],
    is_transposed: false,
};

const GPT2: Paths = Paths {
    base: "transformer.",
    embedding: "transformer.wte",
    positions: Some("transformer.wpe"),
    segments: None,
    embedding_norm: None,
    blocks: "transformer.h",
    projections: Projections::Stacked("attn.c_attn"),
    attended: "attn.c_proj",
    gate: None,
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    norms: ["ln_1", "ln_2"],
    final_norm: Some("transformer.ln_f"),
    head: &["lm_head"],
    is_transposed: true,
};

const GPT_NEOX: Paths = Paths {
    base: "gpt_neox.",
    embedding: "gpt_neox.embed_in",
    positions: None,
    segments: None,
    embedding_norm: None,
    blocks: "gpt_neox.layers",
    projections: Projections::Interleaved("attention.query_key_value"),
    attended: "attention.dense",
    gate: None,
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
    norms: ["input_layernorm", "post_attention_layernorm"],
    final_norm: Some("gpt_neox.final_layer_norm"),
    head: &["embed_out"],
    is_transposed: false,
};

const BERT: Paths = Paths {
    base: "bert.",
    embedding: "bert.embeddings.word_embeddings",
    positions: Some("bert.embeddings.position_embeddings"),
    segments: Some("bert.embeddings.token_type_embeddings"),
    embedding_norm: Some("bert.embeddings.LayerNorm"),
    blocks: "bert.encoder.layer",
    projections: Projections::Separate(["attention.self.query", "attention.self.key", "attention.self.value"]),
    attended: "attention.output.dense",
    gate: None,
    up: "intermediate.dense",
    down: "output.dense",
    norms: ["attention.output.LayerNorm", "output.LayerNorm"],
    final_norm: None,
    head: &["bert.pooler.dense", "classifier"],
    is_transposed: false,
};

const DISTILBERT: Paths = Paths {
    base: "distilbert.",
    embedding: "distilbert.embeddings.word_embeddings",
    positions: Some("distilbert.embeddings.position_embeddings"),
    segments: None,
    embedding_norm: Some("distilbert.embeddings.LayerNorm"),
    blocks: "distilbert.transformer.layer",
    projections: Projections::Separate(["attention.q_lin", "attention.k_lin", "attention.v_lin"]),
    attended: "attention.out_lin",
    gate: None,
    up: "ffn.lin1",
    down: "ffn.lin2",
    norms: ["sa_layer_norm", "output_layer_norm"],
    final_norm: None,
    head: &["pre_classifier", "classifier"],
    is_transposed: false,
};

/// A linear layer that a model has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinearLayer {
    pub(super) path: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) has_bias: bool,
}

impl LanguageConfig {
    pub(super) fn paths(&self) -> &'static Paths {
        match self.family {
            Family::Llama | Family::Mistral | Family::Qwen2 => &LLAMA,
            Family::Gpt2 => &GPT2,
            Family::GptNeox => &GPT_NEOX,
            Family::Bert => &BERT,
            Family::DistilBert => &DISTILBERT,
        }
    }

    /// Paths of the linear layers that an adapter may stand beside (peft's `all-linear`): all but the last of the head.
    pub fn linear_paths(&self) -> Vec<String> {
        let mut layers = self.linear_layers();
        layers.pop();
        if self.is_causal() && self.is_tied {
            layers = self.block_layers();
        }
        layers.into_iter().map(|layer| layer.path).collect()
    }

    /// All linear layers with weights of their own, the last of the head last.
    pub(super) fn linear_layers(&self) -> Vec<LinearLayer> {
        let mut layers = self.block_layers();
        let head = self.paths().head.iter().map(|&path| path.to_owned());
        match &self.task {
            LanguageTask::Causal if self.is_tied => {}
            LanguageTask::Causal => layers.extend(head.map(|path| LinearLayer {
                path,
                inputs: self.hidden_size,
                outputs: self.vocabulary_size,
                has_bias: false,
            })),
            LanguageTask::Classify { labels } => {
                let sizes = [self.hidden_size, labels.len()];
                layers.extend(head.zip(sizes).map(|(path, outputs)| LinearLayer {
                    path,
                    inputs: self.hidden_size,
                    outputs,
                    has_bias: true,
                }));
            }
        }
        layers
    }

    fn block_layers(&self) -> Vec<LinearLayer> {
        (0..self.layer_count()).flat_map(|block| self.layers_of_block(block)).collect()
    }

    fn layers_of_block(&self, block: usize) -> Vec<LinearLayer> {
        let Paths { projections, attended, gate, up, down, .. } = self.paths();
        let (hidden, inner) = (self.hidden_size, self.inner_size);
        let [query, key] = [self.head_count, self.key_head_count].map(|heads| heads * self.head_size);
        let mut layers = Vec::new();
        let mut add = |name: &str, inputs, outputs, has_bias| {
            layers.push(LinearLayer { path: self.in_block(block, name), inputs, outputs, has_bias });
        };
        match projections {
            Projections::Separate(names) => {
                for (name, size) in names.iter().zip([query, key, key]) {
                    add(name, hidden, size, self.query_bias);
                }
            }
            Projections::Stacked(name) | Projections::Interleaved(name) => {
                add(name, hidden, query + 2 * key, self.query_bias);
            }
        }
        add(attended, query, hidden, self.output_bias);
        for name in gate.iter().chain([up]) {
            add(name, hidden, inner, self.inner_bias);
        }
        add(down, inner, hidden, self.inner_bias);
        layers
    }

    /// The path of a module of a block.
    pub(super) fn in_block(&self, block: usize, name: &str) -> String {
        format!("{}.{block}.{name}", self.paths().blocks)
    }

    /// Names and shapes of all tensors.
    pub(super) fn tensors(&self) -> BTreeMap<String, Vec<i64>> {
        let paths = self.paths();
        let mut tensors = BTreeMap::new();
        for LinearLayer { path, inputs, outputs, has_bias } in self.linear_layers() {
            // GPT-2's head is a layer like those of the others.
            let is_transposed = paths.is_transposed && !paths.head.contains(&path.as_str());
            let shape = if is_transposed { [inputs, outputs] } else { [outputs, inputs] };
            tensors.insert(format!("{path}.weight"), shape.map(|size| size as i64).to_vec());
            if has_bias {
                tensors.insert(format!("{path}.bias"), vec![outputs as i64]);
            }
        }
        for (path, rows) in self.tables() {
            tensors.insert(format!("{path}.weight"), vec![rows as i64, self.hidden_size as i64]);
        }
        for path in self.norm_paths() {
            tensors.insert(format!("{path}.weight"), vec![self.hidden_size as i64]);
            if matches!(self.norm, NormKind::Layer(_)) {
                tensors.insert(format!("{path}.bias"), vec![self.hidden_size as i64]);
            }
        }
        tensors
    }

    /// Embedding tables with their numbers of rows.
    fn tables(&self) -> Vec<(&'static str, usize)> {
        let paths = self.paths();
        debug_assert_eq!(paths.positions.is_some(), self.positions == Positions::Learned);
        let mut tables = vec![(paths.embedding, self.vocabulary_size)];
        tables.extend(paths.positions.map(|path| (path, self.context)));
        tables.extend(paths.segments.map(|path| (path, self.segment_count)));
        tables
    }

    fn norm_paths(&self) -> Vec<String> {
        let paths = self.paths();
        let blocks = 0..self.layer_count();
        let in_blocks = blocks.flat_map(|block| paths.norms.map(|name| self.in_block(block, name)));
        let outside = paths.embedding_norm.iter().chain(&paths.final_norm).map(|&path| path.to_owned());
        outside.chain(in_blocks).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> LanguageConfig {
        LanguageConfig::read(json).unwrap()
    }

    const GPT2_CONFIG: &str =
        r#"{"model_type": "gpt2", "vocab_size": 100, "n_embd": 32, "n_head": 4, "n_layer": 1, "n_positions": 64}"#;

    #[test]
    fn paths_are_those_of_transformers_and_adapters_leave_the_last_layer_alone() {
        let gpt2 = config(GPT2_CONFIG);
        let blocks =
            ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"].map(|name| format!("transformer.h.0.{name}"));
        assert_eq!(gpt2.linear_paths(), blocks);
        let apart = config(&GPT2_CONFIG.replace('{', r#"{"tie_word_embeddings": false, "#));
        assert_eq!(apart.linear_paths(), blocks);
        assert_eq!(apart.tensors()["lm_head.weight"], [100, 32]);
    }

    #[test]
    fn weights_of_gpt2_lie_the_other_way_round() {
        let tensors = config(GPT2_CONFIG).tensors();
        assert_eq!(tensors["transformer.h.0.attn.c_attn.weight"], [32, 96]);
        assert_eq!(tensors["transformer.h.0.attn.c_attn.bias"], [96]);
        assert_eq!(tensors["transformer.wpe.weight"], [64, 32]);
        assert!(!tensors.contains_key("lm_head.weight"));
    }
}
