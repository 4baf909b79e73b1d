//! How alike two names are: for messages that name what a misspelt one may have meant.

/// How many letters must be put in, taken out or replaced to make one text the other.
pub fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, c) in one.chars().enumerate() {
        let mut next = vec![n + 1];
        for (above, &d) in row.windows(2).zip(&other) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above[0] + usize::from(c != d)).min(above[1] + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
