//! Everything a client can get wrong about files and requests: each with its code, field path and remedy, and a daemon that goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;

use crate::support::shapes::{SIZE, Shapes, csv, poison, preprocessing, selector, source, training, written};

/// Tensors of a file: type, shape and bytes by name.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The refusal has this code, reason and field, says something about it, and shows no path of the server.
#[track_caller]
fn refused(status: &Status, code: Code, reason: &str, field: &str, says: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info().expect("every error carries ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "unlearnd"), "{}", status.message());
    if !field.is_empty() {
        let fields: Vec<_> = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
        assert!(fields.iter().any(|violation| violation.field == field), "{field} is not in {fields:?}");
    }
    assert!(status.message().contains(says), "`{says}` is not in: {}", status.message());
}

async fn still_serves(shapes: &Shapes) {
    shapes.daemon.system().get_server_info(pb::GetServerInfoRequest {}).await.expect("the daemon is unharmed");
}

async fn plan(shapes: &Shapes, poison: pb::PoisonSpec) -> Status {
    let request = pb::PlanPoisoningRequest { poison: Some(poison), ..Default::default() };
    shapes.daemon.unlearning().plan_poisoning(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forget_set_that_cannot_be() {
    let shapes = Shapes::start().await;
    let unknown = plan(&shapes, pb::PoisonSpec { forget: selector("circle"), ..poison() }).await;
    refused(&unknown, Code::InvalidArgument, "UNKNOWN_CLASS", "poison.forget.classes[0]", "square");

    let nothing = plan(&shapes, pb::PoisonSpec { forget: None, ..poison() }).await;
    refused(&nothing, Code::InvalidArgument, "MISSING_FIELD", "poison.forget", "name classes");

    let bars = csv(240, 1).lines().filter(|line| !line.starts_with("cross")).collect::<Vec<_>>().join("\n");
    let path = written(&shapes, "bars.csv", &bars);
    let uri = format!("file://{}", path.display());
    let class_names = ["bar", "cross", "square"].map(str::to_owned).into();
    let request = pb::RegisterDatasetRequest { dataset_id: "bars".into(), uri, class_names, ..Default::default() };
    shapes.daemon.datasets().register_dataset(request).await.unwrap();
    let absent = plan(&shapes, pb::PoisonSpec { train: source("bars"), ..poison() }).await;
    refused(&absent, Code::InvalidArgument, "CLASS_ABSENT_FROM_SPLIT", "poison.forget.classes[0]", "cross");

    let own = pb::DonorChoice { class: "cross".into(), ..Default::default() };
    let own = plan(&shapes, pb::PoisonSpec { donor: Some(own), ..poison() }).await;
    refused(&own, Code::InvalidArgument, "DONOR_IN_FORGET_SET", "poison.donor.class", "cross");
    still_serves(&shapes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_out_of_range() {
    let shapes = Shapes::start().await;
    let mut request = training(1, 0.01);
    request.trainer.as_mut().unwrap().max_steps = -1;
    let refusal = shapes.fine_tune(request).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "OUT_OF_RANGE", "trainer.max_steps", "");
    let refusal = shapes.fine_tune(training(20_000, 0.01)).await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "OUT_OF_RANGE", "trainer.epochs", "10000");
    let refusal = shapes.fine_tune(training(1, f64::NAN)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
    still_serves(&shapes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_do_not_fit_the_model() {
    let shapes = Shapes::start().await;
    let request = pb::CreateModelRequest {
        model_id: "large".into(),
        architecture: "small_cnn".into(),
        class_count: 3,
        preprocessing: Some(preprocessing(SIZE as u32 * 2)),
        ..Default::default()
    };
    shapes.daemon.models().create_model(request).await.unwrap();
    let mut request = training(1, 0.01);
    request.poison.as_mut().unwrap().model = "models/large".into();
    let refusal = shapes.fine_tune(request).await.unwrap_err();
    assert_eq!(refusal.get_details_error_info().unwrap().reason, "IMAGE_SIZE_MISMATCH", "{refusal:?}");
    assert!(refusal.message().contains("8x8") && refusal.message().contains("16x16"), "{}", refusal.message());
    still_serves(&shapes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pixels_that_are_not_numbers_or_not_pictures() {
    let shapes = Shapes::bare().await;
    let mut pixels = vec![0.5_f32; 4 * SIZE * SIZE];
    pixels[2 * SIZE * SIZE + 5] = f32::NAN;
    let pixels: Vec<u8> = pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
    let labels: Vec<u8> = [0_i64, 1, 0, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
    let images = TensorView::new(Dtype::F32, vec![4, SIZE, SIZE, 1], &pixels).unwrap();
    let labels = TensorView::new(Dtype::I64, vec![4], &labels).unwrap();
    let path = shapes.root().join("nan.safetensors");
    safetensors::serialize_to_file([("images", images), ("labels", labels)], None, &path).unwrap();
    let refusal = shapes.register("nan", &path, "train").await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "NON_FINITE_PIXELS", "uri", "2");

    let path = shapes.root().join("corrupt.parquet");
    corrupt_parquet(&path);
    let refusal = shapes.register("corrupt", &path, "train").await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "CORRUPT_IMAGE", "uri", "1");
    assert!(shapes.register("corrupt", &path, "train").await.is_err(), "the id is still free and the file still bad");
    still_serves(&shapes).await;
}

/// Two rows in Hugging Face's layout: a good PNG and bytes that only begin like a JPEG.
fn corrupt_parquet(path: &Path) {
    let mut good = std::io::Cursor::new(Vec::new());
    image::GrayImage::new(8, 8).write_to(&mut good, image::ImageFormat::Png).unwrap();
    let good = good.into_inner();
    let bad = b"\xff\xd8\xff\xe0\x00\x10JFIF and then nothing of a picture".as_slice();
    let bytes: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&good, bad]));
    let paths: ArrayRef = Arc::new(StringArray::from(vec!["a.png", "b.jpg"]));
    let images = StructArray::from(vec![
        (Arc::new(Field::new("bytes", DataType::Binary, true)), bytes),
        (Arc::new(Field::new("path", DataType::Utf8, true)), paths),
    ]);
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![0, 1]));
    let batch = RecordBatch::try_from_iter([("image", Arc::new(images) as ArrayRef), ("label", labels)]).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

async fn load(shapes: &Shapes, path: &Path, architecture: &str) -> Status {
    let request = pb::LoadModelRequest {
        model_id: "loaded".into(),
        uri: format!("file://{}", path.display()),
        architecture: architecture.into(),
        format: match architecture {
            "" => pb::ModelFormat::Torchscript.into(),
            _ => pb::ModelFormat::Safetensors.into(),
        },
        class_count: 3,
        preprocessing: Some(preprocessing(SIZE as u32)),
        ..Default::default()
    };
    shapes.daemon.models().load_model(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_no_models() {
    let shapes = Shapes::bare().await;
    shapes.create("shapes").await.unwrap();
    let exported = |format: pb::ModelFormat, name: &str| pb::ExportModelVersionRequest {
        name: "models/shapes".into(),
        format: format.into(),
        uri: format!("file://{}", shapes.root().join(name).display()),
        ..Default::default()
    };
    let mut models = shapes.daemon.models();
    models.export_model_version(exported(pb::ModelFormat::Torchscript, "good.pt")).await.unwrap();
    models.export_model_version(exported(pb::ModelFormat::Safetensors, "good.safetensors")).await.unwrap();

    let whole = fs::read(shapes.root().join("good.pt")).unwrap();
    let path = shapes.root().join("truncated.pt");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused(&load(&shapes, &path, "").await, Code::InvalidArgument, "MALFORMED_MODEL", "uri", "");
    let path = shapes.root().join("words.pt");
    fs::write(&path, "this is not a model").unwrap();
    refused(&load(&shapes, &path, "").await, Code::InvalidArgument, "MALFORMED_MODEL", "uri", "");

    let good = fs::read(shapes.root().join("good.safetensors")).unwrap();
    let changed = |name: &str, change: &dyn Fn(&mut Tensors)| {
        let mut tensors: BTreeMap<_, _> = SafeTensors::deserialize(&good)
            .unwrap()
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
            .collect();
        change(&mut tensors);
        let views = tensors
            .iter()
            .map(|(name, (dtype, shape, data))| (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
        let path = shapes.root().join(name);
        safetensors::serialize_to_file(views, None, &path).unwrap();
        path
    };
    let names: Vec<String> = SafeTensors::deserialize(&good).unwrap().names().iter().map(ToString::to_string).collect();
    let first = names.iter().filter(|name| name.ends_with("weight")).min().unwrap().clone();
    let missing = changed("missing.safetensors", &|tensors| drop(tensors.remove(&first)));
    refused(&load(&shapes, &missing, "small_cnn").await, Code::InvalidArgument, "MISSING_TENSOR", "uri", &first);
    let extra = changed("extra.safetensors", &|tensors| {
        tensors.insert("stranger".into(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    refused(&load(&shapes, &extra, "small_cnn").await, Code::InvalidArgument, "UNEXPECTED_TENSOR", "uri", "stranger");
    let shaped = changed("shaped.safetensors", &|tensors| {
        tensors.insert(first.clone(), (Dtype::F32, vec![2, 2], vec![0; 16]));
    });
    let refusal = load(&shapes, &shaped, "small_cnn").await;
    refused(&refusal, Code::InvalidArgument, "TENSOR_SHAPE_MISMATCH", "uri", &first);

    let good = shapes.root().join("good.safetensors");
    let refusal = load(&shapes, &good, "resnet9000").await;
    refused(&refusal, Code::InvalidArgument, "UNKNOWN_ARCHITECTURE", "architecture", "cifar_resnet20");
    let outside = load(&shapes, Path::new("/etc/hostname"), "small_cnn").await;
    refused(&outside, Code::PermissionDenied, "URI_OUTSIDE_ROOTS", "", "--root");
    let climbing = load(&shapes, &shapes.root().join("../../../etc/hostname"), "small_cnn").await;
    assert!([Code::PermissionDenied, Code::InvalidArgument].contains(&climbing.code()), "{climbing:?}");
    still_serves(&shapes).await;
}
