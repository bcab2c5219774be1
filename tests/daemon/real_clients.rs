//! Clients that are not ours: grpcurl over reflection, and Python generated from `proto/`. Both come from `make tools`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::Daemon;

/// A program of the tool environment, or a loud note.
fn tool(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("UNLEARND_TOOLS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-tools"));
    let path = folder.join("bin").join(name);
    if !path.exists() {
        println!("SKIPPED: no {name} in .venv-tools; run `make tools`");
        return None;
    }
    Some(path)
}

fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

fn address(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.address_file()).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_and_describes() {
    let Some(grpcurl) = tool("grpcurl") else { return };
    let daemon = Daemon::start().await;
    let listed = output(Command::new(&grpcurl).args(["-plaintext", &address(&daemon), "list"]));
    for service in [
        "unlearnd.v1.ModelService",
        "unlearnd.v1.DatasetService",
        "unlearnd.v1.UnlearningService",
        "unlearnd.v1.EvaluationService",
        "unlearnd.v1.JobService",
        "unlearnd.v1.SystemService",
        "google.longrunning.Operations",
        "grpc.health.v1.Health",
    ] {
        assert!(listed.contains(service), "{service} is not in\n{listed}");
    }
    let symbol = "unlearnd.v1.UnlearningService.Unlearn";
    let described = output(Command::new(&grpcurl).args(["-plaintext", &address(&daemon), "describe", symbol]));
    assert!(described.contains("rpc Unlearn"), "{described}");
    let called = Command::new(&grpcurl)
        .args(["-plaintext", &address(&daemon), "unlearnd.v1.SystemService/GetServerInfo"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&called.stdout).contains("cifar_resnet20"), "{called:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_runs_the_whole_flow() {
    let Some(python) = tool("python") else { return };
    let root = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_with(&["--root", root.path().to_str().unwrap()]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/flow.py");
    let said = output(Command::new(python).arg(script).arg(address(&daemon)).arg(root.path()));
    println!("{said}");
    assert!(said.ends_with("flow: ok\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_decodes_six_mistakes() {
    let Some(python) = tool("python") else { return };
    let root = tempfile::tempdir().unwrap();
    let roots = serde_json::to_string(&[root.path()]).unwrap();
    let variables = [("UNLEARND_ROOTS", roots.as_str()), ("UNLEARND_LIMITS__UPLOAD_BYTES", "65536")];
    let daemon = Daemon::start_in_environment(&variables).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/mistakes.py");
    let said = output(Command::new(python).arg(script).arg(address(&daemon)).arg(root.path()));
    println!("{said}");
    assert_eq!(said.lines().count(), 7, "{said}");
    assert!(said.ends_with("mistakes: ok\n"), "{said}");
}
