//! Holds the dependency direction of ARCHITECTURE.md: a forbidden `use` fails here, with file and line.
//!
//! `main ► daemon ► rpc ► engine ► device ► ml ► tch`, `engine ► storage`, everyone ► `domain` (std and serde).

use std::fs;
use std::path::{Path, PathBuf};

/// A word that may stand only in files below the given places (relative to `src/`).
struct Reserved {
    word: &'static str,
    allowed: &'static [&'static str],
}

const RESERVED: &[Reserved] = &[
    Reserved { word: "tonic", allowed: &["rpc/", "pb.rs", "client/", "daemon.rs", "daemon/", "bin/"] },
    Reserved { word: "prost", allowed: &["rpc/", "pb.rs", "client/"] },
    Reserved { word: "prost_types", allowed: &["rpc/", "pb.rs", "client/"] },
    Reserved { word: "tch", allowed: &["ml/", "device/"] },
    Reserved { word: "torch_sys", allowed: &["ml/", "device/"] },
    Reserved { word: "sqlx", allowed: &["storage/"] },
    Reserved { word: "crate::pb", allowed: &["rpc/", "client/", "daemon.rs", "daemon/", "bin/"] },
    Reserved { word: "crate::rpc", allowed: &["rpc/", "fuzzing.rs", "fuzzing/", "daemon.rs", "daemon/"] },
    Reserved { word: "crate::engine", allowed: &["engine/", "rpc/", "daemon.rs", "daemon/"] },
    Reserved { word: "crate::device", allowed: &["device/", "engine/", "daemon.rs", "daemon/"] },
    Reserved {
        word: "crate::storage",
        allowed: &["storage/", "fuzzing.rs", "fuzzing/", "engine/", "daemon.rs", "daemon/"],
    },
    Reserved { word: "crate::client", allowed: &["client/", "bin/"] },
];

/// What a layer must not name at all.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("domain/", &["tokio", "crate::ml", "crate::engine", "crate::storage", "crate::device", "tracing"]),
    ("ml/", &["tokio", "async fn", "crate::engine", "crate::storage", "crate::device", "crate::rpc"]),
    ("storage/", &["crate::engine", "crate::device", "crate::rpc"]),
    ("client/", &["crate::domain", "crate::engine", "crate::ml", "tch"]),
];

/// The one folder that may hold `unsafe`.
const UNSAFE_ALLOWED: &str = "ml/shim/";

#[test]
fn layers_use_only_what_they_may() {
    let mut violations = Vec::new();
    for (path, text) in sources() {
        for (number, line) in code_lines(&text) {
            for word in broken_rules(&path, line) {
                violations.push(format!("src/{path}:{number}: `{word}` is not for this layer"));
            }
        }
    }
    assert!(violations.is_empty(), "{} layering violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn unsafe_stands_in_the_shim_alone() {
    for (path, text) in sources() {
        for (number, line) in code_lines(&text) {
            let found = names(line, "unsafe") && !line.contains("unsafe_code");
            assert!(!found || path.starts_with(UNSAFE_ALLOWED), "src/{path}:{number}: unsafe");
        }
    }
}

#[test]
fn every_module_introduces_itself() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "src/{path} does not start with a //! paragraph");
    }
}

fn broken_rules(path: &str, line: &str) -> Vec<&'static str> {
    let reserved = RESERVED
        .iter()
        .filter(|rule| names(line, rule.word) && !rule.allowed.iter().any(|place| path.starts_with(place)))
        .map(|rule| rule.word);
    let forbidden = FORBIDDEN
        .iter()
        .filter(|(layer, _)| path.starts_with(layer))
        .flat_map(|(_, words)| words.iter().copied())
        .filter(|word| names(line, word));
    reserved.chain(forbidden).collect()
}

/// Whether `line` has `word` as a path segment or keyword, not as part of a longer name.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let is_path = word.starts_with("crate::")
            || word.contains(' ')
            || word == "unsafe"
            || line[start + word.len()..].starts_with("::");
        boundary(before) && boundary(after) && is_path
    })
}

/// Lines with their numbers, without comments and string literals' prose.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
        .filter(|(_, line)| !line.trim().is_empty())
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("collected below the root").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("source files are readable"))
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("source folders are readable") {
        let path = entry.expect("source folders are readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
