//! Every call that changes something leaves a line.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::model_service_client::ModelServiceClient;

use super::called;
use crate::support::guarded::{Files, Guarded, entry};
use crate::support::until;

const CONFIG: &str = "[access]\ntokens_file = \"@/tokens.toml\"\n[audit]\nfile = \"@/audit.jsonl\"\n";

async fn audited() -> Guarded {
    let files = Files::new();
    let admin = entry("admin", "unl_admin", &["admin", "metadata"], "");
    files.write("tokens.toml", &format!("{admin}{}", entry("reader", "unl_reader", &["metadata"], "")));
    files.start(CONFIG).await
}

/// The lines once there are this many.
async fn lines(daemon: &Guarded, file: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} audit lines"), async || {
        let text = daemon.files.read(file);
        let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (lines.len() >= count).then_some(lines)
    })
    .await
}

fn create(id: &str) -> pb::CreateModelRequest {
    pb::CreateModelRequest {
        model_id: id.to_owned(),
        architecture: "small_cnn".to_owned(),
        class_count: 2,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_line_says_who_did_what_to_what_and_how_it_went() {
    let daemon = audited().await;
    let mut models = ModelServiceClient::new(daemon.bearing("unl_admin").await);
    let mut request = tonic::Request::new(pb::DeleteModelRequest { name: "models/nobody".into(), etag: String::new() });
    request.metadata_mut().insert("x-request-id", "r-audit-1".parse().unwrap());
    models.delete_model(request).await.unwrap_err();
    let created = models.create_model(create("m")).await;
    models.list_models(pb::ListModelsRequest::default()).await.unwrap();
    let refused = ModelServiceClient::new(daemon.bearing("unl_reader").await).create_model(create("n")).await;
    refused.unwrap_err();
    ModelServiceClient::new(daemon.plain().await).create_model(create("n")).await.unwrap_err();

    let lines = lines(&daemon, "audit.jsonl", 4).await;
    assert_eq!(lines.len(), 4, "looking leaves no line: {lines:#?}");
    let said = |line: usize, key: &str| lines[line][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(said(0, "principal"), "tokens/admin");
    assert_eq!(said(0, "method"), "unlearnd.v1.ModelService/DeleteModel");
    assert_eq!((said(0, "resource"), said(0, "code")), ("models/nobody".into(), "NOT_FOUND".into()));
    assert_eq!(said(0, "request_id"), "r-audit-1");
    assert!(said(0, "peer").starts_with("127.0.0.1:") && said(0, "time").ends_with('Z'), "{}", lines[0]);
    assert_eq!(said(1, "resource"), "models/m");
    assert_eq!(said(1, "code") == "OK", created.is_ok(), "{created:?}");
    assert_eq!((said(2, "principal"), said(2, "code")), ("tokens/reader".into(), "PERMISSION_DENIED".into()));
    assert_eq!((said(3, "principal"), said(3, "code")), ("anonymous".into(), "UNAUTHENTICATED".into()));

    let mode = std::fs::metadata(daemon.files.path("audit.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!daemon.files.read("audit.jsonl").contains("unl_"), "no token is in the file");
    assert!(daemon.log().contains("audit") && daemon.log().contains("models/nobody"), "the log has them too");
}

#[tokio::test]
async fn a_rotated_file_is_followed_after_sighup() {
    let daemon = audited().await;
    let admin = daemon.bearing("unl_admin").await;
    let path = "/unlearnd.v1.ModelService/DeleteModel";
    called(admin.clone(), path).await.unwrap_err();
    lines(&daemon, "audit.jsonl", 1).await;
    std::fs::rename(daemon.files.path("audit.jsonl"), daemon.files.path("audit.jsonl.1")).unwrap();
    daemon.signal("HUP");
    until("a new file", async || daemon.files.path("audit.jsonl").exists().then_some(())).await;
    called(admin, path).await.unwrap_err();
    lines(&daemon, "audit.jsonl", 1).await;
    assert_eq!(lines(&daemon, "audit.jsonl.1", 1).await.len(), 1);
}
