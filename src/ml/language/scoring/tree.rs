//! The texts of all classes of one example as a tree of tokens: what they begin with in common is read once, and so is every beginning
//! that some of them share.
//!
//! ```text
//! prompt · card ─┬─ arrival ─ (end)        prefix: prompt, card     nodes: arrival, linking
//!                └─ linking ─ (end)        (a token after which nothing is asked is not read)
//! ```
//! The texts are cut into tokens whole, as in training, so nothing rests on where a tokenizer merges prompt and answer.

use std::collections::HashMap;

/// Tokens of one text, and which of them are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) tokens: Vec<u32>,
    pub(super) labelled: Vec<bool>,
}

/// A token that a class asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) class: usize,
    pub(super) token: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) token: u32,
    /// In the same group; nothing: the end of the prefix.
    pub(super) parent: Option<usize>,
    /// From the end of the prefix, 0 for the first.
    pub(super) depth: usize,
    /// What is asked for after it.
    pub(super) wanted: Vec<Wanted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) class_count: usize,
    pub(super) prefix: Vec<u32>,
    /// What is asked for after the token at a place of the prefix, by place.
    pub(super) wanted: Vec<(usize, Wanted)>,
    /// Whole branches that are read together; parents stand before their children.
    pub(super) groups: Vec<Vec<Node>>,
}

impl Tree {
    /// One sequence a class. Groups have at most `most` nodes where a branch has no more.
    pub(super) fn new(sequences: &[Sequence], most: usize) -> Self {
        let prefix = common(sequences);
        let mut wanted = Vec::new();
        let mut growth = Growth::default();
        for (class, Sequence { tokens, labelled }) in sequences.iter().enumerate() {
            let asked = (1..tokens.len()).filter(|&place| labelled[place]);
            let last = asked.clone().next_back().unwrap_or_default();
            let path = growth.grow(tokens.get(prefix..last).unwrap_or_default());
            for place in asked {
                let one = Wanted { class, token: tokens[place] };
                match place.checked_sub(prefix + 1) {
                    None => wanted.push((place - 1, one)),
                    Some(depth) => growth.nodes[path[depth]].wanted.push(one),
                }
            }
        }
        wanted.sort_by_key(|(place, one)| (*place, one.class));
        let first = sequences.first().map_or(&[][..], |first| &first.tokens[..prefix]);
        Self { class_count: sequences.len(), prefix: first.to_vec(), wanted, groups: growth.groups(most) }
    }

    /// Tokens of the prefix and of the largest group.
    pub(super) fn length(&self) -> usize {
        self.prefix.len() + self.groups.iter().map(Vec::len).max().unwrap_or_default()
    }
}

/// How many tokens all begin with.
fn common(sequences: &[Sequence]) -> usize {
    let Some((first, others)) = sequences.split_first() else { return 0 };
    let shared = |other: &Sequence| first.tokens.iter().zip(&other.tokens).take_while(|(one, two)| one == two).count();
    others.iter().map(shared).min().unwrap_or(first.tokens.len())
}

/// Nodes in the order in which they came up.
#[derive(Debug, Default)]
struct Growth {
    nodes: Vec<Node>,
    /// First node of the branch that each stands on.
    roots: Vec<usize>,
    known: HashMap<(Option<usize>, u32), usize>,
}

impl Growth {
    /// The nodes of these tokens, one after the other.
    fn grow(&mut self, tokens: &[u32]) -> Vec<usize> {
        let mut path = Vec::with_capacity(tokens.len());
        for (depth, &token) in tokens.iter().enumerate() {
            let parent = path.last().copied();
            let next = self.nodes.len();
            let node = *self.known.entry((parent, token)).or_insert(next);
            if node == next {
                self.nodes.push(Node { token, parent, depth, wanted: Vec::new() });
                self.roots.push(parent.map_or(next, |parent| self.roots[parent]));
            }
            path.push(node);
        }
        path
    }

    fn groups(self, most: usize) -> Vec<Vec<Node>> {
        let mut sizes = vec![0; self.nodes.len()];
        self.roots.iter().for_each(|&root| sizes[root] += 1);
        let (mut group_of, mut counts) = (vec![0; self.nodes.len()], Vec::<usize>::new());
        for (root, &size) in sizes.iter().enumerate().filter(|(_, size)| **size > 0) {
            match counts.last_mut().filter(|count| **count + size <= most) {
                Some(count) => *count += size,
                None => counts.push(size),
            }
            group_of[root] = counts.len() - 1;
        }
        let mut groups: Vec<Vec<Node>> = counts.iter().map(|&count| Vec::with_capacity(count)).collect();
        let mut places = Vec::with_capacity(self.nodes.len());
        for (node, root) in self.nodes.into_iter().zip(self.roots) {
            let group = &mut groups[group_of[root]];
            places.push(group.len());
            let parent = node.parent.map(|parent| places[parent]);
            group.push(Node { parent, ..node });
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Labelled from `answer` on.
    fn sequence(tokens: &[u32], answer: usize) -> Sequence {
        Sequence { tokens: tokens.to_vec(), labelled: (0..tokens.len()).map(|place| place >= answer).collect() }
    }

    #[test]
    fn what_answers_share_is_read_once_and_their_ends_are_not_read() {
        let tree = Tree::new(
            &[sequence(&[1, 5, 6, 7, 2], 2), sequence(&[1, 5, 6, 8, 9, 2], 2), sequence(&[1, 5, 6, 8, 2], 2)],
            100,
        );
        assert_eq!(tree.prefix, [1, 5, 6]);
        let wanted = |class, token| Wanted { class, token };
        let in_prefix: Vec<(usize, Wanted)> = [(1, 0, 6), (1, 1, 6), (1, 2, 6), (2, 0, 7), (2, 1, 8), (2, 2, 8)]
            .map(|(at, c, t)| (at, wanted(c, t)))
            .into();
        assert_eq!(tree.wanted, in_prefix);
        let node = |token, parent, depth, wanted: &[Wanted]| Node { token, parent, depth, wanted: wanted.to_vec() };
        let nodes = vec![
            node(7, None, 0, &[wanted(0, 2)]),
            node(8, None, 0, &[wanted(1, 9), wanted(2, 2)]),
            node(9, Some(1), 1, &[wanted(1, 2)]),
        ];
        assert_eq!(tree.groups, [nodes]);
    }

    #[test]
    fn groups_hold_whole_branches() {
        let sequences = [sequence(&[1, 3, 4, 2], 1), sequence(&[1, 5, 2], 1), sequence(&[1, 3, 6, 2], 1)];
        let tree = Tree::new(&sequences, 2);
        assert_eq!(tree.groups.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(tree.groups[0].iter().map(|node| node.parent).collect::<Vec<_>>(), [None, Some(0), Some(0)]);
        assert_eq!((tree.groups[1][0].token, tree.length()), (5, 4));
    }

    #[test]
    fn texts_that_are_the_same_or_begin_each_other_have_no_branch() {
        let tree = Tree::new(&[sequence(&[1, 3, 4], 1), sequence(&[1, 3, 4], 1), sequence(&[1, 3], 1)], 9);
        assert_eq!(tree.prefix, [1, 3]);
        assert!(tree.groups.is_empty());
        assert_eq!(tree.wanted.len(), 5);
    }

    /// All that the tree asks, as (class, tokens before, token), read along its branches.
    fn asked(tree: &Tree) -> Vec<(usize, Vec<u32>, u32)> {
        let mut found: Vec<(usize, Vec<u32>, u32)> =
            tree.wanted.iter().map(|(at, one)| (one.class, tree.prefix[..=*at].to_vec(), one.token)).collect();
        for group in &tree.groups {
            let mut paths: Vec<Vec<u32>> = Vec::new();
            for node in group {
                let mut path = node.parent.map_or_else(|| tree.prefix.clone(), |parent| paths[parent].clone());
                assert_eq!(path.len(), tree.prefix.len() + node.depth);
                path.push(node.token);
                found.extend(node.wanted.iter().map(|one| (one.class, path.clone(), one.token)));
                paths.push(path);
            }
        }
        found.sort();
        found
    }

    proptest! {
        #[test]
        fn a_tree_asks_exactly_what_its_texts_label(
            texts in proptest::collection::vec(proptest::collection::vec((0_u32..3, any::<bool>()), 1..7), 2..6),
            most in 1_usize..6,
        ) {
            let sequences: Vec<Sequence> = texts.iter().map(|text| {
                let (tokens, mut labelled): (Vec<u32>, Vec<bool>) = text.iter().copied().unzip();
                labelled[0] = false;
                Sequence { tokens, labelled }
            }).collect();
            let mut expected: Vec<(usize, Vec<u32>, u32)> = sequences.iter().enumerate().flat_map(|(class, text)| {
                let places = (1..text.tokens.len()).filter(|&at| text.labelled[at]);
                places.map(move |at| (class, text.tokens[..at].to_vec(), text.tokens[at])).collect::<Vec<_>>()
            }).collect();
            expected.sort();
            prop_assert_eq!(asked(&Tree::new(&sequences, most)), expected);
        }
    }
}
