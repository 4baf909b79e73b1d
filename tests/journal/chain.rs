//! The chain's hashing against RFC 6962: cases by another program, and properties.

use portolan::domain::Digest;
use portolan::journal::chain::{Tree, leaf_hash, root_of};
use proptest::prelude::*;
use serde::Deserialize;

/// A tree made by `cases/merkle.py`.
#[derive(Deserialize)]
struct Case {
    /// Data of the leaves, in hexadecimal.
    leaves: Vec<String>,
    root: Digest,
    paths: Vec<Vec<Digest>>,
}

#[test]
fn trees_are_those_of_rfc_6962() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases/merkle.json")).unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        let hashes: Vec<Digest> = case.leaves.iter().map(|leaf| leaf_hash(&from_hex(leaf))).collect();
        let (tree, size) = (Tree::new(hashes.clone()), hashes.len());
        assert_eq!(tree.root(), case.root, "{size} leaves");
        for (place, path) in case.paths.iter().enumerate() {
            assert_eq!(&tree.path(place), path, "leaf {place} of {size}");
            assert_eq!(root_of(hashes[place], place as u64, size as u64, path), Some(case.root), "leaf {place} of {size}");
        }
    }
}

proptest! {
    #[test]
    fn every_path_leads_to_the_root_and_no_other_does(size in 1usize..=70, chosen in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0u8..8) {
        let leaves: Vec<Vec<u8>> = (0..size).map(|number| format!("leaf {number}").into_bytes()).collect();
        let tree = Tree::new(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
        let place = chosen.index(size);
        let path = tree.path(place);
        let root = |leaf: &[u8], place: usize, size: usize, path: &[Digest]| root_of(leaf_hash(leaf), place as u64, size as u64, path);
        prop_assert_eq!(root(&leaves[place], place, size, &path), Some(tree.root()));

        // Any bit of the leaf.
        let mut leaf = leaves[place].clone();
        leaf[byte.index(leaves[place].len())] ^= 1 << bit;
        prop_assert_ne!(root(&leaf, place, size, &path), Some(tree.root()));
        // Any bit of the path, a path that is too long or too short.
        for node in 0..path.len() {
            let mut changed = path.clone();
            changed[node].0[byte.index(32)] ^= 1 << bit;
            prop_assert_ne!(root(&leaves[place], place, size, &changed), Some(tree.root()));
        }
        let longer = [path.clone(), vec![Digest::default()]].concat();
        prop_assert_ne!(root(&leaves[place], place, size, &longer), Some(tree.root()));
        if let Some((_, shorter)) = path.split_last() {
            prop_assert_ne!(root(&leaves[place], place, size, shorter), Some(tree.root()));
        }
        // Any other place.
        for other in (0..size + 2).filter(|other| *other != place) {
            prop_assert_ne!(root(&leaves[place], other, size, &path), Some(tree.root()));
        }
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
