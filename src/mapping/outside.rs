//! Formats from outside: the components in a library's folder `adapters`, `NAME.wasm` each, and what a bundle keeps of them.

use super::compiled::Bundle;
use crate::config::Problem;
use crate::formats::{COMPONENT_BYTES_MAX, formats, from_outside};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_contract::Format;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of components, beside the mappings.
const FOLDER: &str = "adapters";

/// The formats that are built in and those of some folders, with the components of the latter.
pub struct Formats {
    /// Every format.
    pub all: Vec<Box<dyn Format>>,
    /// Components by the name of their format, in base64, as bundles keep them.
    components: BTreeMap<String, String>,
}

impl Formats {
    /// Loads the components of `folders`, the first taking precedence.
    pub fn load(folders: &[PathBuf], problems: &mut Vec<Problem>) -> Self {
        let mut loaded = Self { all: formats(), components: BTreeMap::new() };
        let mut files = BTreeMap::new();
        for folder in folders.iter().rev() {
            collect(&folder.join(FOLDER), &mut files, problems);
        }
        for (name, file) in files {
            if let Err(message) = loaded.add(&name, &file) {
                problems.push(Problem { file, line: 0, message });
            }
        }
        loaded
    }

    fn add(&mut self, name: &str, file: &Path) -> Result<(), String> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err("an adapter's file is NAME.wasm, its name of a-z, 0-9 and hyphens".to_owned());
        }
        if self.all.iter().any(|format| format.name() == name) {
            return Err(format!("{name:?} is the name of a format that is built in; rename the file"));
        }
        let length = fs::metadata(file).map_err(|e| e.to_string())?.len();
        if length > COMPONENT_BYTES_MAX {
            return Err(format!("the file has {length} bytes, more than {COMPONENT_BYTES_MAX}"));
        }
        let component = fs::read(file).map_err(|e| e.to_string())?;
        self.all.push(from_outside(name, &component)?);
        self.components.insert(name.to_owned(), STANDARD.encode(&component));
        Ok(())
    }

    /// The component of the format that a mapping's text names, where it is from outside.
    pub fn component_of(&self, mapping: &str) -> Option<String> {
        self.components.get(&format_name(mapping)?).cloned()
    }

    /// The formats with which a bundle compiles: the component is that of the bundle, whatever lies in a folder by now.
    ///
    /// # Errors
    /// A component that cannot be loaded any more, in words.
    pub fn pinned(bundle: &Bundle) -> Result<Vec<Box<dyn Format>>, String> {
        let mut all = formats();
        if let (Some(component), Some(name)) = (&bundle.component, format_name(&bundle.mapping)) {
            let component = STANDARD.decode(component).map_err(|e| format!("the pinned adapter cannot be read: {e}"))?;
            all.push(from_outside(&name, &component)?);
        }
        Ok(all)
    }
}

/// What a mapping's `[format]` says as its name.
fn format_name(mapping: &str) -> Option<String> {
    let file: toml::Table = mapping.parse().ok()?;
    Some(file.get("format")?.get("name")?.as_str()?.to_owned())
}

fn collect(folder: &Path, files: &mut BTreeMap<String, PathBuf>, problems: &mut Vec<Problem>) {
    if !folder.is_dir() {
        return;
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => return problems.push(Problem { file: folder.to_owned(), line: 0, message: format!("the folder cannot be read: {e}") }),
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "wasm")) {
        files.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path);
    }
}
