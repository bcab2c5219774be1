//! Trees read behind the rows that they stand on: all branches of a group at once, each token seeing its own ancestors alone (the mask of
//! tree attention, Miao et al. 2024). Nothing of the cache is copied, however many classes there are.

use tch::{TchError, Tensor};

use super::reading::{Columns, Reading};
use super::tree::{Node, Tree};
use crate::domain::Result;
use crate::ml::language::Language;
use crate::ml::language::pass::Branching;
use crate::ml::torch::torch_error;

/// How far the groups were read: one group of every row at a time.
#[derive(Debug, Default)]
pub(super) struct Branches {
    group: usize,
    column: usize,
}

impl Branches {
    /// The group that is read now.
    pub(super) fn group(&self) -> usize {
        self.group
    }

    fn groups<'a>(&self, trees: &'a [Tree]) -> Vec<&'a [Node]> {
        trees.iter().map(|tree| tree.groups.get(self.group).map_or(&[][..], Vec::as_slice)).collect()
    }

    /// Reads at most `most` columns of the group, of which some are left.
    pub(super) fn advance(
        &mut self,
        language: &Language,
        reading: &mut Reading,
        trees: &[Tree],
        most: usize,
    ) -> Result<Columns> {
        let groups = self.groups(trees);
        let (first, end) = (self.column, width(&groups).min(self.column + most));
        let failed = torch_error("make the branches");
        let tokens = tokens(&groups, first..end).map_err(&failed)?;
        let branching = branching(&groups, reading, first..end).map_err(failed)?;
        let (model, adapter) = (language.model(), language.adapter().map(AsRef::as_ref));
        let hidden = model.branch(&model.embed(&tokens)?, &branching, &mut reading.cache, adapter)?;
        self.column = end;
        Ok(Columns { first, hidden })
    }

    /// Forgets the group if all its columns were read, and turns to the next.
    pub(super) fn turn(&mut self, reading: &mut Reading, trees: &[Tree]) {
        if self.column < width(&self.groups(trees)) {
            return;
        }
        let width = reading.width();
        reading.cache.iter_mut().for_each(|layer| layer.truncate(width));
        (self.group, self.column) = (self.group + 1, 0);
    }
}

fn width(groups: &[&[Node]]) -> usize {
    groups.iter().map(|group| group.len()).max().unwrap_or_default()
}

type Range = std::ops::Range<usize>;

/// `[N,C]`; rows with fewer nodes go on with token 0.
fn tokens(groups: &[&[Node]], columns: Range) -> Result<Tensor, TchError> {
    let token = |group: &[Node], column: usize| group.get(column).map_or(0, |node| i64::from(node.token));
    let row = |group: &&[Node]| columns.clone().map(|column| token(group, column)).collect::<Vec<_>>();
    let values: Vec<i64> = groups.iter().flat_map(row).collect();
    Tensor::f_from_slice(&values)?.f_view([groups.len() as i64, columns.len() as i64])
}

fn branching(groups: &[&[Node]], reading: &Reading, columns: Range) -> Result<Branching, TchError> {
    let (width, rows) = (reading.width(), groups.len());
    let keys = width + columns.end;
    let (mut positions, mut key_positions) = (Vec::new(), Vec::with_capacity(rows * keys));
    let mut seen = vec![false; rows * columns.len() * keys];
    for (row, (group, &length)) in groups.iter().zip(reading.lengths()).enumerate() {
        let padding = width - length;
        let position = |column: usize| group.get(column).map_or(0, |node| (length + node.depth) as i64);
        positions.extend(columns.clone().map(position));
        key_positions.extend((0..width).map(|place| place.saturating_sub(padding) as i64));
        key_positions.extend((0..columns.end).map(position));
        for column in columns.clone() {
            let from = (row * columns.len() + column - columns.start) * keys;
            let seen = &mut seen[from..from + keys];
            seen[padding..width].fill(true);
            lineage(group, column).for_each(|node| seen[width + node] = true);
        }
    }
    let (rows, new, keys) = (rows as i64, columns.len() as i64, keys as i64);
    Ok(Branching {
        positions: Tensor::f_from_slice(&positions)?.f_view([rows, new])?,
        key_positions: Tensor::f_from_slice(&key_positions)?.f_view([rows, keys])?,
        seen: Tensor::f_from_slice(&seen)?.f_view([rows, new, keys])?,
    })
}

/// A node and all that it stands on.
fn lineage(group: &[Node], node: usize) -> impl Iterator<Item = usize> + '_ {
    std::iter::successors(Some(node), |&node| group.get(node).and_then(|node| node.parent))
}
