//! unlearnctl's side: tokens that the daemon takes, certificates, and what it says when they do not fit.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::authority::Authority;
use crate::support::guarded::{Files, Guarded};

const CONFIG: &str =
    "[tls]\ncertificate = \"@/server.pem\"\nkey = \"@/server.key\"\n[access]\ntokens_file = \"@/tokens.toml\"\n";
const MUTUAL: &str = "[tls]\ncertificate = \"@/server.pem\"\nkey = \"@/server.key\"\nclient_ca = \"@/ca.pem\"\n\
                      [[access.certificates]]\nsubject = \"CN=reader\"\nscopes = [\"metadata\"]\n";

fn unlearnctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unlearnctl"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("UNLEARND_")) {
        command.env_remove(name);
    }
    command
}

/// A token of this scope and its entry, as the command makes them.
fn new_token(scopes: &[&str]) -> (String, String) {
    let mut command = unlearnctl();
    command.args(["token", "new", "--json", "--name", "ci"]);
    for scope in scopes {
        command.args(["--scope", scope]);
    }
    let made: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    (made["token"].as_str().unwrap().to_owned(), made["entry"].as_str().unwrap().to_owned())
}

/// A daemon with TLS and one token of scope metadata, which stands in `token`; the authority is in `ca.pem`.
async fn started(ours: &Authority) -> Guarded {
    let files = Files::new();
    let (token, entry) = new_token(&["metadata"]);
    files.write_server(&ours.server());
    files.write("ca.pem", &ours.pem());
    files.write("other.pem", &Authority::new("theirs").pem());
    files.write("tokens.toml", &entry);
    files.write("token", &format!("{token}\n"));
    files.start(CONFIG).await
}

async fn run(daemon: &Guarded, scheme: &str, arguments: &[&str]) -> (Output, String) {
    let folder = daemon.folder().display().to_string();
    let mut command = unlearnctl();
    command.args(["--server", &format!("{scheme}://{}", daemon.address)]);
    command.args(arguments.iter().map(|argument| argument.replace("@/", &format!("{folder}/"))));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, told)
}

#[tokio::test]
async fn a_new_token_opens_the_daemon_and_its_scope_alone() {
    let daemon = started(&Authority::new("ours")).await;
    let (output, told) = run(&daemon, "https", &["--ca", "@/ca.pem", "--token-file", "@/token", "info"]).await;
    assert!(output.status.success(), "{told}");
    let arguments = ["--ca", "@/ca.pem", "--token-file", "@/token", "job", "cancel", "jobs/x"];
    let (output, told) = run(&daemon, "https", &arguments).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("SCOPE_REQUIRED") && told.contains("`job`"), "{told}");
}

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_told_with_the_remedy() {
    let daemon = started(&Authority::new("ours")).await;
    let ca = ["--ca", "@/ca.pem"];
    for (scheme, arguments, remedy) in [
        ("https", vec!["--ca", "@/other.pem", "info"], "--ca FILE"),
        ("https", [&ca[..], &["--server-name", "elsewhere.example", "info"]].concat(), "--server-name"),
        ("https", [&ca[..], &["info"]].concat(), "--token-file"),
        ("https", [&ca[..], &["--token-file", "@/ca.pem", "info"]].concat(), "token"),
        ("https", [&ca[..], &["--cert", "@/ca.pem", "info"]].concat(), "--key"),
        ("http", vec!["--token-file", "@/token", "info"], "https"),
    ] {
        let (output, told) = run(&daemon, scheme, &arguments).await;
        assert!(!output.status.success() && told.contains(remedy), "{scheme} {arguments:?}: {told}");
        assert!(!told.contains("unl_"), "{told}");
    }
}

#[tokio::test]
async fn a_certificate_opens_a_mutual_daemon_and_its_scopes_alone() {
    let ours = Authority::new("ours");
    let files = Files::new();
    files.write_server(&ours.server());
    files.write("ca.pem", &ours.pem());
    for name in ["reader", "stranger"] {
        let pair = ours.client(name);
        files.write(&format!("{name}.pem"), &pair.certificate);
        files.write(&format!("{name}.key"), &pair.key);
    }
    let daemon = files.start(MUTUAL).await;
    let shown = |name: &str| {
        [
            "--ca".into(),
            "@/ca.pem".into(),
            "--cert".into(),
            format!("@/{name}.pem"),
            "--key".into(),
            format!("@/{name}.key"),
        ]
    };
    let called = async |name: &str, command: &[&str]| {
        let arguments: Vec<String> = shown(name).into_iter().chain(command.iter().map(ToString::to_string)).collect();
        run(&daemon, "https", &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let (output, told) = called("reader", &["info"]).await;
    assert!(output.status.success() && told.contains("small_cnn"), "{told}");
    let (output, told) = called("reader", &["model", "list", "--json"]).await;
    assert!(output.status.success(), "{told}");
    let (output, told) = called("reader", &["job", "cancel", "jobs/x"]).await;
    assert!(output.status.code() == Some(1) && told.contains("SCOPE_REQUIRED"), "{told}");
    let (output, told) = called("stranger", &["info"]).await;
    assert!(output.status.code() == Some(1) && told.contains("UNKNOWN_CERTIFICATE"), "{told}");
    let (output, told) = run(&daemon, "https", &["--ca", "@/ca.pem", "info"]).await;
    assert!(!output.status.success(), "{told}");
    assert!(daemon.log().contains("certificates/reader"));
}

#[tokio::test]
async fn an_expired_certificate_is_called_so() {
    let ours = Authority::new("ours");
    let files = Files::new();
    files.write_server(&ours.expired_server());
    files.write("ca.pem", &ours.pem());
    files.write("tokens.toml", "");
    let daemon = files.start(CONFIG).await;
    let (output, told) = run(&daemon, "https", &["--ca", "@/ca.pem", "info"]).await;
    assert!(!output.status.success() && told.contains("expired"), "{told}");
    assert!(daemon.log().contains("not valid now"), "the operator hears it as well");
}

#[tokio::test]
async fn tls_towards_plain_text_is_called_so() {
    let daemon = Files::new().start("").await;
    daemon.files.write("ca.pem", &Authority::new("ours").pem());
    let (output, told) = run(&daemon, "https", &["--ca", "@/ca.pem", "info"]).await;
    assert!(!output.status.success() && told.contains("http://"), "{told}");
}
