//! The chain's hashing (存证链): Merkle trees as in RFC 6962, section 2.1.
//!
//! A leaf's hash is SHA-256 of 0x00 and its data, a node's is SHA-256 of 0x01 and its two children;
//! a tree of n leaves is split at the largest power of two below n. One tree holds the leaves of
//! one group commit, so that its size is bounded by the group's.

use crate::domain::{Digest, Hasher};

/// The hash of a leaf's data.
pub fn leaf_hash(data: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(&[0x00]);
    hasher.update(data);
    hasher.finish()
}

/// A tree over the hashes of its leaves.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Hashes level by level: the leaves first, the root alone in the last. A node without a
    /// neighbour stands unchanged in the next level, which gives the split that the RFC defines.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// The tree over these leaf hashes.
    pub fn new(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last()
            && below.len() > 1
        {
            let above = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    alone => alone.first().copied().unwrap_or_default(),
                })
                .collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The root; of no leaves at all, the hash of nothing.
    pub fn root(&self) -> Digest {
        self.levels.last().and_then(|top| top.first()).copied().unwrap_or_else(|| Digest::of(&[]))
    }

    /// The inclusion path of a leaf, from the bottom up (RFC 6962, section 2.1.1).
    pub fn path(&self, leaf: usize) -> Vec<Digest> {
        let neighbours = self.levels.iter().enumerate().map(|(height, level)| level.get((leaf >> height) ^ 1));
        neighbours.flatten().copied().collect()
    }
}

/// The root that a leaf's hash and its inclusion path lead to (RFC 9162, section 2.1.3.2); `None`
/// where the path does not fit the index and the size.
pub fn root_of(leaf: Digest, leaf_index: u64, tree_size: u64, path: &[Digest]) -> Option<Digest> {
    if leaf_index >= tree_size {
        return None;
    }
    let (mut node, mut last, mut hash) = (leaf_index, tree_size - 1, leaf);
    for neighbour in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(neighbour, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, neighbour);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(&[0x01]);
    hasher.update(&left.0);
    hasher.update(&right.0);
    hasher.finish()
}
