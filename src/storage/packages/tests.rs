//! Folders of random tensors packed and read back; damaged ones refused.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::{Folder, unpack};

fn shard(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let view = |(name, dtype, shape, bytes): &'_ (&str, Dtype, &[usize], Vec<u8>)| {
        (
            name.to_string(),
            TensorView::new(*dtype, shape.to_vec(), Box::leak(bytes.clone().into_boxed_slice())).unwrap(),
        )
    };
    fs::write(path, safetensors::serialize(tensors.iter().map(view), None).unwrap()).unwrap();
}

fn in_two_shards() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.json"), r#"{"model_type":"llama"}"#).unwrap();
    fs::write(path.join("tokenizer.json"), "{}").unwrap();
    fs::write(path.join("chat_template.jinja"), "{{ bos_token }}\n\u{e9}").unwrap();
    shard(&path.join("model-1.safetensors"), &[("b", Dtype::F16, &[3], (1..7).collect())]);
    shard(&path.join("model-2.safetensors"), &[("a", Dtype::F32, &[1, 2], (10..18).collect())]);
    let index = r#"{"metadata":{},"weight_map":{"b":"model-1.safetensors","a":"model-2.safetensors"}}"#;
    fs::write(path.join("model.safetensors.index.json"), index).unwrap();
    folder
}

fn refusal(folder: &Path) -> (String, String) {
    let error = Folder::read(folder).unwrap_err();
    assert!(error.violations.iter().all(|violation| violation.field == "uri"));
    (error.reason.to_owned(), format!("{error} {:?}", error.violations))
}

#[test]
fn a_package_holds_every_shard_and_text() {
    let folder = in_two_shards();
    let target = folder.path().join("package");
    let digest = Folder::read(folder.path()).unwrap().pack(&target).unwrap();
    let bytes = fs::read(&target).unwrap();
    assert_eq!(digest.size_bytes, bytes.len() as u64);
    let package = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(package.tensor("a").unwrap().data(), (10..18).collect::<Vec<u8>>());
    assert_eq!(package.tensor("b").unwrap().data(), (1..7).collect::<Vec<u8>>());
    assert_eq!(package.tensor("a").unwrap().shape(), [1, 2]);
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let texts = header.metadata().clone().unwrap();
    assert_eq!(texts["config.json"], r#"{"model_type":"llama"}"#);
    assert_eq!(texts["chat_template.jinja"], "{{ bos_token }}\n\u{e9}");
    assert_eq!((texts.len(), texts["format"].as_str()), (4, "pt"));
}

#[test]
fn a_package_unpacks_to_the_texts_and_one_file_of_weights() {
    let folder = in_two_shards();
    let (package, target) = (folder.path().join("package"), folder.path().join("again"));
    let packed = Folder::read(folder.path()).unwrap().pack(&package).unwrap();
    assert_eq!(unpack(&package, &target).unwrap(), packed);
    unpack(&package, &target).unwrap_err();
    for name in ["config.json", "tokenizer.json", "chat_template.jinja"] {
        assert_eq!(fs::read(target.join(name)).unwrap(), fs::read(folder.path().join(name)).unwrap());
    }
    let names = fs::read_dir(&target).unwrap().count();
    assert_eq!(names, 4);
    let again = folder.path().join("package of the copy");
    assert_eq!(Folder::read(&target).unwrap().pack(&again).unwrap(), packed);
}

#[test]
fn packing_twice_gives_the_same_bytes() {
    let folder = in_two_shards();
    let pack = |name: &str| Folder::read(folder.path()).unwrap().pack(&folder.path().join(name)).unwrap();
    assert_eq!(pack("one"), pack("two"));
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let folder = in_two_shards();
    let path = folder.path();
    let whole = fs::read(path.join("model-2.safetensors")).unwrap();
    fs::write(path.join("model-2.safetensors"), &whole[..whole.len() - 1]).unwrap();
    let (reason, told) = refusal(path);
    assert_eq!(reason, "MALFORMED_MODEL");
    assert!(told.contains("model-2.safetensors"), "{told}");
    fs::write(path.join("model-2.safetensors"), [255; 9]).unwrap();
    assert_eq!(refusal(path).0, "MALFORMED_MODEL");
    fs::remove_file(path.join("model-2.safetensors")).unwrap();
    let (reason, told) = refusal(path);
    assert_eq!(reason, "MODEL_FILE_NOT_FOUND");
    assert!(told.contains("model-2.safetensors"), "{told}");
    fs::remove_file(path.join("tokenizer.json")).unwrap();
    assert!(refusal(path).1.contains("tokenizer.json"));
}

#[test]
fn an_index_cannot_lead_out_of_the_folder() {
    let folder = in_two_shards();
    let index = r#"{"weight_map":{"a":"../model-2.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    assert_eq!(refusal(folder.path()).0, "MALFORMED_MODEL");
}

#[test]
fn pickles_are_refused_by_name() {
    let folder = in_two_shards();
    fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    assert_eq!(refusal(folder.path()).0, "MODEL_FILE_NOT_FOUND");
    fs::write(folder.path().join("pytorch_model.bin"), "").unwrap();
    assert_eq!(refusal(folder.path()).0, "PICKLED_WEIGHTS");
}
