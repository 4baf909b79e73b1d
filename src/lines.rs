//! In which lines two texts differ.
//!
//! Limit: what stands between the first and the last line that differ is compared line with line, up to
//! [`COMPARED_MAX`] pairs; beyond that all of it counts as replaced.

/// Pairs of lines that are compared.
pub const COMPARED_MAX: usize = 4_000_000;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stands in the old text alone.
    Removed,
    /// It stands in the new text alone.
    Added,
}

/// A line of one of two texts that the other does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedLine {
    /// Which of them has it.
    pub change: Change,
    /// Its number there, from 1.
    pub number: usize,
    /// What it says.
    pub text: String,
}

/// The lines in which two texts differ, in their order; where lines were replaced, those removed come first.
pub fn changed(old: &str, new: &str) -> Vec<ChangedLine> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let room = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(room).take_while(|(one, other)| one == other).count();
    let (old, new) = (&old[before..old.len() - after], &new[before..new.len() - after]);
    let line = |change, place: usize, text: &str| ChangedLine { change, number: before + place + 1, text: text.to_owned() };
    let kept = if old.len().saturating_mul(new.len()) <= COMPARED_MAX { common(old, new) } else { Vec::new() };
    let (mut changed, mut from) = (Vec::new(), (0, 0));
    for (one, other) in kept.into_iter().chain([(old.len(), new.len())]) {
        changed.extend((from.0..one).map(|place| line(Change::Removed, place, old[place])));
        changed.extend((from.1..other).map(|place| line(Change::Added, place, new[place])));
        from = (one + 1, other + 1);
    }
    changed
}

/// The longest common subsequence: the place of each of its lines in either text.
fn common(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    // How many lines the texts have in common from a pair of places on.
    let mut length = vec![0_u32; (old.len() + 1) * width];
    for one in (0..old.len()).rev() {
        for other in (0..new.len()).rev() {
            length[one * width + other] = if old[one] == new[other] {
                length[(one + 1) * width + other + 1] + 1
            } else {
                length[(one + 1) * width + other].max(length[one * width + other + 1])
            };
        }
    }
    let (mut places, mut one, mut other) = (Vec::new(), 0, 0);
    while one < old.len() && other < new.len() {
        if old[one] == new[other] {
            places.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if length[(one + 1) * width + other] >= length[one * width + other + 1] {
            one += 1;
        } else {
            other += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` as `diff` writes it: `-2 b` for the second line of the old text.
    fn check(old: &str, new: &str, expected: &[&str]) {
        let told = changed(&old.replace(' ', "\n"), &new.replace(' ', "\n")).into_iter().map(|line| {
            let sign = if line.change == Change::Removed { '-' } else { '+' };
            format!("{sign}{} {}", line.number, line.text)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{old} | {new}");
    }

    #[test]
    fn lines_are_told_with_their_numbers() {
        check("a b c", "a b c", &[]);
        check("a b c", "a x c", &["-2 b", "+2 x"]);
        check("a b c d", "a c d e", &["-2 b", "+4 e"]);
        check("a a", "a", &["-2 a"]);
        check("", "a b", &["+1 a", "+2 b"]);
        check("a b c d e", "b x d", &["-1 a", "-3 c", "+2 x", "-5 e"]);
    }
}
