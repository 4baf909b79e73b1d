//! The tools that `make tools` brings into the build's folder: a Python with libraries, unpacked npm packages, crates' sources.

use std::path::{Path, PathBuf};

/// The Python that has what `tests/tools/requirements.txt` lists.
#[allow(dead_code, reason = "not every test runs Python")]
pub fn python() -> PathBuf {
    found("python/bin/python")
}

/// The folder of an unpacked npm package of `tests/tools/packages.txt`.
#[allow(dead_code, reason = "not every test reads a package")]
pub fn package(name: &str) -> PathBuf {
    found(&format!("node/{name}"))
}

/// The sources of a crate of `tests/tools/crates.txt`.
#[allow(dead_code, reason = "not every test reads a crate")]
pub fn sources(name: &str) -> PathBuf {
    found(&format!("crates/{name}"))
}

fn found(path: &str) -> PathBuf {
    // Cargo's folder for tests' files lies in the build's folder, wherever that is.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(Path::to_path_buf).unwrap_or_default();
    let found = target.join("tools").join(path);
    assert!(found.exists(), "{} is not there: run `make tools`", found.display());
    found
}
