//! The trained CIFAR-10 model that lies beside the repository keeps its published accuracy.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use tch::Device;
use unlearnd::domain::dataset::{ImageBatch, ImageShape, Pixels};
use unlearnd::domain::finetune::Precision;
use unlearnd::ml::backbone::Backbone;
use unlearnd::ml::torch::images_to_tensor;

use crate::support::{shared, spec};

const COUNT: usize = 1000;

/// Published: 0.8564 on all 10,000 test images; the first thousand are within two standard errors (0.022).
#[test]
fn the_trained_model_keeps_its_accuracy() {
    let (Some(weights), Some(data)) =
        (shared("models/resnet20_cifar10.safetensors"), shared("data/cifar10/test.parquet"))
    else {
        return;
    };
    let mut spec = spec("cifar_resnet20", 10, 3, 32);
    spec.preprocessing.mean = vec![0.485, 0.456, 0.406];
    spec.preprocessing.std = vec![0.229, 0.224, 0.225];
    let model = Backbone::load(&weights, &spec, Device::Cpu).unwrap().inference(Precision::F32).unwrap();
    let (images, labels) = test_images(&data);
    let tensor = images_to_tensor(&images, &spec.preprocessing, Device::Cpu).unwrap();
    let found = model.forward(&tensor).unwrap().argmax(1, false);
    let found: Vec<i64> = Vec::try_from(found).unwrap();
    let correct = found.iter().zip(&labels).filter(|(found, label)| found == label).count();
    let accuracy = correct as f64 / COUNT as f64;
    println!("accuracy on {COUNT} test images: {accuracy}");
    assert!((accuracy - 0.8564).abs() < 0.022, "{accuracy}");
}

/// The first thousand images and labels: rows of (image{bytes, path}, label).
fn test_images(path: &std::path::Path) -> (ImageBatch, Vec<i64>) {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for row in reader.get_row_iter(None).unwrap().take(COUNT) {
        for (_, field) in row.unwrap().get_column_iter() {
            if let Field::Group(image) = field {
                let encoded = image.get_column_iter().find_map(|(_, field)| {
                    if let Field::Bytes(bytes) = field { Some(bytes.data().to_vec()) } else { None }
                });
                pixels.extend(image::load_from_memory(&encoded.unwrap()).unwrap().to_rgb8().into_raw());
            } else {
                let Field::Long(label) = field else { panic!("unexpected column {field}") };
                labels.push(*label);
            }
        }
    }
    let shape = ImageShape { height: 32, width: 32, channels: 3 };
    (ImageBatch { count: COUNT, shape, pixels: Pixels::Bytes(pixels) }, labels)
}
