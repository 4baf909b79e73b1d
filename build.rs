//! Embeds the mappings and calendars that ship with the gateway, so that one binary is a whole gateway.
//! Adding one adds files alone: the list is the folder.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    embed("mappings");
    embed("calendars");
}

/// Writes the list of a folder's files with their texts, as `FOLDER.rs`.
fn embed(folder: &str) {
    println!("cargo::rerun-if-changed={folder}");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join(folder);
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        let _ = writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default()).join(format!("{folder}.rs"));
    if let Err(error) = fs::write(&out, list) {
        println!("cargo::error=cannot write {}: {error}", out.display());
    }
}

/// Schemas, mapping files, code files and years of calendars; cases are for tests and stay out of the binary.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "cases") {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "toml" || e == "json") {
            files.push(path);
        }
    }
}
