//! All mappings and canonical schemas: those that ship with the gateway, and the operator's own.
//!
//! A folder holds `canonical/NAME.vN.schema.json`, `NAME/mapping.toml`, any code files and shared tables that the
//! mappings name, and `adapters/NAME.wasm` for formats from outside. A file in an operator's folder takes the place of one that ships with the gateway.

use super::compile::CompileProblem;
use super::compiled::{Bundle, Mapping};
use super::file::MAPPING_BYTES_MAX;
use super::outside::Formats;
use super::schema::Canonical;
use crate::config::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Files of one library; more is a mistake in the path.
pub const LIBRARY_FILES_MAX: usize = 50_000;

static BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/mappings.rs"));

/// Compiled mappings and schemas by name.
pub struct Library {
    mappings: BTreeMap<String, Arc<Mapping>>,
    canonicals: BTreeMap<String, Arc<Canonical>>,
    /// Mappings and schemas that are there and do not compile.
    broken: BTreeSet<String>,
}

/// A file's place for messages, and its text.
type Files = BTreeMap<String, (PathBuf, String)>;

impl Library {
    /// Compiles what ships with the gateway and what lies in `folders`, the first taking precedence.
    ///
    /// # Errors
    /// Every problem in every file.
    pub fn load(folders: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let (library, problems) = Self::read(folders);
        if problems.is_empty() { Ok(library) } else { Err(problems) }
    }

    /// As [`Library::load`], with what compiles beside every problem of the rest.
    pub fn read(folders: &[PathBuf]) -> (Self, Vec<Problem>) {
        Self::read_with(folders, None)
    }

    /// The same as it would be with a candidate: a folder of one mapping, in the place of the one of its name in the first
    /// of `folders`.
    pub fn read_with(folders: &[PathBuf], candidate: Option<&Path>) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut files = all_files(folders, candidate, &mut problems);
        if let Some((candidate, beside)) = candidate.and_then(|candidate| Some((candidate, candidate.parent()?))) {
            collect(beside, candidate, &mut files, &mut problems);
        }
        let mut library = Self::of_schemas(&files, &mut problems, |schema| schema);
        library.compile_mappings(&files, &Formats::load(folders, &mut problems), &mut problems);
        (library, problems)
    }

    /// The same with mappings that are drafts: some of their values may have no canonical path yet. To be looked at,
    /// never to be used.
    ///
    /// What does not compile even so is left out, and every problem of it is told.
    pub fn load_drafts(folders: &[PathBuf]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let files = all_files(folders, None, &mut problems);
        let mut library = Self::of_schemas(&files, &mut problems, Canonical::of_draft);
        library.compile_mappings(&files, &Formats::load(folders, &mut problems), &mut problems);
        (library, problems)
    }

    /// The canonical schemas alone, as [`Library::load`] finds them: the mappings beside them may be drafts that do
    /// not compile yet.
    ///
    /// # Errors
    /// Every problem in every schema.
    pub fn of_canonicals(folders: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let library = Self::of_schemas(&all_files(folders, None, &mut problems), &mut problems, |schema| schema);
        if problems.is_empty() { Ok(library) } else { Err(problems) }
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

    /// Whether a mapping or a canonical schema is there and does not compile, so that its problems are told already.
    pub fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
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

impl Library {
    fn of_schemas(files: &Files, problems: &mut Vec<Problem>, kind: impl Fn(Canonical) -> Canonical) -> Self {
        let mut library = Self { mappings: BTreeMap::new(), canonicals: BTreeMap::new(), broken: BTreeSet::new() };
        for (relative, (path, text)) in files {
            let Some(name) = relative.strip_prefix("canonical/").and_then(|n| n.strip_suffix(".schema.json")) else { continue };
            match Canonical::compile(name, text) {
                Ok(canonical) => drop(library.canonicals.insert(name.to_owned(), Arc::new(kind(canonical)))),
                Err(CompileProblem { line, message }) => {
                    library.broken.insert(name.to_owned());
                    problems.push(Problem { file: path.clone(), line, message });
                }
            }
        }
        library
    }

    fn compile_mappings(&mut self, files: &Files, formats: &Formats, problems: &mut Vec<Problem>) {
        for (relative, (path, text)) in files {
            let Some(name) = relative.strip_suffix("/mapping.toml") else { continue };
            match self.compile_mapping(name, path, text, files, formats) {
                Ok(mapping) => drop(self.mappings.insert(name.to_owned(), Arc::new(mapping))),
                Err(mut found) => {
                    self.broken.insert(name.to_owned());
                    problems.append(&mut found);
                }
            }
        }
    }

    fn compile_mapping(&self, name: &str, path: &Path, text: &str, files: &Files, formats: &Formats) -> Result<Mapping, Vec<Problem>> {
        let extended = Extended::new(text, files).map_err(|(line, message)| vec![Problem { file: path.to_owned(), line, message }])?;
        let text = extended.text.clone();
        let bundle =
            Bundle { name: name.to_owned(), codes: code_files(name, &text, files), component: formats.component_of(&text), mapping: text };
        let compiled = Mapping::compile(&bundle, &formats.all, &|name| self.canonicals.get(name).cloned());
        let mut mapping = compiled.map_err(|found| {
            // What is missing in the file as a whole is told at its beginning.
            let placed = found.into_iter().map(|problem| (extended.place(path, problem.line.max(1)), problem.message));
            placed.map(|((file, line), message)| Problem { file, line, message }).collect::<Vec<_>>()
        })?;
        if let Some(xsd) = &mut mapping.xsd {
            (xsd.file, xsd.line) = extended.place(path, xsd.line);
        }
        Ok(mapping)
    }
}

/// What ships with the gateway and what lies in `folders`, the first taking precedence; of that one without the folder
/// whose place another is to take.
fn all_files(folders: &[PathBuf], without: Option<&Path>, problems: &mut Vec<Problem>) -> Files {
    let built_in = |(name, text): &(&str, &str)| ((*name).to_owned(), (Path::new("mappings").join(name), (*text).to_owned()));
    let mut files: Files = BUILT_IN.iter().map(built_in).collect();
    for (place, folder) in folders.iter().enumerate().rev() {
        match without.and_then(Path::file_name).filter(|_| place == 0) {
            None => collect(folder, folder, &mut files, problems),
            Some(name) => {
                let mut own = Files::new();
                collect(folder, folder, &mut own, problems);
                own.retain(|relative, _| !Path::new(relative).starts_with(name));
                files.append(&mut own);
            }
        }
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
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let length = fs::metadata(path).map_err(cannot)?.len();
    if length > MAPPING_BYTES_MAX {
        return Err(format!("the file has {length} bytes, more than {MAPPING_BYTES_MAX}"));
    }
    fs::read_to_string(path).map_err(cannot)
}

/// A mapping's text, and where its lines come from.
struct Extended {
    text: String,
    /// The tables of others, in the order of the text.
    inserted: Vec<Inserted>,
}

/// Tables of another file within a mapping's text.
struct Inserted {
    lines: Range<usize>,
    file: PathBuf,
    /// The line there of the first.
    first: usize,
}

impl Extended {
    /// A mapping's text, with the tables of what it extends between its head and its own tables, those that are
    /// extended further before them: a text that stands alone, whatever becomes of the others.
    fn new(text: &str, files: &Files) -> Result<Self, (usize, String)> {
        let (head, tables) = parts(text);
        let Some((line, _)) = extends(head) else { return Ok(Self { text: text.to_owned(), inserted: Vec::new() }) };
        let mut bases: Vec<(&str, &(PathBuf, String))> = Vec::new();
        let mut next = extends(head);
        while let Some((_, name)) = next {
            if bases.iter().any(|(known, _)| *known == name) {
                return Err((line, format!("extends: {name:?} comes to extend itself")));
            }
            let base = files.get(&format!("{name}/mapping.toml")).or_else(|| files.get(&format!("{name}.toml")));
            let base = base.ok_or_else(|| (line, format!("extends: there is no mapping {name:?}")))?;
            bases.push((name, base));
            next = extends(parts(&base.1).0);
        }
        let mut extended = Self { text: head.to_owned(), inserted: Vec::new() };
        for (_, (file, base)) in bases.iter().rev() {
            let (base_head, base_tables) = parts(base);
            extended.text.push('\n');
            let begins = 1 + line_ends(&extended.text);
            extended.text.push_str(base_tables);
            let lines = begins..begins + line_ends(base_tables) + 1;
            extended.inserted.push(Inserted { lines, file: file.clone(), first: line_ends(base_head) + 1 });
        }
        extended.text.push('\n');
        extended.text.push_str(tables);
        Ok(extended)
    }

    /// Where a line of the text stands.
    fn place(&self, file: &Path, line: usize) -> (PathBuf, usize) {
        if let Some(found) = self.inserted.iter().find(|inserted| inserted.lines.contains(&line)) {
            return (found.file.clone(), line - found.lines.start + found.first);
        }
        let before: usize = self.inserted.iter().filter(|inserted| inserted.lines.end <= line).map(|inserted| inserted.lines.len()).sum();
        // An empty line stands before what is inserted.
        (file.to_owned(), line - before - usize::from(before > 0))
    }
}

fn line_ends(text: &str) -> usize {
    text.matches('\n').count()
}

/// What stands before the first table, and what stands from there on.
fn parts(text: &str) -> (&str, &str) {
    if text.starts_with('[') {
        return ("", text);
    }
    text.find("\n[").map_or((text, ""), |at| text.split_at(at + 1))
}

/// Which mapping the head extends, and its line.
fn extends(head: &str) -> Option<(usize, &str)> {
    (1..).zip(head.lines()).find_map(|(number, line)| {
        let value = line.strip_prefix("extends")?.trim_start().strip_prefix('=')?;
        Some((number, value.split('"').nth(1)?))
    })
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
