//! A language model with an adapter beside its weights, which it shares with other versions.

use std::path::Path;
use std::rc::Rc;

use super::config::LanguageTask;
use super::lora::{Adapter, AdapterFiles, LoadedAdapter, TaskKind};
use super::resident::Language;
use crate::domain::text_training::LoraSpec;
use crate::domain::{Error, Result};
use crate::ml::files;

impl Language {
    /// The same model with the packaged adapter at `path`; the weights stay in memory for as long as either lives.
    ///
    /// # Errors
    /// What the adapter is refused for: `MALFORMED_ADAPTER`, `ADAPTER_MISMATCH`, `NON_FINITE_ADAPTER`.
    pub fn adapted(self: &Rc<Self>, path: &Path) -> Result<Self> {
        let LoadedAdapter { adapter, .. } = self.fit(&AdapterFiles::unpack(path)?)?;
        Ok(self.beside(Rc::new(adapter)))
    }

    /// Checks that an adapter from elsewhere is one for this model.
    ///
    /// # Errors
    /// As `adapted`; `ADAPTER_MISMATCH` for one of another task.
    pub fn fit(&self, files: &AdapterFiles) -> Result<LoadedAdapter> {
        let config = self.model().config();
        let loaded = files.load(&config.adaptable_layers(), &config.head_tensors(), self.model().device())?;
        match loaded.task {
            Some(task) if task != task_of(config.task()) => {
                let description =
                    format!("the adapter is for {task:?} and the model is not; load the model that it was trained on");
                Err(Error::invalid("ADAPTER_MISMATCH", "", description))
            }
            Some(_) | None => Ok(loaded),
        }
    }

    /// Writes an adapter of this model as one file, in peft's words and durably.
    pub fn save_adapter(&self, adapter: &Adapter, spec: &LoraSpec, base: &str, path: &Path) -> Result<()> {
        let packed = AdapterFiles::of(adapter, spec, task_of(self.model().config().task()), base)?.pack()?;
        files::write_atomically(path, &packed)
            .map_err(|error| crate::domain::disk::io_failed("write the adapter", error))
    }
}

fn task_of(task: &LanguageTask) -> TaskKind {
    match task {
        LanguageTask::Causal => TaskKind::Causal,
        LanguageTask::Classify { .. } => TaskKind::Classification,
    }
}
