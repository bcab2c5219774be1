//! What fuzzing has kept (`fuzz/corpus`, a folder a decoder) goes through the same decoders again, on the toolchain of every day: no panic,
//! no overflow, no input that keeps one busy or fills the memory. A finding that was mended stays there as `found-*`.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it fails")]

#[path = "corpus/mutate.rs"]
mod mutate;
#[path = "corpus/seeds.rs"]
mod seeds;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::Mutator;
use unlearnd::fuzzing::ENTRIES;

/// Far above what any of them needs, since the machine may be busy.
const LONGEST: Duration = Duration::from_secs(10);
const LARGEST_RESIDENT_KIB: u64 = 3 << 20;
const LARGEST_CORPUS: u64 = 1 << 20;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_kept_input_is_answered_soon_and_in_little_memory() {
    for (name, decode) in ENTRIES {
        let kept = files(&repository().join("fuzz/corpus").join(name));
        assert!(!kept.is_empty(), "{name} has seeds");
        for path in kept {
            answered(*decode, &path.display().to_string(), &fs::read(&path).unwrap());
        }
        decode(&[]);
    }
    assert!(peak_resident_kib() < LARGEST_RESIDENT_KIB, "{} KiB", peak_resident_kib());
}

fn answered(decode: fn(&[u8]), name: &str, bytes: &[u8]) {
    let begun = Instant::now();
    if std::panic::catch_unwind(|| decode(bytes)).is_err() || begun.elapsed() > LONGEST {
        let path = std::env::temp_dir().join(format!("found-{}-{}", name.replace('/', "-"), bytes.len()));
        fs::write(&path, bytes).unwrap();
        panic!("{name}: a panic, or {:?}; the input is in {}", begun.elapsed(), path.display());
    }
}

/// `UNLEARND_MUTATION_SECONDS` a decoder, in `make test` a moment; `UNLEARND_MUTATION_SEED` for other changes.
#[test]
fn changed_inputs_are_answered_too() {
    let seconds = std::env::var("UNLEARND_MUTATION_SECONDS").map_or(0.4, |seconds| seconds.parse().unwrap());
    let seed = std::env::var("UNLEARND_MUTATION_SEED").map_or(0, |seed| seed.parse().unwrap());
    for (name, decode) in ENTRIES {
        let kept: Vec<Vec<u8>> =
            files(&repository().join("fuzz/corpus").join(name)).iter().map(|path| fs::read(path).unwrap()).collect();
        let (begun, mut count) = (Instant::now(), 0);
        let mut mutator = Mutator::new(seed);
        while begun.elapsed().as_secs_f64() < seconds {
            let (input, other) = (&kept[count % kept.len()], &kept[count / 7 % kept.len()]);
            answered(*decode, name, &mutator.changed(input, other));
            count += 1;
        }
        println!("{name}: {count} changed inputs in {:?}", begun.elapsed());
    }
}

fn peak_resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn every_decoder_has_a_target_and_a_small_corpus() {
    let names: BTreeSet<String> = ENTRIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        let paths = files(&repository().join(folder)).into_iter();
        paths.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(stems("fuzz/fuzz_targets"), names);
    assert_eq!(stems("fuzz/corpus"), names);
    let kept = names.iter().flat_map(|name| files(&repository().join("fuzz/corpus").join(name)));
    let bytes: u64 = kept.map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes < LARGEST_CORPUS, "{bytes} bytes");
}
