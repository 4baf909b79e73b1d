//! All mappings and canonical schemas: those that ship with the gateway, and the operator's own.
//!
//! A folder holds `canonical/NAME.vN.schema.json`, `NAME/mapping.toml`, any code files that the
//! mappings name, and `adapters/NAME.wasm` for formats from outside. A file in an operator's folder takes the place of one that ships with the gateway.

use super::compiled::{Bundle, Mapping};
use super::file::MAPPING_BYTES_MAX;
use super::outside::Formats;
use super::schema::Canonical;
use crate::config::Problem;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Files of one library; more is a mistake in the path.
pub const LIBRARY_FILES_MAX: usize = 50_000;

static BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/mappings.rs"));

/// Compiled mappings and schemas by name.
pub struct Library {
    mappings: BTreeMap<String, Arc<Mapping>>,
    canonicals: BTreeMap<String, Arc<Canonical>>,
}

/// A file's place for messages, and its text.
type Files = BTreeMap<String, (PathBuf, String)>;

impl Library {
    /// Compiles what ships with the gateway and what lies in `folders`, the first taking precedence.
    ///
    /// # Errors
    /// Every problem in every file.
    pub fn load(folders: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let files = all_files(folders, &mut problems);
        let canonicals = compile_canonicals(&files, &mut problems, |schema| schema);
        let formats = Formats::load(folders, &mut problems);
        let mappings = compile_mappings(&files, &canonicals, &formats, &mut problems);
        if problems.is_empty() { Ok(Self { mappings, canonicals }) } else { Err(problems) }
    }

    /// The same with mappings that are drafts: some of their values may have no canonical path yet. To be looked at,
    /// never to be used.
    ///
    /// What does not compile even so is left out, and every problem of it is told.
    pub fn load_drafts(folders: &[PathBuf]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let files = all_files(folders, &mut problems);
        let canonicals = compile_canonicals(&files, &mut problems, Canonical::of_draft);
        let formats = Formats::load(folders, &mut problems);
        let mappings = compile_mappings(&files, &canonicals, &formats, &mut problems);
        (Self { mappings, canonicals }, problems)
    }

    /// The canonical schemas alone, as [`Library::load`] finds them: the mappings beside them may be drafts that do
    /// not compile yet.
    ///
    /// # Errors
    /// Every problem in every schema.
    pub fn of_canonicals(folders: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let canonicals = compile_canonicals(&all_files(folders, &mut problems), &mut problems, |schema| schema);
        if problems.is_empty() { Ok(Self { mappings: BTreeMap::new(), canonicals }) } else { Err(problems) }
    }

    /// Compiles pinned texts again: a mapping's bundle and the schema that it was used with.
    ///
    /// # Errors
    /// What does not compile, in words.
    pub fn pinned(bundle: &str, schema: &str) -> Result<Arc<Mapping>, String> {
        let bundle: Bundle = serde_json::from_str(bundle).map_err(|e| format!("the pinned mapping cannot be read: {e}"))?;
        let compiled = |name: &str| Canonical::compile(name, schema).ok().map(Arc::new);
        Mapping::compile(&bundle, &Formats::pinned(&bundle)?, &compiled).map(Arc::new).map_err(|p| {
            let messages: Vec<String> = p.into_iter().map(|p| format!("line {}: {}", p.line, p.message)).collect();
            messages.join("; ")
        })
    }

    /// A mapping by its name.
    pub fn mapping(&self, name: &str) -> Option<&Arc<Mapping>> {
        self.mappings.get(name)
    }

    /// A canonical schema by its name, `NAME.vN`.
    pub fn canonical(&self, name: &str) -> Option<&Arc<Canonical>> {
        self.canonicals.get(name)
    }

    /// The names of all canonical schemas, in alphabetical order.
    pub fn canonical_names(&self) -> Vec<&str> {
        self.canonicals.keys().map(String::as_str).collect()
    }

    /// Every mapping, in alphabetical order.
    pub fn mappings(&self) -> impl Iterator<Item = &Arc<Mapping>> {
        self.mappings.values()
    }
}

/// What ships with the gateway and what lies in `folders`, the first taking precedence.
fn all_files(folders: &[PathBuf], problems: &mut Vec<Problem>) -> Files {
    let built_in = |(name, text): &(&str, &str)| ((*name).to_owned(), (Path::new("mappings").join(name), (*text).to_owned()));
    let mut files: Files = BUILT_IN.iter().map(built_in).collect();
    for folder in folders.iter().rev() {
        collect(folder, folder, &mut files, problems);
    }
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Files, problems: &mut Vec<Problem>) {
    let problem = |file: &Path, message: String| Problem { file: file.to_owned(), line: 0, message };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => return problems.push(problem(folder, format!("the folder cannot be read: {e}"))),
    };
    for path in entries.flatten().map(|e| e.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "cases" {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files, problems);
        } else if path.extension().is_some_and(|e| e == "toml" || e == "json") {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            match read_capped(&path) {
                Ok(text) if files.len() < LIBRARY_FILES_MAX => drop(files.insert(relative, (path.clone(), text))),
                Ok(_) => problems.push(problem(&path, format!("the library has more than {LIBRARY_FILES_MAX} files"))),
                Err(message) => problems.push(problem(&path, message)),
            }
        }
    }
}

fn read_capped(path: &Path) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > MAPPING_BYTES_MAX {
        return Err(format!("the file has {length} bytes, more than {MAPPING_BYTES_MAX}"));
    }
    fs::read_to_string(path).map_err(|e| e.to_string())
}

fn compile_canonicals(
    files: &Files,
    problems: &mut Vec<Problem>,
    kind: impl Fn(Canonical) -> Canonical,
) -> BTreeMap<String, Arc<Canonical>> {
    let mut canonicals = BTreeMap::new();
    for (relative, (path, text)) in files {
        let Some(name) = relative.strip_prefix("canonical/").and_then(|n| n.strip_suffix(".schema.json")) else { continue };
        match Canonical::compile(name, text) {
            Ok(canonical) => drop(canonicals.insert(name.to_owned(), Arc::new(kind(canonical)))),
            Err(message) => problems.push(Problem { file: path.clone(), line: 0, message }),
        }
    }
    canonicals
}

fn compile_mappings(
    files: &Files,
    canonicals: &BTreeMap<String, Arc<Canonical>>,
    formats: &Formats,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Arc<Mapping>> {
    let mut mappings = BTreeMap::new();
    for (relative, (path, text)) in files {
        let Some(name) = relative.strip_suffix("/mapping.toml") else { continue };
        let text = match extended(text, files) {
            Ok(text) => text,
            Err(message) => {
                problems.push(Problem { file: path.clone(), line: 0, message });
                continue;
            }
        };
        let bundle =
            Bundle { name: name.to_owned(), codes: code_files(name, &text, files), component: formats.component_of(&text), mapping: text };
        match Mapping::compile(&bundle, &formats.all, &|name| canonicals.get(name).cloned()) {
            Ok(mut mapping) => {
                mapping.xsd.iter_mut().for_each(|xsd| xsd.folder = path.parent().map(Path::to_owned).unwrap_or_default());
                mappings.insert(name.to_owned(), Arc::new(mapping));
            }
            Err(found) => problems.extend(found.into_iter().map(|p| Problem { file: path.clone(), line: p.line, message: p.message })),
        }
    }
    mappings
}

/// A mapping's text, with the tables of the one that it extends between its head and its own
/// tables: a text that stands alone, whatever becomes of the other.
fn extended(text: &str, files: &Files) -> Result<String, String> {
    let (head, tables) = parts(text);
    let Some(base) = extends(head) else { return Ok(text.to_owned()) };
    let (_, base_text) = files.get(&format!("{base}/mapping.toml")).ok_or_else(|| format!("extends: there is no mapping {base:?}"))?;
    let (base_head, base_tables) = parts(base_text);
    match extends(base_head) {
        Some(further) => Err(format!("extends: {base:?} itself extends {further:?}; name a mapping that stands alone")),
        None => Ok(format!("{head}\n{base_tables}\n{tables}")),
    }
}

/// What stands before the first table, and what stands from there on.
fn parts(text: &str) -> (&str, &str) {
    text.find("\n[").map_or((text, ""), |at| text.split_at(at + 1))
}

fn extends(head: &str) -> Option<&str> {
    head.lines().find_map(|line| line.strip_prefix("extends")?.trim_start().strip_prefix('=')?.split('"').nth(1))
}

/// The code files that a mapping's text names, by the names that it uses. What cannot be found is
/// left out, and the compiler says so with its line.
fn code_files(mapping: &str, text: &str, files: &Files) -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for line in text.lines() {
        let Some(value) = line.split_once("codes_file").and_then(|(_, v)| v.trim_start().strip_prefix('=')) else { continue };
        let Some(name) = value.split('"').nth(1) else { continue };
        if let Some((_, text)) = normalize(mapping, name).and_then(|path| files.get(&path)) {
            codes.insert(name.to_owned(), text.clone());
        }
    }
    codes
}

/// The place of a file named relative to a mapping's folder; `None` when it leaves the library.
fn normalize(mapping: &str, name: &str) -> Option<String> {
    let mut parts: Vec<String> = mapping.split('/').map(str::to_owned).collect();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}
