//! The configuration's files: one of the example's with another text is read, or refused with its problems, each with a line.
//!
//! An input begins with two bytes, the number of the file in [`FILES`].

use super::{chosen, folder};
use portolan::config::Config;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The files of `docs/example`, in the order in which inputs count them.
const FILES: [&str; 7] = [
    "portolan.toml",
    "partners/bank.toml",
    "partners/tax-bureau.toml",
    "flows/payment-confirmation.toml",
    "flows/taxpayer-credit-answer.toml",
    "flows/taxpayer-credit-query.toml",
    "queries/taxpayer-credit.toml",
];

static EXAMPLE: LazyLock<TempDir> = LazyLock::new(|| {
    let copied = tempfile::tempdir().unwrap();
    copy(&folder("docs/example"), copied.path());
    copied
});

/// Reads the example with one file changed.
pub fn check(input: &[u8]) {
    let Some((number, text)) = chosen(input, FILES.len()) else { return };
    let (root, file) = (EXAMPLE.path(), EXAMPLE.path().join(FILES[number]));
    let original = folder("docs/example").join(FILES[number]);
    fs::write(&file, text).unwrap();
    let (one, other) = (Config::load(root), Config::load(root));
    fs::copy(original, &file).unwrap();
    match (one, other) {
        (Ok(one), Ok(other)) => {
            let differs = one.gateway.keys_for_next_start(&other.gateway);
            assert!(differs.is_empty(), "{differs:?} differs from itself");
            assert_eq!(format!("{one:?}"), format!("{other:?}"));
        }
        (Err(one), Err(other)) => {
            assert!(!one.is_empty(), "refused without a word");
            assert_eq!(one, other);
            let lines = 1 + text.iter().filter(|&&byte| byte == b'\n').count();
            for problem in one {
                assert!(problem.file.starts_with(root) && !problem.message.is_empty(), "{problem}");
                assert!(problem.file != file || problem.line <= lines, "there are {lines} lines: {problem}");
            }
        }
        (one, other) => panic!("{:?}, and the next time {:?}", one.err(), other.err()),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
