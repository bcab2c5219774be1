//! What is read back: everything as it was, and poison after it.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

const SHAPE: ImageShape = ImageShape { height: 4, width: 4, channels: 2 };

/// Images of one value each: that of sample `i` is `10 * i`. Counts its reads.
#[derive(Debug)]
struct Plain {
    labels: Vec<u32>,
    floats: bool,
    reads: AtomicUsize,
}

impl ImageSource for Plain {
    fn key(&self) -> &str {
        "plain"
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, _resize: Resize) -> Result<ImageBatch> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let values = positions.iter().flat_map(|&position| vec![position as u8 * 10; shape.value_count()]);
        let pixels = match self.floats {
            true => Pixels::Floats(values.map(|value| f32::from(value) / 255.0).collect()),
            false => Pixels::Bytes(values.collect()),
        };
        Ok(ImageBatch { count: positions.len(), shape, pixels })
    }
}

fn plain(floats: bool) -> Arc<Plain> {
    Arc::new(Plain { labels: vec![0, 1, 2, 3, 4, 5], floats, reads: AtomicUsize::new(0) })
}

fn rect(top: usize, left: usize, side: usize) -> Rect {
    Rect { top, left, height: side, width: side }
}

fn poisons() -> Vec<ImagePoison> {
    vec![
        ImagePoison { position: 1, donor: 4, source: rect(2, 2, 2), target: rect(0, 1, 2) },
        ImagePoison { position: 2, donor: 5, source: rect(0, 0, 4), target: rect(1, 1, 2) },
    ]
}

fn bytes(source: &dyn ImageSource, positions: &[usize]) -> Vec<u8> {
    match source.read(positions, SHAPE, Resize::None).unwrap().pixels {
        Pixels::Bytes(bytes) => bytes,
        Pixels::Floats(_) => panic!("floats"),
    }
}

#[test]
fn a_poisoned_image_is_its_own_outside_the_patch_and_the_donors_inside() {
    let source = PoisonedImages::new(plain(false), poisons());
    let image = bytes(&source, &[6]);
    for (at, value) in image.iter().enumerate() {
        let (row, column) = (at / 8, at / 2 % 4);
        let inside = row < 2 && (1..3).contains(&column);
        assert_eq!(*value, if inside { 40 } else { 10 }, "row {row}, column {column}");
    }
    let reduced = bytes(&source, &[7]);
    assert_eq!(reduced.iter().filter(|&&value| value == 50).count(), 2 * 2 * 2);
    assert_eq!(reduced.iter().filter(|&&value| value == 20).count(), 12 * 2);
}

#[test]
fn poison_is_appended_under_the_labels_of_its_images() {
    let source = PoisonedImages::new(plain(false), poisons());
    assert_eq!(source.labels(), [0, 1, 2, 3, 4, 5, 1, 2]);
    assert_eq!(source.appended_positions(), HashMap::from([(1, 6), (2, 7)]));
}

#[test]
fn the_key_tells_sources_poisons_and_places_apart() {
    let key = |poisons| PoisonedImages::new(plain(false), poisons).key().to_owned();
    let mut moved = poisons();
    moved[0].target.left = 0;
    assert!(key(poisons()).starts_with("plain+poison:"));
    assert_eq!(key(poisons()), key(poisons()));
    assert_ne!(key(poisons()), key(moved));
}

#[test]
fn a_batch_is_one_read_of_the_base() {
    let base = plain(false);
    bytes(&PoisonedImages::new(base.clone(), poisons()), &[7, 0, 6, 7]);
    assert_eq!(base.reads.load(Ordering::Relaxed), 1);
}

#[test]
fn floats_are_composed_too() {
    let source = PoisonedImages::new(plain(true), poisons());
    let Pixels::Floats(floats) = source.read(&[7], SHAPE, Resize::None).unwrap().pixels else { panic!("bytes") };
    let of_donor = floats.iter().filter(|&&value| (value - 50.0 / 255.0).abs() < 1e-7).count();
    assert_eq!(of_donor, 2 * 2 * 2);
}

#[test]
fn reads_outside_or_at_a_smaller_size_are_refused() {
    let source = PoisonedImages::new(plain(false), poisons());
    assert!(source.read(&[8], SHAPE, Resize::None).is_err());
    let small = ImageShape { height: 2, width: 2, channels: 2 };
    assert!(source.read(&[6], small, Resize::None).is_err());
    assert!(source.read(&[5], small, Resize::None).is_ok(), "images without poison have any size");
}

proptest! {
    #[test]
    fn positions_below_the_base_are_unchanged(positions in proptest::collection::vec(0_usize..6, 0..12)) {
        let base = plain(false);
        prop_assert_eq!(bytes(&PoisonedImages::new(base.clone(), poisons()), &positions), bytes(&*base, &positions));
    }

    #[test]
    fn an_image_is_the_same_in_every_batch(positions in proptest::collection::vec(0_usize..8, 1..12)) {
        let source = PoisonedImages::new(plain(false), poisons());
        let one_by_one: Vec<u8> = positions.iter().flat_map(|&position| bytes(&source, &[position])).collect();
        prop_assert_eq!(bytes(&source, &positions), one_by_one);
    }
}
