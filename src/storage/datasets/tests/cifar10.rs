//! The real thing, where it is at hand: CIFAR-10 beside the repository.

use std::time::Instant;

use super::*;

fn shared(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("UNLEARND_SHARED").map_or(beside, PathBuf::from);
    let path = folder.join("data/cifar10").join(name);
    if !path.exists() {
        println!("SKIPPED: no CIFAR-10 in ../shared/data; set UNLEARND_SHARED to the folder that holds `data`");
        return None;
    }
    Some(path)
}

#[test]
fn cifar10_is_read_whole() {
    for (file, count) in [("test.parquet", 10_000), ("train.parquet", 50_000)] {
        let Some(path) = shared(file) else { return };
        let start = Instant::now();
        let world = World::of(path);
        println!("{file}: {count} images ingested in {:.2} s", start.elapsed().as_secs_f64());
        let record = &world.record;
        assert_eq!(record.splits[0].name, file.trim_end_matches(".parquet"));
        assert_eq!(record.splits[0].class_counts, [count / 10; 10]);
        assert_eq!(record.class_names[..3], ["airplane", "automobile", "bird"]);
        assert_eq!(record.image_shape, Some(shape(32, 32, 3)));
        let split = world.open().split("").unwrap();
        let positions: Vec<usize> = (0..split.len()).step_by(7).collect();
        let start = Instant::now();
        let read = bytes(&split, &positions, shape(32, 32, 3));
        println!("{} scattered images read in {:.3} s", positions.len(), start.elapsed().as_secs_f64());
        assert_eq!(read.len(), positions.len() * 3072);
    }
}
