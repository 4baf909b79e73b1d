//! The examples, built once, and folders of mappings with them.

use crate::tools::python;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The reading and writing example.
pub fn stanza() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| component("stanza"))
}

/// The hostile example.
pub fn hostile() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| component("hostile"))
}

/// The project's own folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The core module by the example's build command, and the component of it by the house's own code, which is built already.
fn component(name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("module.wasm");
    let mut build = Command::new(root().join("adapters/wit/examples/build"));
    let built = build.arg(name).arg(&module).env("PYTHON", python()).env("WIT_TOOL", "cp").output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    portolan_wit::component(&fs::read(&module).unwrap()).unwrap()
}

/// A folder of mappings: both adapters, the example's mapping as `stanza-payments`, and those of these tests.
pub fn mappings() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path());
    folder
}

/// Puts adapters and mappings into a folder.
pub fn install(folder: &Path) {
    fs::create_dir_all(folder.join("adapters")).unwrap();
    fs::write(folder.join("adapters/stanza.wasm"), stanza()).unwrap();
    fs::write(folder.join("adapters/hostile.wasm"), hostile()).unwrap();
    copy(&root().join("tests/outside/mappings"), folder);
    copy(&root().join("adapters/wit/examples/stanza/mapping"), &folder.join("stanza-payments"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
