//! The ids of messages in a format that has less room for them, and of those that are cut into several deliveries.
//!
//! The first delivery has the message's id as it is. Each later one has it with `-N` behind it, N being the number in its
//! exchange of the delivery's first record: it is the same at every attempt, and no two are alike. Where that is too
//! long for the format, the end of the id gives way to the first eight hexadecimal digits of the SHA-256 of the whole; so it
//! does in an id that is too long by itself, such as one of ISO 20022 in an interchange. An id that is a UUID is followed by UUIDs (version 8, of the SHA-256 of what the id would be otherwise).

use crate::domain::Digest;

/// Characters of a UUID.
const UUID_CHARS: usize = 36;

/// A part of a message that is cut: what in it must not be as in the parts before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// The number in its exchange of the part's first record.
    pub record: u64,
    /// Bits of the values, in the order of the mapping's, that an earlier delivery has too; none in a message's first part.
    pub repeated: u32,
}

impl Part {
    /// Whether an earlier delivery has the value with this index too.
    pub fn repeats(self, index: usize) -> bool {
        self.repeated & bit(index) != 0
    }
}

/// The bit of the value with this index.
pub fn bit(index: usize) -> u32 {
    u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or(0)
}

/// An id in at most so many characters, with the record's number behind it where the delivery goes on from there; `None`
/// where there is no room for one.
pub fn fitting(id: &str, goes_on_from: Option<u64>, chars_max: usize) -> Option<String> {
    let suffix = goes_on_from.map(|record| format!("-{record}")).unwrap_or_default();
    let whole = format!("{id}{suffix}");
    if is_uuid(id) && goes_on_from.is_some() {
        return (UUID_CHARS <= chars_max).then(|| uuid(&Digest::of(whole.as_bytes()), id.contains(|c: char| c.is_ascii_uppercase())));
    }
    if whole.chars().count() <= chars_max {
        return Some(whole);
    }
    let digits: String = Digest::of(id.as_bytes()).to_string().chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let kept = chars_max.checked_sub(digits.len() + suffix.len()).filter(|&kept| kept > 0)?;
    Some(id.chars().take(kept).chain(digits.chars()).chain(suffix.chars()).collect())
}

/// The id of the message, where an id may be that of a later part of it.
pub fn origin(id: &str) -> Option<&str> {
    let (origin, record) = id.rsplit_once('-')?;
    let counts = !origin.is_empty() && record.parse::<u64>().is_ok_and(|number| number > 1 && number.to_string() == record);
    counts.then_some(origin)
}

fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == UUID_CHARS && text.bytes().enumerate().all(fits)
}

fn uuid(digest: &Digest, upper: bool) -> String {
    let mut number = digest.0.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    number = number & !(0xf_u128 << 76) | 0x8_u128 << 76;
    number = number & !(0x3_u128 << 62) | 0x2_u128 << 62;
    let hex = if upper { format!("{number:032X}") } else { format!("{number:032x}") };
    let dashed = hex.chars().enumerate().flat_map(|(at, c)| matches!(at, 8 | 12 | 16 | 20).then_some('-').into_iter().chain([c]));
    dashed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, record: u64, chars_max: usize, expected: Option<&str>) {
        let from = (record > 0).then_some(record);
        assert_eq!(fitting(id, from, chars_max).as_deref(), expected, "{id} from {record} in {chars_max}");
    }

    // SHA-256 by coreutils' sha256sum; the UUID's with version and variant put in by hand.
    #[test]
    fn ids_of_parts() {
        check("DEBITS-1", 1001, 35, Some("DEBITS-1-1001"));
        check("扣税", 7, 4, Some("扣税-7"));
        check("12345678901234567890123456789012345", 1001, 35, Some("123456789012345678901248d738ca-1001"));
        check("00000017", 2, 8, None);
        check("SYN-01-20260715-0001", 0, 14, Some("SYN-01fd6f72a1"));
        check("00000017", 0, 8, Some("00000017"));
        check("000000017", 0, 8, None);
    }

    #[test]
    fn a_uuid_is_followed_by_one() {
        check("919108f7-52d1-4320-9bac-f847db4148a8", 3, 36, Some("9f5e4539-99a4-8b76-a736-d8fdeeefc563"));
        check("919108F7-52D1-4320-9BAC-F847DB4148A8", 3, 36, Some("3AA2F535-FFD0-8973-9EA8-E08C4AE82EE1"));
        check("919108f7-52d1-4320-9bac-f847db4148a8", 3, 20, None);
    }

    #[test]
    fn what_a_part_comes_from() {
        for (id, expected) in [("A-1-1001", Some("A-1")), ("A-1", None), ("A-01", None), ("-7", None), ("A", None), ("A-x", None)] {
            assert_eq!(origin(id), expected, "{id}");
        }
    }
}
