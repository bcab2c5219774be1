//! Value noise: a smooth random field over the plane, the same for the same salt.

/// A field in [-1, 1] that varies over a distance of about one.
pub(super) fn value_noise(salt: u32, x: f32, y: f32) -> f32 {
    let (column, row) = (below(x), below(y));
    let (right, down) = (smooth(x - column as f32), smooth(y - row as f32));
    let at = |across: i32, along: i32| lattice(salt, column + across, row + along);
    let upper = at(0, 0) + right * (at(1, 0) - at(0, 0));
    let lower = at(0, 1) + right * (at(1, 1) - at(0, 1));
    upper + down * (lower - upper)
}

/// Two octaves of it.
pub(super) fn cloud(salt: u32, x: f32, y: f32) -> f32 {
    0.67 * value_noise(salt, x, y) + 0.33 * value_noise(salt ^ 0x9e37, 2.1 * x, 2.1 * y)
}

/// Floor, without the call that `f32::floor` is on older processors.
fn below(value: f32) -> i32 {
    value as i32 - i32::from(value < 0.0)
}

fn smooth(share: f32) -> f32 {
    share * share * (3.0 - 2.0 * share)
}

/// A number in [-1, 1] of a lattice point (integer mixing with odd constants and shifts).
pub(super) fn lattice(salt: u32, column: i32, row: i32) -> f32 {
    let mut bits = salt ^ (column as u32).wrapping_mul(0x85eb_ca6b) ^ (row as u32).wrapping_mul(0xc2b2_ae35);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2c1b_3c6d);
    bits = (bits ^ (bits >> 12)).wrapping_mul(0x297a_2d39);
    (bits ^ (bits >> 15)) as f32 / (u32::MAX / 2) as f32 - 1.0
}
