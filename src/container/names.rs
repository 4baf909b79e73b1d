//! Names of members: which are read, which are passed over, and which none may have.

use super::of_container;
use portolan_contract::{FormatCode, FormatError};
use std::collections::HashSet;

/// Bytes of one name.
pub(super) const NAME_BYTES_MAX: usize = 1_024;

/// What a mapping says of a container's members.
pub struct Members {
    /// A name that fits one of these is passed over.
    pub ignored: Vec<String>,
    /// Any other that fits one of these is read.
    pub read: Vec<String>,
    /// How many may be read.
    pub read_max: usize,
}

/// The names that a container has had.
pub(super) struct Names<'a> {
    members: &'a Members,
    seen: HashSet<String>,
    read: usize,
    members_max: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(members: &'a Members, members_max: usize) -> Self {
        Self { members, seen: HashSet::new(), read: 0, members_max }
    }

    /// Whether a member of this name is to be read.
    ///
    /// # Errors
    /// A name that leaves the container or came before, and a member too many or that nobody expects.
    pub(super) fn take(&mut self, name: &str, at_byte: u64) -> Result<bool, FormatError> {
        if self.seen.len() >= self.members_max {
            let max = self.members_max;
            return Err(unexpected(at_byte, format!("成员超过 {max} 个"), format!("there are more than {max} members")));
        }
        if !is_within(name) {
            return Err(of_container(
                FormatCode::MemberName,
                at_byte,
                format!("成员名 {name:?} 不是容器内的相对路径"),
                format!("the member name {name:?} is no path within the container"),
            ));
        }
        if !self.seen.insert(name.to_owned()) {
            return Err(of_container(
                FormatCode::MemberName,
                at_byte,
                format!("成员名 {name:?} 出现两次"),
                format!("the member name {name:?} occurs twice"),
            ));
        }
        let Members { read, ignored, read_max } = self.members;
        if name.ends_with('/') || ignored.iter().any(|pattern| fits(pattern, name)) {
            return Ok(false);
        }
        if read.iter().any(|pattern| fits(pattern, name)) {
            self.read += 1;
            if self.read > *read_max {
                return Err(unexpected(
                    at_byte,
                    format!("成员 {name:?} 多余：最多读取 {read_max} 个"),
                    format!("the member {name:?} is one too many: at most {read_max} are read"),
                ));
            }
            return Ok(true);
        }
        let expected = read.join("、");
        Err(unexpected(
            at_byte,
            format!("不应有成员 {name:?}；应为 {expected}"),
            format!("the member {name:?} is not expected; {} is", read.join(", ")),
        ))
    }
}

fn unexpected(at_byte: u64, zh: String, en: String) -> FormatError {
    of_container(FormatCode::MembersUnexpected, at_byte, zh, en)
}

/// Whether a name is a plain relative path on every system: no root, drive, backslash, control
/// character, nor a step up. Nothing is ever written under it, but the receiver of a finding or the
/// next reader of the file might.
pub(super) fn is_within(name: &str) -> bool {
    let path = name.strip_suffix('/').unwrap_or(name);
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    !has_drive && !path.contains(|c: char| c == '\\' || c.is_control()) && path.split('/').all(|step| !matches!(step, "" | "." | ".."))
}

/// Whether a name fits a pattern, in which `*` stands for any text and `?` for any character. A
/// pattern without `/` is for the last step of a path.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let name = if pattern.contains('/') { name } else { name.rsplit('/').next().unwrap_or(name) };
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the latest `*` stands, and the end of what it stands for.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), star) {
            (Some('*'), _) => {
                star = Some((p, n));
                p += 1;
            }
            (Some(c), _) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            (_, Some((at, end))) => {
                star = Some((at, end + 1));
                (p, n) = (at + 1, end + 1);
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "a/b.csv", true),
            ("*.csv", "a/b.csv", true),
            ("*.csv", "b.csv.txt", false),
            ("a/*.csv", "a/b.csv", true),
            ("a/*.csv", "b/a.csv", false),
            ("__MACOSX/*", "__MACOSX/x/._b.csv", true),
            ("收入?.csv", "收入1.csv", true),
            ("收入?.csv", "收入.csv", false),
            ("*a*b", "xxaxxabb", true),
            ("*a*b", "xxaxxabc", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn names_that_leave_the_container() {
        for name in ["a.csv", "a/b.csv", "a/", "收入.csv", "a..b", ".hidden"] {
            assert!(is_within(name), "{name:?}");
        }
        for name in ["", "/", "/a", "../a", "a/../../b", "a//b", "./a", "a\\b", "C:a", "c:/a", "a\0b", "a\nb"] {
            assert!(!is_within(name), "{name:?}");
        }
    }
}
