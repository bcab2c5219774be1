//! `--check-config` and the refusal of what cannot be right.

use std::path::Path;
use std::process::Output;

use crate::support::process::unlearnd;

fn check(folder: &Path, text: &str, arguments: &[&str]) -> Output {
    let file = folder.join("unlearnd.toml");
    std::fs::write(&file, text).unwrap();
    unlearnd()
        .args(["--check-config", "--config"])
        .arg(file)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_valid_configuration_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = check(folder.path(), "heartbeat_seconds = 5\n", &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "configuration is valid\n");
    assert!(output.status.success());
    assert!(!folder.path().join("data").exists(), "a check leaves nothing behind");
}

#[test]
fn every_problem_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "colour = \"blue\"\ndrain_seconds = 0\ndevices = [\"gpu\"]\n[log]\nformat = \"xml\"\n";
    let output = check(folder.path(), text, &["--root", "/nowhere/at/all"]);
    let told = String::from_utf8(output.stderr).unwrap();
    for key in ["colour:", "drain_seconds:", "devices:", "log.format:", "roots:"] {
        assert!(told.contains(key), "{key} is missing in:\n{told}");
    }
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn leaving_loopback_takes_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let refused = check(folder.path(), "", &["--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("--allow-insecure-remote"), "{told}");
    assert!(check(folder.path(), "", &["--listen", "0.0.0.0:0", "--allow-insecure-remote"]).status.success());
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("unlearnd.toml");
    std::fs::write(&file, "heartbeat_seconds = 5\n").unwrap();
    let output = unlearnd()
        .env("UNLEARND_HEARTBEAT_SECONDS", "0")
        .env("UNLEARND_LIMITS__MESSAGE_BYTES", "1")
        .env("UNLEARND_PORT", "tcp://10.0.0.1:7461")
        .args(["--check-config", "--config"])
        .arg(file)
        .arg("--data-dir")
        .arg(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("heartbeat_seconds: is 0") && told.contains("limits.message_bytes: is 1"), "{told}");
    assert!(told.contains("2 problems"), "variables of others are left alone:\n{told}");
}
