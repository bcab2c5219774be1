//! Tokens: missing, wrong, expired, too narrow, withdrawn; and no trace of them in the log.

use tonic::Code;
use tonic_types::StatusExt;

use super::{REPRESENTATIVES, called, every_path, let_through, refusal, refused_with};
use crate::support::guarded::{Files, Guarded, entry};
use crate::support::until;

const CONFIG: &str = "[access]\ntokens_file = \"@/tokens.toml\"\n";

/// A daemon with a token of each scope, named as the scope, and one that has expired.
async fn guarded(config: &str) -> Guarded {
    let files = Files::new();
    let mut text = entry("old", "unl_old", &["health", "metadata", "infer", "job", "admin"], "expires = 2020-01-01");
    for (scope, _) in REPRESENTATIVES {
        text += &entry(scope, &format!("unl_{scope}"), &[scope], "");
    }
    files.write("tokens.toml", &text);
    files.start(config).await
}

#[tokio::test]
async fn without_a_good_token_no_method_can_be_called() {
    let daemon = guarded(CONFIG).await;
    let (nobody, wrong, old) =
        (daemon.plain().await, daemon.bearing("unl_nobody").await, daemon.bearing("unl_old").await);
    for path in every_path() {
        let missing = refused_with(Code::Unauthenticated, "MISSING_CREDENTIALS");
        assert_eq!(refusal(called(nobody.clone(), &path).await), missing, "{path}");
        let invalid = refused_with(Code::Unauthenticated, "INVALID_TOKEN");
        assert_eq!(refusal(called(wrong.clone(), &path).await), invalid, "{path}");
        let expired = refused_with(Code::Unauthenticated, "EXPIRED_TOKEN");
        assert_eq!(refusal(called(old.clone(), &path).await), expired, "{path}");
    }
}

#[tokio::test]
async fn a_token_opens_its_scope_and_nothing_else() {
    let daemon = guarded(CONFIG).await;
    for (held, _) in REPRESENTATIVES {
        let bearing = daemon.bearing(&format!("unl_{held}")).await;
        for (asked, path) in REPRESENTATIVES {
            let answer = called(bearing.clone(), path).await;
            assert_eq!(let_through(&answer), held == asked, "{held} calls {path}: {answer:?}");
        }
    }
    let status = called(daemon.bearing("unl_job").await, "/unlearnd.v1.ModelService/DeleteModel").await.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!((status.code(), info.reason.as_str()), (Code::PermissionDenied, "SCOPE_REQUIRED"));
    assert_eq!((info.metadata["scope"].as_str(), info.metadata["principal"].as_str()), ("admin", "tokens/job"));
}

#[tokio::test]
async fn probes_need_no_token_where_health_is_for_everyone() {
    let daemon = guarded(&format!("{CONFIG}anonymous_scopes = [\"health\"]\n")).await;
    let nobody = daemon.plain().await;
    for (scope, path) in REPRESENTATIVES {
        assert_eq!(let_through(&called(nobody.clone(), path).await), scope == "health", "{path}");
    }
    let wrong = called(daemon.bearing("unl_nobody").await, "/grpc.health.v1.Health/Check").await;
    assert_eq!(refusal(wrong), refused_with(Code::Unauthenticated, "INVALID_TOKEN"));
}

#[tokio::test]
async fn a_changed_tokens_file_is_in_force_without_a_restart() {
    let daemon = guarded(CONFIG).await;
    let (bearing, late) = (daemon.bearing("unl_metadata").await, daemon.bearing("unl_late").await);
    let path = "/unlearnd.v1.ModelService/ListModels";
    assert!(called(bearing.clone(), path).await.is_ok());

    daemon.files.write("tokens.toml", "[[tokens]\n");
    until("the broken file is told", async || daemon.log().contains("cannot use the changed files").then_some(()))
        .await;
    assert!(called(bearing.clone(), path).await.is_ok(), "the old grants stay");

    daemon.files.write("tokens.toml", &entry("late", "unl_late", &["metadata"], ""));
    daemon.signal("HUP");
    until("the new token", async || called(late.clone(), path).await.is_ok().then_some(())).await;
    assert_eq!(refusal(called(bearing, path).await), refused_with(Code::Unauthenticated, "INVALID_TOKEN"));
}

#[tokio::test]
async fn no_token_and_no_hash_is_ever_logged() {
    let daemon = guarded(&format!("{CONFIG}[log]\nfilter = \"trace\"\n")).await;
    for token in ["unl_metadata", "unl_nobody_knows", "unl_old"] {
        let _either = called(daemon.bearing(token).await, "/unlearnd.v1.ModelService/ListModels").await;
    }
    let log = daemon.log();
    assert!(log.contains("tokens/metadata"), "the principal is in the log");
    for secret in ["unl_metadata", "unl_nobody_knows", "unl_old"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for line in daemon.files.read("tokens.toml").lines().filter_map(|line| line.strip_prefix("sha256 = ")) {
        assert!(!log.contains(line.trim_matches('"')), "a hash is in the log");
    }
}

#[tokio::test]
async fn without_grants_everyone_may_do_everything() {
    let daemon = Files::new().start("").await;
    let nobody = daemon.plain().await;
    for (_, path) in REPRESENTATIVES {
        assert!(let_through(&called(nobody.clone(), path).await), "{path}");
    }
}

#[test]
fn a_check_reads_the_files_that_are_named() {
    let files = Files::new();
    let missing = files.checked(CONFIG);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("tokens.toml"));
    files.write("tokens.toml", &entry("ci", "unl_x", &["root"], ""));
    assert_eq!(files.checked(CONFIG).status.code(), Some(2));
    files.write("tokens.toml", &entry("ci", "unl_x", &["job"], ""));
    assert!(files.checked(CONFIG).status.success());
}
