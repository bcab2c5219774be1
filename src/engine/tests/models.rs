//! Models: made once, brought back, exported, deleted.

use super::*;

#[tokio::test]
async fn a_model_is_made_once_and_answers_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = engine(folder.path()).await;
    let made = first.create_model(small_cnn("m")).await.unwrap();
    assert_eq!((made.state, made.version_count, made.served.name.number), (ModelState::Loaded, 1, 1));
    assert_eq!(first.create_model(small_cnn("m")).await.unwrap(), made);
    assert_eq!(first.create_model(small_cnn("n")).await.unwrap_err().reason, "REQUEST_ID_REUSED");
    let ask = |engine: Engine| async move {
        engine.infer(InferImages { model: "m".parse().unwrap(), images: images(4) }).await.unwrap().logits
    };
    let before = ask(first.clone()).await;
    assert_eq!(before.len(), 12);
    first.shutdown().await;
    let second = engine(folder.path()).await;
    assert_eq!(second.get_model(&made.record.id).await.unwrap().state, ModelState::Loaded);
    assert_eq!(ask(second.clone()).await, before);
    second.shutdown().await;
}

#[tokio::test]
async fn an_unloaded_model_comes_back_and_a_deleted_one_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path()).await;
    let made = engine.create_model(small_cnn("m")).await.unwrap();
    let id = made.record.id;
    assert!(made.resident_bytes > 0);
    assert_eq!(engine.unload_model(&id).await.unwrap().freed_bytes, made.resident_bytes);
    assert_eq!(engine.get_model(&id).await.unwrap().state, ModelState::Unloaded);
    let load = LoadModel { id: id.clone(), uri: None, spec: None, device: String::new(), request_id: None };
    assert_eq!(engine.load_model(load).await.unwrap().state, ModelState::Loaded);
    assert_eq!(engine.delete_version(&made.served.name, "").await.unwrap_err().reason, "VERSION_SERVED");
    assert_eq!(engine.delete_model(&id, "\"0\"").await.unwrap_err().reason, "ETAG_MISMATCH");
    engine.delete_model(&id, "").await.unwrap();
    assert_eq!(engine.get_model(&id).await.unwrap_err().reason, "RESOURCE_NOT_FOUND");
    assert!(!folder.path().join("models/m").exists());
    engine.create_model(small_cnn("m")).await.unwrap();
    engine.shutdown().await;
}

#[tokio::test]
async fn exports_stay_inside_the_roots_and_overwrite_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    let options = EngineOptions { roots: vec![root.path().into()], ..options(folder.path()) };
    let engine = Engine::start(options).await.unwrap();
    let made = engine.create_model(small_cnn("m")).await.unwrap();
    let model = "m".parse().unwrap();
    let export = |uri: Option<&str>, overwrite| engine.export_version(&model, None, uri.map(str::to_owned), overwrite);
    let exported = export(Some("copy.safetensors"), false).await.unwrap();
    assert_eq!((exported.sha256, exported.size_bytes), (made.served.sha256.clone(), made.served.size_bytes));
    assert_eq!(export(Some("copy.safetensors"), false).await.unwrap_err().reason, "FILE_EXISTS");
    export(Some("copy.safetensors"), true).await.unwrap();
    assert_eq!(export(Some("/etc/copy"), true).await.unwrap_err().reason, "URI_OUTSIDE_ROOTS");
    assert!(export(None, false).await.unwrap().uri.ends_with("exports/m-1.safetensors"));
    let spec = NewModelSpec { format: None, ..small_cnn("n").spec };
    let uri = Some("copy.safetensors".to_owned());
    let load = LoadModel { id: "n".parse().unwrap(), uri, spec: Some(spec), device: String::new(), request_id: None };
    assert_eq!(engine.load_model(load).await.unwrap().served.sha256, made.served.sha256);
    engine.shutdown().await;
}
