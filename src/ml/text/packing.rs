//! Several short examples in one row of the context, so that less of a batch is padding.
//!
//! First fit, the longest first, equal ones in order: deterministic, and at most 22 per cent more rows than the fewest possible
//! (Johnson 1973). Whoever packs must keep examples from attending to each other, or say that they do.

/// Examples that share a row, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    pub members: Vec<usize>,
    pub length: usize,
}

/// Rows of at most `context` tokens; an example that is longer has a row of its own.
pub fn pack(lengths: &[usize], context: usize) -> Vec<Pack> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(lengths[*index]));
    let mut packs: Vec<Pack> = Vec::new();
    for index in order {
        let length = lengths[index];
        match packs.iter_mut().find(|pack| pack.length + length <= context) {
            Some(pack) => {
                pack.members.push(index);
                pack.length += length;
            }
            None => packs.push(Pack { members: vec![index], length }),
        }
    }
    packs.iter_mut().for_each(|pack| pack.members.sort_unstable());
    packs
}
