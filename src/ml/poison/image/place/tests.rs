//! Where patches go, and whose pixels they are.

use proptest::prelude::*;

use super::*;

const MODES: [PoisonImageMode; 6] = [
    PoisonImageMode::Localized,
    PoisonImageMode::GradCam,
    PoisonImageMode::Margin,
    PoisonImageMode::Center,
    PoisonImageMode::RandomPosition,
    PoisonImageMode::Full,
];

fn square(side: u32) -> ImageShape {
    ImageShape { height: side, width: side, channels: 3 }
}

/// A 2x2 map whose best cell is `cell`.
fn map(cell: usize) -> ScoreMap {
    let mut values = vec![0.0; 4];
    values[cell] = 1.0;
    ScoreMap { height: 2, width: 2, values }
}

#[test]
fn localised_patches_lie_at_the_peaks_of_both_images() {
    let maps = HashMap::from([(1, map(0)), (9, map(3))]);
    for mode in [PoisonImageMode::Localized, PoisonImageMode::GradCam, PoisonImageMode::Margin] {
        let poison = place(mode, &[(1, 9)], Some(&maps), square(224), 0).unwrap()[0];
        assert_eq!(poison.target, Rect { top: 0, left: 0, height: 64, width: 64 });
        // The peak of the last cell is its centre, (168, 168), from where on the upsampled map is flat.
        assert_eq!(poison.source, Rect { top: 136, left: 136, height: 64, width: 64 });
    }
}

#[test]
fn the_other_modes_have_the_papers_sizes() {
    let place = |mode| place(mode, &[(1, 9)], None, square(224), 0).unwrap()[0];
    let centre = place(PoisonImageMode::Center);
    assert_eq!((centre.source, centre.target), (centre.target, Rect { top: 64, left: 64, height: 96, width: 96 }));
    let full = place(PoisonImageMode::Full);
    assert_eq!(full.source, Rect::whole(square(224)));
    assert_eq!(full.target, Rect { top: 32, left: 32, height: 160, width: 160 });
    let random = place(PoisonImageMode::RandomPosition);
    assert_eq!((random.source, random.target.height, random.target.width), (centre.source, 96, 96));
}

#[test]
fn random_places_differ_between_samples_and_seeds() {
    let places = |seed| {
        let pairs: Vec<(usize, usize)> = (0..20).map(|position| (position, 99)).collect();
        let poisons = place(PoisonImageMode::RandomPosition, &pairs, None, square(224), seed).unwrap();
        poisons.into_iter().map(|poison| poison.target).collect::<std::collections::HashSet<Rect>>()
    };
    assert!(places(1).len() > 15);
    assert_ne!(places(1), places(2));
}

#[test]
fn without_a_mode_nothing_is_placed_and_without_maps_peaks_are_missing() {
    assert!(place(PoisonImageMode::None, &[(1, 9)], None, square(8), 0).unwrap().is_empty());
    for mode in MODES {
        assert_eq!(place(mode, &[(1, 9)], Some(&HashMap::new()), square(8), 0).is_err(), needs_maps(mode), "{mode:?}");
    }
}

#[test]
fn a_donor_class_without_samples_is_refused() {
    let error = choose_donors(&[3], |_| 1, |_| &[], 0).unwrap_err();
    assert_eq!((error.kind, error.reason), (crate::domain::ErrorKind::FailedPrecondition, "DONOR_CLASS_EMPTY"));
}

#[test]
fn donors_are_drawn_uniformly() {
    let poisoned: Vec<usize> = (0..4000).collect();
    let pairs = choose_donors(&poisoned, |_| 1, |_| &[5, 6, 7, 8], 42).unwrap();
    for donor in 5..9 {
        let count = pairs.iter().filter(|pair| pair.1 == donor).count();
        assert!((900..1100).contains(&count), "{count} of 4000");
    }
}

proptest! {
    #[test]
    fn rectangles_are_inside_for_any_size(
        height in 1_u32..260, width in 1_u32..260, cells in 1_usize..9, peaks: (u16, u16), seed: u64,
    ) {
        let shape = ImageShape { height, width, channels: 1 };
        let map = |peak: u16| {
            let mut values = vec![0.0; cells * cells];
            values[peak as usize % (cells * cells)] = 1.0;
            ScoreMap { height: cells, width: cells, values }
        };
        let maps = HashMap::from([(1, map(peaks.0)), (9, map(peaks.1))]);
        for mode in MODES {
            let poison = place(mode, &[(1, 9)], Some(&maps), shape, seed).unwrap()[0];
            prop_assert!(poison.source.is_inside(shape) && poison.target.is_inside(shape), "{mode:?}: {poison:?}");
        }
    }

    #[test]
    fn a_samples_donor_and_place_do_not_depend_on_the_others(seed: u64, keep in proptest::collection::vec(any::<bool>(), 30)) {
        let all: Vec<usize> = (0..30).collect();
        let some: Vec<usize> = all.iter().rev().copied().filter(|&position| keep[position]).collect();
        let choose = |poisoned: &[usize]| {
            let samples = [vec![100, 101, 102], vec![200, 201, 202, 203]];
            let pairs = choose_donors(poisoned, |position| position as u32 % 2, |class| &samples[class as usize], seed);
            place(PoisonImageMode::RandomPosition, &pairs.unwrap(), None, square(32), seed).unwrap()
        };
        let whole = choose(&all);
        for poison in choose(&some) {
            prop_assert_eq!(poison, whole[poison.position]);
            prop_assert_eq!(poison.donor / 100, 1 + poison.position % 2, "a sample of the donor class");
        }
    }
}
