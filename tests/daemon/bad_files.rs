//! Files that are not what they should be: each with its code, field path and remedy, and a daemon that goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tonic::{Code, Status};
use unlearnd::pb::v1 as pb;

use crate::support::refusals::{refused, still_serves};
use crate::support::shapes::{SIZE, Shapes, preprocessing};

/// Tensors of a file: type, shape and bytes by name.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

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
    refused(&refusal, Code::InvalidArgument, "NON_FINITE_PIXELS", "uri", "must be finite");

    let path = shapes.root().join("corrupt.parquet");
    corrupt_parquet(&path);
    let refusal = shapes.register("corrupt", &path, "train").await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "CORRUPT_IMAGE", "uri", "register again");
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

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_would_take_hours() {
    let shapes = Shapes::bare().await;
    let path = shapes.root().join("endless.parquet");
    fs::write(&path, endless_parquet()).unwrap();
    let refusal = shapes.register("endless", &path, "train").await.unwrap_err();
    refused(&refusal, Code::InvalidArgument, "UNREADABLE_DATASET", "uri", "write it anew");
    still_serves(&shapes).await;
}

/// A footer with a field that nobody knows: 2,000 lists of 2^31 - 1 Booleans each, which take no room.
fn endless_parquet() -> Vec<u8> {
    let mut footer = vec![0x09, 0xc8, 0x01, 0xf9, 0xd0, 0x0f];
    footer.extend([0xf1, 0xff, 0xff, 0xff, 0xff, 0x07].repeat(2000));
    footer.push(0);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1".as_slice(), &footer, &length, b"PAR1"].concat()
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
    refused(&load(&shapes, &path, "").await, Code::InvalidArgument, "MALFORMED_MODEL", "uri", "torch.jit");
    let path = shapes.root().join("words.pt");
    fs::write(&path, "this is not a model").unwrap();
    refused(&load(&shapes, &path, "").await, Code::InvalidArgument, "MALFORMED_MODEL", "uri", "torch.jit");

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
    refused(&outside, Code::PermissionDenied, "URI_OUTSIDE_ROOTS", "uri", "--root");
    let climbing = load(&shapes, &shapes.root().join("../../../etc/hostname"), "small_cnn").await;
    assert!([Code::PermissionDenied, Code::InvalidArgument].contains(&climbing.code()), "{climbing:?}");
    still_serves(&shapes).await;
}
