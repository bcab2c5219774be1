//! Every concept can be drawn, tells its sides apart, and is the same for the same seed.

use super::*;
use crate::domain::dataset::{ImageSource, Pixels};
use crate::domain::model::Resize;

const SHAPE: ImageShape = ImageShape { height: 32, width: 32, channels: 3 };

#[test]
fn an_image_depends_on_seed_side_and_index_alone() {
    for name in names() {
        let image = render(name, true, 3, 7, SHAPE);
        assert_eq!(image, render(name, true, 3, 7, SHAPE), "{name}");
        for other in
            [render(name, false, 3, 7, SHAPE), render(name, true, 4, 7, SHAPE), render(name, true, 3, 8, SHAPE)]
        {
            assert_ne!(image, other, "{name}");
        }
    }
}

#[test]
fn every_concept_renders_at_any_size_and_channel_count() {
    for (height, width, channels) in [(8, 8, 1), (8, 8, 3), (28, 28, 1), (33, 17, 3), (224, 224, 3)] {
        let shape = ImageShape { height, width, channels };
        for name in names() {
            assert_eq!(render(name, true, 0, 1, shape).len(), shape.value_count(), "{name} at {shape}");
        }
    }
}

#[test]
fn examples_read_the_same_in_any_order() {
    let examples = RenderedExamples::new(&["red", "left"], 5, 9);
    let positions: Vec<_> = examples.positions(1, false).collect();
    assert_eq!((examples.len(), positions.clone()), (20, (15..20).collect()));
    let batch = examples.read(&[17, 15], SHAPE, Resize::None).unwrap();
    let Pixels::Bytes(bytes) = batch.pixels else { panic!("rendered images are bytes") };
    assert_eq!(bytes[..SHAPE.value_count()], render("left", false, 2, 9, SHAPE));
    assert_eq!(bytes[SHAPE.value_count()..], render("left", false, 0, 9, SHAPE));
    assert_ne!(examples.key(), RenderedExamples::new(&["red", "left"], 5, 10).key());
    assert!(examples.read(&[20], SHAPE, Resize::None).is_err());
}

#[test]
fn names_are_unique_and_unknown_ones_are_answered_with_near_ones() {
    let mut known = names();
    assert_eq!(resolve(&[]).unwrap(), known);
    assert_eq!(resolve(&["box".into(), "red".into()]).unwrap(), ["box", "red"]);
    let error = resolve(&["red".into(), "stripes".into()]).unwrap_err();
    assert_eq!((error.reason, error.violations[0].field.as_str()), ("UNKNOWN_CONCEPT", "concepts[1]"));
    assert!(error.message.contains("vertical-stripes"), "{error}");
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), names().len());
}

/// Share of (positive, negative) pairs that the statistic orders rightly.
fn auc(name: &str, statistic: impl Fn(&[u8]) -> f64) -> f64 {
    let side = |positive| (0..60).map(|index| statistic(&render(name, positive, index, 1, SHAPE))).collect::<Vec<_>>();
    let (shown, absent) = (side(true), side(false));
    let won = |a: &f64| absent.iter().filter(|b| a > *b).count() as f64;
    shown.iter().map(won).sum::<f64>() / (shown.len() * absent.len()) as f64
}

fn mean_of(image: &[u8], of: impl Fn([f64; 3]) -> f64) -> f64 {
    let pixels = image.chunks_exact(3).map(|pixel| of([pixel[0], pixel[1], pixel[2]].map(f64::from)));
    pixels.sum::<f64>() / (image.len() / 3) as f64
}

#[test]
fn colours_differ_in_colour() {
    for (name, sign) in [("red", [1.0, -0.5, -0.5]), ("green", [-0.5, 1.0, -0.5]), ("blue", [-0.5, -0.5, 1.0])] {
        let area = auc(name, |image| mean_of(image, |pixel| (0..3).map(|c| sign[c] * pixel[c]).sum()));
        assert!(area > 0.8, "{name}: {area}");
    }
}

#[test]
fn dark_and_bright_differ_in_brightness() {
    let brightness = |image: &[u8]| mean_of(image, |pixel| pixel.iter().sum());
    assert!(auc("bright", brightness) > 0.85);
    assert!(auc("dark", |image| -brightness(image)) > 0.95);
}

fn grey(image: &[u8], row: usize, column: usize) -> f64 {
    image[(row * 32 + column) * 3..][..3].iter().map(|&value| f64::from(value)).sum()
}

/// Share of squared differences that lie along columns.
fn vertical_energy(image: &[u8]) -> f64 {
    let (mut down, mut across) = (0.0, 1e-9);
    for (row, column) in (0..31).flat_map(|row| (0..31).map(move |column| (row, column))) {
        let here = grey(image, row, column);
        down += (grey(image, row + 1, column) - here).powi(2);
        across += (grey(image, row, column + 1) - here).powi(2);
    }
    down / (down + across)
}

#[test]
fn stripes_differ_in_the_orientation_of_gradients() {
    let (level, upright) =
        (auc("horizontal-stripes", vertical_energy), auc("vertical-stripes", |i| -vertical_energy(i)));
    assert!(level > 0.85 && upright > 0.85, "{level} {upright}");
}

/// Mean column of the pixels that differ most from the median brightness.
fn centroid(image: &[u8]) -> f64 {
    let mut values: Vec<_> = (0..1024).map(|place| grey(image, place / 32, place % 32)).collect();
    values.sort_by(f64::total_cmp);
    let weight = |place: usize| (grey(image, place / 32, place % 32) - values[512]).powi(2);
    let total: f64 = (0..1024).map(weight).sum();
    (0..1024).map(|place| (place % 32) as f64 * weight(place)).sum::<f64>() / total
}

#[test]
fn placements_differ_in_the_centroid() {
    let (left, right) = (auc("left", |image| -centroid(image)), auc("right", centroid));
    assert!(left > 0.85 && right > 0.85, "{left} {right}");
}

fn agreement(one: &[bool], other: &[bool]) -> f64 {
    one.iter().zip(other).filter(|(a, b)| a == b).count() as f64 / one.len() as f64
}

#[test]
fn attributes_are_independent_and_decide_the_class() {
    let data = attributes::dataset(2000, 16, 5);
    assert_eq!(data.pixels.len(), 2000 * 16 * 16 * 3);
    assert_eq!(data, attributes::dataset(2000, 16, 5));
    let columns = [&data.colour, &data.stroke, &data.texture, &data.position];
    for (first, second) in (0..4).flat_map(|first| (0..first).map(move |second| (first, second))) {
        let share = agreement(columns[first], columns[second]);
        assert!((share - 0.5).abs() < 0.05, "{first} and {second}: {share}");
    }
    for (index, &label) in data.labels.iter().enumerate() {
        assert_eq!(label, u32::from(data.colour[index]) + 2 * u32::from(data.stroke[index]));
    }
}
