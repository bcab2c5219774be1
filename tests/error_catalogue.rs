//! Holds `docs/errors.md` to the code: each reason of an error is listed there, under its code, and nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers whose errors reach a client or end the daemon.
const LAYERS: &[&str] = &["rpc", "engine", "device", "ml", "storage", "domain", "daemon"];

/// Modules that are compiled for tests alone.
const TEST_MODULES: &[&str] = &["tests", "golden", "testing", "training_tests", "attribute_tests"];

/// What looks like a reason and is none, by why.
const NOT_REASONS: &[(&str, &[&str])] = &[
    ("variables of the build", &["CARGO_PKG_VERSION"]),
    ("signals", &["SIGTERM", "SIGINT"]),
    (
        "origins of versions",
        &[
            "LOADED",
            "CREATED",
            "POISON",
            "RETRAIN",
            "FINETUNE",
            "RANDOM_LABEL",
            "NEG_GRAD_PLUS",
            "GRAD_DIFF",
            "SIMNPO",
            "IMPORTED",
        ],
    ),
    (
        "attacks, in messages",
        &[
            "CONFIDENCE",
            "ENTROPY",
            "MODIFIED_ENTROPY",
            "CORRECTNESS_GAP",
            "SIMPLE_MIA",
            "SVC_EFFICACY",
            "FORGETTING_RATE",
            "MIN_K",
            "MIN_K_PLUS_PLUS",
            "REFERENCE",
        ],
    ),
    ("words of requests, in messages", &["CONCEPT_CONFUSION", "CONCEPT_COSINE", "CENTER"]),
    (
        "codes of gRPC, in the audit log",
        &[
            "ABORTED",
            "ALREADY_EXISTS",
            "DATA_LOSS",
            "FAILED_PRECONDITION",
            "INVALID_ARGUMENT",
            "NOT_FOUND",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "UNAUTHENTICATED",
            "UNAVAILABLE",
            "UNIMPLEMENTED",
            "UNKNOWN",
        ],
    ),
    ("task types of peft", &["CAUSAL_LM", "SEQ_CLS"]),
    ("flags of reports", &["UTILITY_COLLAPSE", "NOT_FORGOTTEN"]),
    ("texts of CUDA's libraries", &["CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_EXECUTION_FAILED"]),
    ("beginnings that reasons are compared with", &["NON_FINITE"]),
];

/// What stands right before the reason of an error that is made in place, and the code that follows from it.
const MAKERS: &[(&str, &str)] = &[
    ("Error::invalid(", "INVALID_ARGUMENT"),
    ("precondition(", "FAILED_PRECONDITION"),
    ("ErrorKind::InvalidArgument,", "INVALID_ARGUMENT"),
    ("ErrorKind::NotFound,", "NOT_FOUND"),
    ("ErrorKind::AlreadyExists,", "ALREADY_EXISTS"),
    ("ErrorKind::FailedPrecondition,", "FAILED_PRECONDITION"),
    ("ErrorKind::ResourceExhausted,", "RESOURCE_EXHAUSTED"),
    ("ErrorKind::Unauthenticated,", "UNAUTHENTICATED"),
    ("ErrorKind::PermissionDenied,", "PERMISSION_DENIED"),
    ("ErrorKind::Unavailable,", "UNAVAILABLE"),
    ("ErrorKind::Aborted,", "ABORTED"),
    ("ErrorKind::Cancelled,", "CANCELLED"),
    ("ErrorKind::DeadlineExceeded,", "DEADLINE_EXCEEDED"),
    ("ErrorKind::DataLoss,", "DATA_LOSS"),
    ("ErrorKind::Unimplemented,", "UNIMPLEMENTED"),
    ("ErrorKind::Internal,", "INTERNAL"),
];

/// The group of what no call is answered with.
const OF_THE_DAEMON: &str = "At the start and the end of the daemon";

/// AIP-193.
const LONGEST_REASON: usize = 63;

#[test]
fn the_catalogue_lists_every_reason_and_no_other() {
    let (used, listed) = (reasons(), catalogue().into_iter().map(|(_, reason)| reason).collect::<BTreeSet<_>>());
    assert!(used.len() > 100, "only {} reasons were found in src/", used.len());
    let unlisted: Vec<_> = used.difference(&listed).collect();
    let unused: Vec<_> = listed.difference(&used).collect();
    assert!(unlisted.is_empty(), "docs/errors.md lacks {unlisted:?}");
    assert!(unused.is_empty(), "docs/errors.md lists {unused:?}, which no error has");
}

#[test]
fn each_reason_is_listed_under_its_codes() {
    let listed = catalogue();
    for (code, reason, path) in made_in_place() {
        let found = listed.iter().any(|(group, other)| *other == reason && (*group == code || group == OF_THE_DAEMON));
        assert!(found, "src/{path}: {reason} is {code}, and docs/errors.md does not list it there");
    }
}

#[test]
fn reasons_are_short_and_upper_snake() {
    let made = made_in_place().into_iter().map(|(_, reason, _)| reason);
    for reason in made.chain(reasons()) {
        let upper = reason.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        assert!(upper && !reason.ends_with('_') && reason.len() <= LONGEST_REASON, "`{reason}` is no reason");
    }
}

#[test]
fn the_catalogue_is_in_order() {
    let listed = catalogue();
    for pair in listed.windows(2) {
        assert!(pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1, "{} stands after {}", pair[1].1, pair[0].1);
    }
}

#[test]
fn what_is_excused_is_still_there() {
    let literals: BTreeSet<String> = sources().iter().flat_map(|(_, text)| literals(text)).map(|(_, it)| it).collect();
    for (why, words) in NOT_REASONS {
        for word in *words {
            assert!(literals.contains(*word), "src/ has no `{word}` any more ({why}); take it off the list");
        }
    }
}

/// Every literal that looks like a reason, but those that are known to be none; and what errors are made with in place.
fn reasons() -> BTreeSet<String> {
    let excused = |text: &str| NOT_REASONS.iter().any(|(_, words)| words.contains(&text));
    let all = sources();
    let found = all.iter().flat_map(|(_, text)| literals(text)).map(|(_, literal)| literal);
    let found = found.filter(|literal| looks_like_a_reason(literal) && !excused(literal));
    found.chain(made_in_place().into_iter().map(|(_, reason, _)| reason)).collect()
}

fn looks_like_a_reason(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_uppercase());
    let all = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let whole = text.split('_').all(|word| !word.is_empty());
    begins && all && whole && (text.contains('_') || text.len() >= 6)
}

/// Code, reason and file of the errors whose maker stands right before the reason.
fn made_in_place() -> Vec<(String, String, String)> {
    let mut made = Vec::new();
    for (path, text) in sources() {
        for (start, literal) in literals(&text) {
            let before = text[..start].trim_end();
            if let Some((_, code)) = MAKERS.iter().find(|(maker, _)| before.ends_with(maker)) {
                made.push(((*code).to_owned(), literal, path.clone()));
            }
        }
    }
    made
}

/// String literals of one word, with the place of their first quote.
fn literals(text: &str) -> Vec<(usize, String)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = |start: usize| {
        let rest = &text[start + 1..];
        let length = rest.find(|c| !is_word(c)).filter(|length| *length > 0 && rest[*length..].starts_with('"'))?;
        Some((start, rest[..length].to_owned()))
    };
    text.match_indices('"').filter_map(|(start, _)| word(start)).collect()
}

/// The rows of `docs/errors.md`: heading without its number, and reason.
fn catalogue() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let text = fs::read_to_string(path).expect("docs/errors.md is readable");
    let (mut group, mut rows) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.split(" (").next().unwrap_or_default().clone_into(&mut group);
        } else if let Some((reason, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')) {
            rows.push((group.clone(), reason.to_owned()));
        }
    }
    rows
}

/// Path below `src/` and code of what is not compiled for tests alone, without comments.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for layer in LAYERS {
        collect(&root.join(layer), &mut files);
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("collected below the root").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("source files are readable");
        (name, code(&text))
    };
    files.into_iter().map(read).collect()
}

/// Without lines of comment, and without the module of tests that ends a file; `mod tests;` at its top ends nothing.
fn code(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_inline_module = |line: &str| line.contains("mod ") && line.ends_with('{');
    let end = lines.windows(2).position(|pair| pair[0].trim() == "#[cfg(test)]" && is_inline_module(pair[1]));
    let code = &lines[..end.unwrap_or(lines.len())];
    code.iter().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("source folders are readable") {
        let path = entry.expect("source folders are readable").path();
        let is_for_tests =
            path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| TEST_MODULES.contains(&stem));
        if is_for_tests {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
