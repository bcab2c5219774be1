//! The life of a model over the wire: created, seen, unloaded, brought back, deleted.

use tonic::Code;
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;

use crate::support::Daemon;

fn small_cnn(id: &str) -> pb::CreateModelRequest {
    pb::CreateModelRequest {
        model_id: id.into(),
        architecture: "small_cnn".into(),
        class_count: 3,
        class_names: ["cat", "dog", "deer"].map(str::to_owned).to_vec(),
        preprocessing: Some(pb::Preprocessing { height: 8, width: 8, channels: 3, ..Default::default() }),
        seed: 7,
        device: "cpu".into(),
        ..Default::default()
    }
}

fn named(id: &str) -> String {
    format!("models/{id}")
}

#[tokio::test]
async fn a_model_is_created_seen_unloaded_and_deleted() {
    let daemon = Daemon::start().await;
    let mut models = daemon.models();
    let created = models.create_model(small_cnn("m")).await.unwrap().into_inner();
    assert_eq!((created.name.as_str(), created.served_version.as_str()), ("models/m", "models/m/versions/1"));
    assert_eq!((created.state(), created.version_count), (pb::model::State::Loaded, 1));
    assert_eq!(created.preprocessing.as_ref().unwrap().height, 8);

    let version = pb::GetModelVersionRequest { name: created.served_version.clone() };
    let version = models.get_model_version(version).await.unwrap().into_inner();
    assert_eq!((version.origin.as_str(), version.served, version.resident), ("CREATED", true, true));
    assert_eq!((version.sha256.len(), version.provenance.unwrap().seed), (64, 7));

    let freed = models.unload_model(pb::UnloadModelRequest { name: named("m") }).await.unwrap().into_inner();
    assert_eq!(freed.freed_bytes, created.resident_bytes);
    let back = pb::LoadModelRequest { model_id: "m".into(), ..Default::default() };
    assert_eq!(models.load_model(back).await.unwrap().into_inner().state(), pb::model::State::Loaded);

    models.delete_model(pb::DeleteModelRequest { name: named("m"), etag: String::new() }).await.unwrap();
    let gone = models.get_model(pb::GetModelRequest { name: named("m") }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let daemon = Daemon::start().await;
    let mut models = daemon.models();
    for id in ["a", "b", "c"] {
        models.create_model(small_cnn(id)).await.unwrap();
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListModelsRequest { page_size: 2, page_token };
        let page = models.list_models(request).await.unwrap().into_inner();
        assert!(page.models.len() <= 2);
        seen.extend(page.models.into_iter().map(|model| model.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c"].map(named));
    let forged = pb::ListModelsRequest { page_size: 2, page_token: "forged".into() };
    assert_eq!(models.list_models(forged).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_second_model_of_the_name_is_refused_and_a_repeated_request_is_not() {
    let daemon = Daemon::start().await;
    let mut models = daemon.models();
    let request_id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".to_owned();
    let request = pb::CreateModelRequest { request_id, ..small_cnn("m") };
    let first = models.create_model(request.clone()).await.unwrap().into_inner();
    let again = models.create_model(request).await.unwrap().into_inner();
    assert_eq!(first.create_time, again.create_time);
    let taken = models.create_model(small_cnn("m")).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert_eq!(taken.get_details_resource_info().unwrap().resource_name, "models/m");
}

#[tokio::test]
async fn a_stale_etag_aborts() {
    let daemon = Daemon::start().await;
    let mut models = daemon.models();
    models.create_model(small_cnn("m")).await.unwrap();
    let stale = pb::PromoteModelVersionRequest { name: "models/m/versions/1".into(), etag: "\"stale\"".into() };
    assert_eq!(models.promote_model_version(stale).await.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn models_survive_a_restart() {
    let mut daemon = Daemon::start().await;
    let before = daemon.models().create_model(small_cnn("m")).await.unwrap().into_inner();
    daemon.kill().await;
    daemon.start_again().await;
    let after = daemon.models().get_model(pb::GetModelRequest { name: named("m") }).await.unwrap().into_inner();
    assert_eq!((after.served_version, after.class_names), (before.served_version, before.class_names));
}

#[tokio::test]
async fn exports_stay_inside_the_roots() {
    let daemon = Daemon::start().await;
    let mut models = daemon.models();
    models.create_model(small_cnn("m")).await.unwrap();
    let outside = format!("file://{}/../x.safetensors", daemon.folder().display());
    let request = pb::ExportModelVersionRequest { name: named("m"), uri: outside, ..Default::default() };
    let refused = models.export_model_version(request.clone()).await.unwrap_err();
    assert!(matches!(refused.code(), Code::PermissionDenied | Code::InvalidArgument), "{refused:?}");
    let inside = pb::ExportModelVersionRequest { uri: String::new(), ..request };
    let exported = models.export_model_version(inside).await.unwrap().into_inner();
    assert!(exported.size_bytes > 0 && exported.sha256.len() == 64, "{exported:?}");
}
