//! The rules of the house that can be read off its sources: who imports whom, and what stands in no file.
//!
//! A rule is a row of `rules.toml`; a waiver is a row with a reason, and fails once it is no longer
//! needed.
//! Paths are read from code without comments, strings and test modules, whether they stand in a `use`
//! or in an expression; `super::` and `self::` are resolved. What a macro makes is not seen.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;

use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

/// `rules.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    imports: Vec<ImportRule>,
    manifest: Vec<ManifestRule>,
    text: Vec<TextRule>,
    waiver: Vec<Waiver>,
}

/// Code that must not name some paths.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportRule {
    says: String,
    /// Files, or folders ending in `/`.
    who: Vec<String>,
    /// Those of them that may.
    #[serde(default)]
    but: Vec<String>,
    /// Paths, with everything below them.
    #[serde(default)]
    never: Vec<String>,
    /// The crates of all adapters, whichever there are, are among those paths.
    #[serde(default)]
    adapters: bool,
}

/// A manifest that must not name some packages of the house.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestRule {
    says: String,
    /// A manifest; `*` is one folder.
    who: String,
    /// The packages of the house that it may name.
    may: Vec<String>,
}

/// Text that must stand nowhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextRule {
    says: String,
    /// How the names of its files end; empty for every file.
    files: String,
    /// Whether comments and strings are looked at too.
    everything: bool,
    never: Vec<String>,
}

/// One file that may do what a rule forbids.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiver {
    rule: String,
    file: String,
    /// The path or text that it may name.
    what: String,
    reason: String,
}

const HEADER_RULE: &str = "every file of code begins by saying what it is";

#[test]
fn the_house_keeps_its_rules() {
    let files = files();
    let rules = rules(&files);
    let mut violations = Vec::new();
    for file in &files {
        violations.extend(rules.imports.iter().flat_map(|rule| imports(rule, file)));
        violations.extend(rules.text.iter().flat_map(|rule| texts(rule, file)));
        violations.extend(rules.manifest.iter().flat_map(|rule| manifests(rule, file)));
        violations.extend(header(file));
    }
    report(violations, &rules.waiver);
}

/// A rule about a file that is not there any more would hold for ever.
#[test]
fn every_rule_is_about_something() {
    let files = files();
    let rules = rules(&files);
    let mut missing = Vec::new();
    for rule in &rules.imports {
        let places = rule.who.iter().chain(&rule.but);
        missing.extend(places.filter(|place| !files.iter().any(|f| within(&f.name, place))).map(|place| format!("{}: {place}", rule.says)));
    }
    let manifests = rules.manifest.iter().filter(|rule| !files.iter().any(|f| names_manifest(&rule.who, &f.name)));
    missing.extend(manifests.map(|rule| format!("{}: {}", rule.says, rule.who)));
    // Every adapter must be among those that only the list of formats may name.
    let named: BTreeSet<&str> = rules.imports.iter().flat_map(|rule| &rule.never).map(String::as_str).collect();
    let packages: Vec<String> = adapters(&files).collect();
    assert!(packages.len() > 5, "only {packages:?} are adapters");
    missing.extend(packages.iter().filter(|package| !named.contains(package.as_str())).map(|package| format!("no rule forbids {package}")));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// A scanner that sees nothing would find the house in order.
#[test]
fn paths_are_found_in_code() {
    for case in include_str!("paths.txt").split("\n=== ").skip(1) {
        let (file, rest) = case.split_once('\n').unwrap();
        let (code, expected) = rest.split_once("\n---\n").unwrap();
        let found: BTreeSet<String> = paths(file, &without_tests(&code_only(code))).into_iter().map(|(_, path)| path).collect();
        let expected: BTreeSet<String> = expected.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        assert_eq!(found, expected, "{file}:\n{code}");
    }
}

fn rules(files: &[SourceFile]) -> Rules {
    let mut rules: Rules = toml::from_str(include_str!("rules.toml")).unwrap();
    for rule in rules.imports.iter_mut().filter(|rule| rule.adapters) {
        rule.never.extend(adapters(files));
    }
    rules
}

/// The crates of the adapters, as code names them.
fn adapters(files: &[SourceFile]) -> impl Iterator<Item = String> {
    let manifests = files.iter().filter(|f| names_manifest("adapters/*/Cargo.toml", &f.name) && f.name != "adapters/contract/Cargo.toml");
    manifests.map(|f| f.name.split('/').nth(1).map(|folder| format!("portolan_{folder}")).unwrap())
}

struct SourceFile {
    /// Relative to the root, with `/`.
    name: String,
    text: String,
    /// Without comments and strings; empty where it is no code.
    code: String,
    /// Paths that it names outside tests, with their lines.
    paths: Vec<(usize, String)>,
}

struct Violation {
    rule: String,
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.rule, self.what)
    }
}

fn report(mut violations: Vec<Violation>, waivers: &[Waiver]) {
    let unused: Vec<&Waiver> = waivers
        .iter()
        .filter(|waiver| {
            let before = violations.len();
            violations.retain(|v| v.rule != waiver.rule || v.file != waiver.file || !below(&v.what, &waiver.what));
            violations.len() == before || waiver.reason.is_empty()
        })
        .collect();
    let mut text = String::new();
    violations.iter().for_each(|violation| writeln!(text, "{violation}").unwrap());
    unused.iter().for_each(|w| writeln!(text, "{}: the waiver for {} of {:?} is no longer needed", w.file, w.what, w.rule).unwrap());
    assert!(text.is_empty(), "{text}");
}

fn imports(rule: &ImportRule, file: &SourceFile) -> Vec<Violation> {
    let covered = |places: &[String]| places.iter().any(|place| within(&file.name, place));
    if !covered(&rule.who) || covered(&rule.but) {
        return Vec::new();
    }
    let forbidden = file.paths.iter().filter(|(_, path)| rule.never.iter().any(|never| below(path, never)));
    forbidden.map(|(line, what)| Violation { rule: rule.says.clone(), file: file.name.clone(), line: *line, what: what.clone() }).collect()
}

fn texts(rule: &TextRule, file: &SourceFile) -> Vec<Violation> {
    // The rules themselves name what they forbid.
    if !file.name.ends_with(&rule.files) || file.name == "tests/house/rules.toml" {
        return Vec::new();
    }
    let text = if rule.everything { &file.text } else { &file.code };
    let lines = text.lines().enumerate();
    let found = lines.flat_map(|(n, line)| rule.never.iter().filter(move |never| line.contains(*never)).map(move |never| (n + 1, never)));
    found.map(|(line, what)| Violation { rule: rule.says.clone(), file: file.name.clone(), line, what: what.clone() }).collect()
}

fn manifests(rule: &ManifestRule, file: &SourceFile) -> Vec<Violation> {
    if !names_manifest(&rule.who, &file.name) {
        return Vec::new();
    }
    let manifest: toml::Table = toml::from_str(&file.text).unwrap();
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let packages = sections.iter().filter_map(|section| manifest.get(*section)?.as_table()).flat_map(toml::Table::iter);
    // A package may be renamed: its own name then stands in the entry.
    let named = packages.map(|(name, entry)| entry.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned());
    let foreign = named.filter(|name| name.starts_with("portolan") && !rule.may.contains(name));
    foreign.map(|what| Violation { rule: rule.says.clone(), file: file.name.clone(), line: 0, what }).collect()
}

fn header(file: &SourceFile) -> Option<Violation> {
    let code = file.name.ends_with(".rs") && !file.text.starts_with("//! ");
    code.then(|| Violation {
        rule: HEADER_RULE.to_owned(),
        file: file.name.clone(),
        line: 1,
        what: file.text.lines().next().unwrap_or("").to_owned(),
    })
}

/// Every text file of the project.
fn files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(root, root, &mut found);
    assert!(found.len() > 100, "only {} files were found", found.len());
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if ![".git", "target", "bench-out"].contains(&name.as_str()) {
                collect(root, &path, found);
            }
        } else if name != ".git"
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            let code = if name.ends_with(".rs") { code_only(&text) } else { String::new() };
            let paths = paths(&name, &without_tests(&code));
            found.push(SourceFile { name, text, code, paths });
        }
    }
}

/// Whether a file is this one or lies in this folder.
fn within(file: &str, place: &str) -> bool {
    file == place || (place.ends_with('/') && file.starts_with(place))
}

/// Whether a path is this one or goes on from it.
fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn names_manifest(pattern: &str, file: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => {
            let folder = file.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            folder.is_some_and(|folder| !folder.contains('/'))
        }
        None => file == pattern,
    }
}

/// The code with comments, strings and characters blanked, line for line.
fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let blank = blank_length(rest, out.chars().next_back());
        let length = if blank > 0 { blank } else { first.len_utf8() };
        let (piece, after) = rest.split_at(length);
        if blank > 0 {
            out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            out.push(first);
        }
        rest = after;
    }
    out
}

/// How much of the text's beginning is a comment, a string or a character.
fn blank_length(text: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let to = |end: Option<usize>| end.unwrap_or(text.len());
    if text.starts_with("//") {
        return to(text.find('\n'));
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let prefix = if in_word { 0 } else { text.len() - text.trim_start_matches(['b', 'c', 'r']).len() };
    let (prefix, quoted) = text.split_at(prefix.min(2));
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    if prefix.contains('r') && quoted[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let begin = prefix.len() + hashes + 1;
        return to(text[begin..].find(&end).map(|at| begin + at + end.len()));
    }
    match quoted.chars().next() {
        Some('"') => prefix.len() + quoted_length(quoted, '"'),
        // A lifetime is no character: its quote is not closed after one.
        Some('\'') if quoted[1..].starts_with('\\') || quoted[1..].chars().nth(1) == Some('\'') => {
            prefix.len() + quoted_length(quoted, '\'')
        }
        _ => 0,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The code without modules that only tests compile.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(at) = out.find("#[cfg(test)]") {
        let open = out[at..].find(['{', ';']).map_or(out.len(), |n| at + n);
        let end = if out[open..].starts_with('{') { open + braces(&out[open..]) } else { open };
        let blank: String = out[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(at..end, &blank);
    }
    out
}

fn braces(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Every path of at least two names in the code, with its line; a group is as many paths.
fn paths(file: &str, code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let module = module(file);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_name(&tokens[at].1) && tokens.get(at + 1).is_some_and(|t| t.1 == "::");
        if begins {
            let line = tokens[at].0;
            let mut tree = Vec::new();
            at = path_tree(&tokens, at, &mut Vec::new(), &mut tree);
            found.extend(tree.into_iter().map(|path| (line, resolved(&module, &path))));
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path with its groups from a token on; returns the token after it.
fn path_tree(tokens: &[(usize, String)], mut at: usize, before: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let depth = before.len();
    loop {
        match tokens.get(at).map(|t| t.1.as_str()) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|t| t.1 != "}") {
                    let next = path_tree(tokens, at, before, found);
                    at = if next == at { at + 1 } else { next };
                }
                at += 1;
                break;
            }
            Some(name) if is_name(name) => {
                before.push(name.to_owned());
                at += 1;
                if tokens.get(at).is_some_and(|t| t.1 == "::") {
                    at += 1;
                } else {
                    found.push(before.clone());
                    break;
                }
            }
            // A type's parameters or a star: the path ends here.
            _ => {
                if before.len() > depth {
                    found.push(before.clone());
                }
                break;
            }
        }
    }
    before.truncate(depth);
    // `as NAME` is a name of its own and no path.
    if tokens.get(at).is_some_and(|t| t.1 == "as") { at + 2 } else { at }
}

/// Names, `::` and single characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (n, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let name = rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
            let length = if name > 0 {
                name
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            if !first.is_whitespace() {
                found.push((n + 1, token.to_owned()));
            }
            rest = after;
        }
    }
    found
}

fn is_name(token: &str) -> bool {
    token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// The module that a file is, below `crate`.
fn module(file: &str) -> Vec<String> {
    let inner = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
    let names: Vec<String> = inner.split('/').map(str::to_owned).collect();
    match names.last().map(String::as_str) {
        Some("mod" | "lib" | "main") => names[..names.len() - 1].to_vec(),
        _ => names,
    }
}

/// A path from the root: `crate::…`, or a package's name first.
fn resolved(module: &[String], path: &[String]) -> String {
    let mut path: Vec<&str> = path.iter().map(String::as_str).collect();
    if path.len() > 2 && path.last() == Some(&"self") {
        path.pop();
    }
    let up = path.iter().take_while(|name| **name == "super").count();
    let (base, rest): (Vec<&str>, &[&str]) = match path.first() {
        Some(&"super") => (module.iter().take(module.len().saturating_sub(up)).map(String::as_str).collect(), &path[up..]),
        Some(&"self") => (module.iter().map(String::as_str).collect(), &path[1..]),
        Some(&("crate" | "portolan")) => (Vec::new(), &path[1..]),
        _ => return path.join("::"),
    };
    std::iter::once("crate").chain(base).chain(rest.iter().copied()).collect::<Vec<_>>().join("::")
}
