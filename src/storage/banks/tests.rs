//! Banks written and read back; foreign ones refused by name.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::domain::concept::{BankOrigin, CavMethod, Concept, ConceptActivations, ConceptBankRecord, ConceptVectors};
use crate::domain::evaluation::Provenance;

fn record() -> ConceptBankRecord {
    let concept = |name: &str| Concept { name: name.to_owned(), quality: None, best_samples: Vec::new() };
    ConceptBankRecord {
        id: "b".parse().unwrap(),
        model: "m/versions/1".parse().unwrap(),
        prefix_hash: "p".into(),
        dim: 2,
        origin: BankOrigin::Examples,
        method: CavMethod::SvcHinge,
        concepts: vec![concept("red"), concept("striped")],
        duplicates: Vec::new(),
        normalize_input: false,
        spec: None,
        licence: String::new(),
        explained: None,
        provenance: Provenance::default(),
        sha256: String::new(),
        size_bytes: 0,
        create_time: SystemTime::UNIX_EPOCH,
    }
}

fn vectors() -> ConceptVectors {
    let rows = |values: &[f32]| ConceptActivations { positives: values.to_vec(), negatives: vec![0.5, 0.5] };
    ConceptVectors {
        dim: 2,
        weights: vec![1.0, 0.0, 0.0, 2.0],
        biases: vec![0.25, -1.0],
        examples: vec![rows(&[1.0, 2.0, 3.0, 4.0]), rows(&[])],
    }
}

#[test]
fn a_written_bank_is_read_back_with_its_images() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("b");
    let (mut record, vectors) = (record(), vectors());
    let examples = [vec![b"first".to_vec(), b"second".to_vec()], Vec::new()];
    record.sha256 =
        write(&folder, &BankFile { record: &record, vectors: &vectors, examples: &examples }).unwrap().sha256;
    assert_eq!(read_vectors(&folder, &record).unwrap(), vectors);
    assert_eq!(read_examples(&folder, 2, 1), [vec![b"first".to_vec()], Vec::new()]);
    assert_eq!(read_examples(&folder, 2, 100)[0].len(), 2);
}

#[test]
fn a_changed_bank_is_data_loss() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("b");
    let (mut record, vectors) = (record(), vectors());
    record.sha256 = write(&folder, &BankFile { record: &record, vectors: &vectors, examples: &[] }).unwrap().sha256;
    let path = vectors_path(&folder);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(read_vectors(&folder, &record).unwrap_err().reason, "CONCEPT_BANK_CORRUPT");
}

/// A file with `W` of this shape and these values, and optionally names.
fn foreign(shape: &[usize], values: &[f32], names: Option<&str>) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("bank.safetensors");
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, shape.to_vec(), &bytes).unwrap();
    let metadata = names.map(|names| HashMap::from([("names".to_owned(), names.to_owned())]));
    std::fs::write(&path, safetensors::serialize([("W", view)], metadata).unwrap()).unwrap();
    (root, path)
}

fn refused(shape: &[usize], values: &[f32], names: Option<&str>) -> (&'static str, String) {
    let (_root, path) = foreign(shape, values, names);
    let error = import(&path, Vec::new()).unwrap_err();
    (error.reason, error.violations[0].field.clone())
}

#[test]
fn foreign_vectors_are_taken_with_the_names_of_the_file_or_of_the_request() {
    let (_root, path) = foreign(&[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], Some(r#"["fur","wheel"]"#));
    let bank = import(&path, Vec::new()).unwrap();
    assert_eq!(bank.names, ["fur", "wheel"]);
    assert_eq!((bank.vectors.dim, bank.vectors.biases), (3, vec![0.0, 0.0]));
    assert_eq!(import(&path, vec!["a".into(), "b".into()]).unwrap().names, ["a", "b"]);
}

#[test]
fn foreign_vectors_are_refused_by_name() {
    let two = &[1.0, 0.0, 0.0, 1.0];
    assert_eq!(refused(&[4], two, Some(r#"["a"]"#)), ("MALFORMED_BANK", "uri".into()));
    assert_eq!(refused(&[2, 2], two, None), ("CONCEPT_NAMES_MISMATCH", "names".into()));
    assert_eq!(refused(&[2, 2], two, Some(r#"["a"]"#)), ("CONCEPT_NAMES_MISMATCH", "names".into()));
    assert_eq!(refused(&[2, 2], two, Some(r#"["a","a"]"#)), ("DUPLICATE_CONCEPT_NAME", "names[1]".into()));
    assert_eq!(refused(&[2, 2], two, Some(r#"["a","\n"]"#)), ("INVALID_TEXT", "names[1]".into()));
    assert_eq!(refused(&[1, 2], &[0.0, 0.0], Some(r#"["a"]"#)), ("ZERO_VECTOR", "uri".into()));
    assert_eq!(refused(&[1, 2], &[f32::NAN, 0.0], Some(r#"["a"]"#)), ("NON_FINITE_VECTORS", "uri".into()));
}

#[test]
fn what_is_no_safetensors_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("bank.pkl");
    for bytes in [&b""[..], b"\x80\x04\x95pickle", &[0xff; 64]] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(import(&path, Vec::new()).unwrap_err().reason, "MALFORMED_BANK");
    }
}
