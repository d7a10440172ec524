//! The Merkle tree hash of RFC 6962, section 2.1, over SHA-256: appending, inclusion proofs and their verification.
//!
//! Pure: bytes in, hashes out. Invariant: a [`Frontier`] of `n` leaves holds one root for each set bit of `n`.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf: `SHA-256(0x00 || content)` (RFC 6962, section 2.1).
pub fn leaf_hash(content: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(content).finalize().into()
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The roots of the complete subtrees over the leaves so far, largest first: all that appending needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Takes up a stored frontier; `None` when `bytes` do not fit `size`.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (roots, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && roots.len() as u32 == size.count_ones();
        fits.then(|| Self { size, roots: roots.to_vec() })
    }

    /// The roots, one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.concat()
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; it completes one subtree for each trailing one bit of the old size.
    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                root = node_hash(&left, &root);
            }
        }
        self.roots.push(root);
        self.size += 1;
    }

    /// The tree hash; of no leaves the SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let folded = self.roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        folded.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// The tree hash over `leaves`.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The audit path of the leaf at `index` (from 0), lowest sibling first (RFC 6962, section 2.1.1); empty when there is
/// no such leaf.
pub fn inclusion_path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    let mut path = Vec::new();
    let mut rest = leaves;
    let mut position = index;
    while rest.len() > 1 && position < rest.len() {
        let (left, right) = rest.split_at(split_point(rest.len()));
        if position < left.len() {
            path.push(root(right));
            rest = left;
        } else {
            path.push(root(left));
            position -= left.len();
            rest = right;
        }
    }
    path.reverse();
    path
}

/// The largest power of two less than `length`, which is at least 2.
fn split_point(length: usize) -> usize {
    1 << (length - 1).ilog2()
}

/// The tree hash that follows from a leaf, its index (from 0), the tree's size and an audit path; `None` when the path
/// has not the length that size and index ask for. Compare it with a trusted root.
pub fn root_from_path(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let mut node = leaf;
    let (mut position, mut last) = (index, size - 1);
    let mut siblings = path.iter();
    while last > 0 {
        if position % 2 == 1 {
            node = node_hash(siblings.next()?, &node);
        } else if position < last {
            node = node_hash(&node, siblings.next()?);
        }
        position /= 2;
        last /= 2;
    }
    siblings.next().is_none().then_some(node)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The eight inputs that the certificate-transparency project tests its trees with.
    const INPUTS: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    /// Their roots by number of leaves; agree with a recursive MTH in Python: `hashlib.sha256(b'\x01' + mth(l[:k]) + mth(l[k:]))`.
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaves() -> Vec<Hash> {
        INPUTS.iter().map(|input| leaf_hash(&hex::decode(input).unwrap())).collect()
    }

    #[test]
    fn roots_agree_with_the_known_vectors() {
        let mut frontier = Frontier::default();
        assert_eq!(hex::encode(frontier.root()), ROOTS[0]);
        for (leaf, expected) in leaves().into_iter().zip(&ROOTS[1..]) {
            frontier.push(leaf);
            assert_eq!(hex::encode(frontier.root()), *expected);
        }
    }

    #[test]
    fn paths_agree_with_the_known_vectors() {
        let path = |index: usize, size: usize| -> Vec<String> {
            inclusion_path(&leaves()[..size], index).iter().map(hex::encode).collect()
        };
        assert_eq!(
            path(0, 8),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
            ]
        );
        assert_eq!(
            path(5, 8),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
            ]
        );
        assert_eq!(path(2, 3), ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
        assert_eq!(path(8, 8), Vec::<String>::new());
    }

    #[test]
    fn stored_frontier_goes_on_where_it_stopped() {
        let mut frontier = Frontier::default();
        for (position, leaf) in leaves().into_iter().enumerate() {
            frontier = Frontier::from_bytes(position as u64, &frontier.to_bytes()).unwrap();
            frontier.push(leaf);
        }
        assert_eq!(hex::encode(frontier.root()), ROOTS[8]);
        assert_eq!(Frontier::from_bytes(3, &[0; 32]), None);
        assert_eq!(Frontier::from_bytes(1, &[0; 31]), None);
    }

    proptest! {
        #[test]
        fn every_leaf_is_proven_and_no_other(size in 1_usize..70, pick in 0_usize..70, wrong in any::<u8>()) {
            let leaves: Vec<Hash> = (0..size).map(|leaf| leaf_hash(&leaf.to_le_bytes())).collect();
            let index = pick % size;
            let path = inclusion_path(&leaves, index);
            let proven = |leaf, path: &[Hash]| root_from_path(leaf, index as u64, size as u64, path);
            prop_assert_eq!(proven(leaves[index], &path), Some(root(&leaves)));
            prop_assert_ne!(proven(leaf_hash(&[wrong]), &path), Some(root(&leaves)));
            let mut long = path;
            long.push(leaves[index]);
            prop_assert_eq!(proven(leaves[index], &long), None);
        }
    }
}
