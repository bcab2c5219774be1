//! Checkpoints of a running task: named tensors and a state of the task's own, durable and checked.
//!
//! ```text
//! <folder>/<step>.safetensors   tensors, written first
//! <folder>/<step>.json          manifest: format version, SHA-256 and size of the tensors, state; its rename makes the checkpoint exist
//! ```
//!
//! The last two are kept, so that damage to the newest costs steps and not the job; whoever reads is told what was damaged.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

use crate::domain::disk::io_failed;
use crate::domain::job::Checkpoint;
use crate::domain::{Error, Result};
use crate::ml::files;
use crate::ml::torch::torch_error;

const FORMAT_VERSION: u32 = 1;
const KEPT: usize = 2;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest<S> {
    version: u32,
    sha256: String,
    size_bytes: u64,
    state: S,
}

/// A checkpoint read back.
#[derive(Debug)]
pub struct Saved<S> {
    pub state: S,
    /// On the CPU.
    pub tensors: Vec<(String, Tensor)>,
}

/// What a folder of checkpoints holds.
#[derive(Debug)]
pub struct Latest<S> {
    pub saved: Option<Saved<S>>,
    /// Newest first.
    pub damaged: Vec<u64>,
}

/// The checkpoints of one job.
#[derive(Debug, Clone)]
pub struct CheckpointFolder {
    path: PathBuf,
}

impl CheckpointFolder {
    /// The folder is created with the first checkpoint.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Saves a checkpoint and removes those older than the last two. Durable on return.
    pub fn save<S: Serialize>(
        &self,
        step: u64,
        epoch: u32,
        state: &S,
        tensors: &[(String, Tensor)],
    ) -> Result<Checkpoint> {
        fs::create_dir_all(&self.path).map_err(failed)?;
        let (sha256, size_bytes) = self.write_tensors(step, tensors)?;
        let manifest = Manifest { version: FORMAT_VERSION, sha256, size_bytes, state };
        let text = serde_json::to_vec(&manifest).map_err(|error| failed(error.into()))?;
        files::write_atomically(&self.manifest_path(step), &text).map_err(failed)?;
        self.prune();
        Ok(Checkpoint { step, epoch, size_bytes: manifest.size_bytes, sha256: manifest.sha256 })
    }

    /// The newest whole checkpoint, and the steps of newer ones that are damaged.
    pub fn latest<S: DeserializeOwned>(&self) -> Latest<S> {
        let mut damaged = Vec::new();
        for step in self.steps().into_iter().rev() {
            match self.read(step) {
                Some(saved) => return Latest { saved: Some(saved), damaged },
                None => damaged.push(step),
            }
        }
        Latest { saved: None, damaged }
    }

    /// Removes all of them.
    pub fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::internal("failed to remove checkpoints").with_source(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn write_tensors(&self, step: u64, tensors: &[(String, Tensor)]) -> Result<(String, u64)> {
        let (path, partial) = (self.tensor_path(step), self.tensor_path(step).with_extension("partial"));
        let contiguous = tensors.iter().map(|(name, tensor)| Ok((name.as_str(), tensor.f_detach()?.f_contiguous()?)));
        let contiguous: Vec<(&str, Tensor)> =
            contiguous.collect::<std::result::Result<_, _>>().map_err(torch_error("save a checkpoint"))?;
        Tensor::write_safetensors(&contiguous, &partial).map_err(|error| refused(&partial, error))?;
        let sha256 = files::sha256(&partial).map_err(failed)?;
        let file = File::open(&partial).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&partial, &path).map_err(failed)?;
        Ok((sha256, file.metadata().map_err(failed)?.len()))
    }

    fn read<S: DeserializeOwned>(&self, step: u64) -> Option<Saved<S>> {
        let manifest: Manifest<S> = serde_json::from_slice(&fs::read(self.manifest_path(step)).ok()?).ok()?;
        let path = self.tensor_path(step);
        if manifest.version != FORMAT_VERSION || files::sha256(&path).ok()? != manifest.sha256 {
            return None;
        }
        let tensors = Tensor::read_safetensors(path).ok()?;
        Some(Saved { state: manifest.state, tensors })
    }

    /// Steps that have a manifest, ascending.
    fn steps(&self) -> Vec<u64> {
        let files = fs::read_dir(&self.path).into_iter().flatten().flatten().map(|file| file.path());
        let mut steps: Vec<u64> = files.filter_map(|path| step_of(&path)).collect();
        steps.sort_unstable();
        steps
    }

    /// A file that cannot be removed only wastes room.
    fn prune(&self) {
        let steps = self.steps();
        for &step in &steps[..steps.len().saturating_sub(KEPT)] {
            let _ = fs::remove_file(self.manifest_path(step));
            let _ = fs::remove_file(self.tensor_path(step));
        }
    }

    fn tensor_path(&self, step: u64) -> PathBuf {
        self.path.join(format!("{step:012}.safetensors"))
    }

    fn manifest_path(&self, step: u64) -> PathBuf {
        self.path.join(format!("{step:012}.json"))
    }
}

fn step_of(path: &Path) -> Option<u64> {
    let json = path.extension().is_some_and(|extension| extension == "json");
    json.then(|| path.file_stem()?.to_str()?.parse().ok()).flatten()
}

/// tch tells what a disk refused as text alone, so the disk is asked again. The room that was taken is given back: the job's last events
/// need some.
fn refused(partial: &Path, error: TchError) -> Error {
    let again = File::options().append(true).open(partial).and_then(|mut file| file.write_all(&vec![0; 1 << 20]));
    let _absent = fs::remove_file(partial);
    again.map_or_else(failed, |()| torch_error("save a checkpoint")(error))
}

fn failed(error: std::io::Error) -> Error {
    io_failed("save a checkpoint", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(folder: &CheckpointFolder, step: u64) -> Checkpoint {
        let tensors = [("a".to_owned(), Tensor::from_slice(&[step as f32])), ("n".to_owned(), Tensor::from(7_i64))];
        folder.save(step, 1, &format!("state {step}"), &tensors).unwrap()
    }

    #[test]
    fn the_newest_of_two_kept_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::new(directory.path().join("job"));
        assert!(folder.latest::<String>().saved.is_none());
        let sizes: Vec<u64> = [5, 90, 1000].into_iter().map(|step| save(&folder, step).size_bytes).collect();
        assert!(sizes.iter().all(|&size| size > 0));
        assert_eq!(folder.steps(), [90, 1000]);
        let saved: Saved<String> = folder.latest().saved.unwrap();
        assert_eq!(saved.state, "state 1000");
        assert_eq!(saved.tensors.iter().find(|(name, _)| name == "n").unwrap().1.int64_value(&[]), 7);
    }

    #[test]
    fn damage_to_the_newest_falls_back_to_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let folder = CheckpointFolder::new(directory.path().to_owned());
        save(&folder, 1);
        save(&folder, 2);
        let mut bytes = fs::read(folder.tensor_path(2)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(folder.tensor_path(2), bytes).unwrap();
        let latest = folder.latest::<String>();
        assert_eq!((latest.saved.unwrap().state.as_str(), latest.damaged), ("state 1", vec![2]));
        fs::write(folder.manifest_path(1), b"{").unwrap();
        let latest = folder.latest::<String>();
        assert_eq!((latest.saved.is_none(), latest.damaged), (true, vec![2, 1]));
        folder.clear().unwrap();
        folder.clear().unwrap();
    }
}
