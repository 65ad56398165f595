//! What a table's rows add up to: a number that does not depend on their order.

use aws_lc_rs::digest::{SHA256, digest};
use basalt_engine::bulk::Shape;

/// Groups of rows by their keys, so that a difference is looked for in a few of them.
pub const GROUPS: usize = 1024;

/// Rows counted and added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// How many.
    pub rows: u64,
    /// The sum of the rows' SHA-256 modulo 2^256, lowest part first.
    sum: [u64; 4],
    /// Of each group a part of the same.
    groups: Vec<u128>,
}

impl Default for Sums {
    fn default() -> Self {
        Self { rows: 0, sum: [0; 4], groups: vec![0; GROUPS] }
    }
}

/// The group of a row, by FNV-1a of its key.
pub fn group(shape: &Shape, line: &[u8]) -> usize {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = shape.key_of(line).iter().fold(0xcbf2_9ce4_8422_2325, step);
    usize::try_from((hash ^ (hash >> 32)) % GROUPS as u64).unwrap_or(0)
}

impl Sums {
    /// Adds a row.
    pub fn add(&mut self, shape: &Shape, line: &[u8]) {
        let hash = digest(&SHA256, line);
        let mut carry = false;
        let (parts, _) = hash.as_ref().as_chunks::<8>();
        for (sum, part) in self.sum.iter_mut().zip(parts) {
            let (once, over) = sum.overflowing_add(u64::from_le_bytes(*part));
            let (twice, again) = once.overflowing_add(u64::from(carry));
            (*sum, carry) = (twice, over || again);
        }
        let (halves, _) = hash.as_ref().as_chunks::<16>();
        if let (Some(group), Some(half)) = (self.groups.get_mut(group(shape, line)), halves.first()) {
            *group = group.wrapping_add(u128::from_le_bytes(*half));
        }
        self.rows += 1;
    }

    /// The sum as 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        self.sum.iter().rev().map(|part| format!("{part:016x}")).collect()
    }

    /// Groups in which two tables differ.
    pub fn differing(&self, other: &Self) -> Vec<usize> {
        let pairs = self.groups.iter().zip(&other.groups).enumerate();
        pairs.filter(|(_, (mine, theirs))| mine != theirs).map(|(at, _)| at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Sums {
        let shape = Shape { schema: "s".into(), name: "t".into(), columns: vec!["a".into(), "b".into()], key: 1, generated: 0 };
        let mut sums = Sums::default();
        lines.iter().for_each(|line| sums.add(&shape, line.as_bytes()));
        sums
    }

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let one = of(&["1\ta", "2\tb", "2\tb"]);
        assert_eq!(one, of(&["2\tb", "1\ta", "2\tb"]));
        for other in [&["1\ta", "2\tb"][..], &["1\ta", "2\tb", "2\tc"], &["1\ta", "1\ta", "2\tb"], &[]] {
            let other = of(other);
            assert_ne!(one.digest(), other.digest());
            assert!(!one.differing(&other).is_empty());
        }
    }

    #[test]
    fn sums_carry() {
        // The sum of many hashes has run over each of its parts.
        let lines: Vec<String> = (0..1000).map(|n| format!("{n}\tx")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (front, back) = lines.split_at(500);
        let turned: Vec<&str> = back.iter().chain(front).copied().collect();
        assert_eq!(of(&lines).digest(), of(&turned).digest());
        assert_eq!(of(&lines).digest().len(), 64);
    }
}
