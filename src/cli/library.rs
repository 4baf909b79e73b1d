//! Mappings as commands name them: by name, in folders that are given; or by their own folder or file.

use super::exit;
use super::terminal::{counted, fail};
use crate::config::Problem;
use crate::mapping::{Library, Mapping};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The folder of mappings that is looked at where it lies beside.
const BESIDE: &str = "mappings";

/// Loads what ships with the gateway and the mappings in these folders; prints every problem.
///
/// # Errors
/// The exit code, once the problems are told.
pub fn load(folders: &[PathBuf]) -> Result<Library, ExitCode> {
    Library::load(folders).map_err(|problems| tell(&problems))
}

/// Prints every problem.
pub fn tell(problems: &[Problem]) -> ExitCode {
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    fail(&counted(problems.len() as u64, "problem"))
}

/// A mapping by its name.
///
/// # Errors
/// Which ones there are.
pub fn named<'l>(library: &'l Library, name: &str) -> Result<&'l Mapping, String> {
    library.mapping(name).map(|mapping| &**mapping).ok_or_else(|| {
        let known: Vec<String> = library.mappings().map(|m| format!("  {:28} {}", m.name, m.title.en)).collect();
        format!("there is no mapping {name:?}; there are\n{}", known.join("\n"))
    })
}

/// The folders of mappings: those given, and `./mappings` where there is one.
pub fn folders(given: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = given.to_vec();
    let beside = PathBuf::from(BESIDE);
    if beside.is_dir() && !folders.iter().any(|folder| same(folder, &beside)) {
        folders.push(beside);
    }
    folders
}

/// Whether two paths are the same place.
pub fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// What an argument chooses: mappings of a library, and the folders that it was loaded from.
pub struct Chosen {
    /// Everything that was loaded.
    pub library: Library,
    /// The folders, the first taking precedence.
    pub folders: Vec<PathBuf>,
    /// The chosen mappings' names.
    pub names: Vec<String>,
}

/// Chooses by a name, a mapping's own folder or file, or a folder of mappings.
///
/// # Errors
/// The exit code, once it is told why.
pub fn choose(argument: &str, given: &[PathBuf]) -> Result<Chosen, ExitCode> {
    choose_among(argument, given, load)
}

/// As [`choose`], among what `load` gives.
///
/// # Errors
/// As for [`choose`].
pub fn choose_among(
    argument: &str,
    given: &[PathBuf],
    mut load: impl FnMut(&[PathBuf]) -> Result<Library, ExitCode>,
) -> Result<Chosen, ExitCode> {
    let path = Path::new(argument);
    let own = if path.is_file() { path.parent() } else { Some(path).filter(|p| p.join("mapping.toml").is_file()) };
    let mut all = folders(given);
    if let Some(own) = own {
        let own = own.canonicalize().map_err(|error| fail(&format!("{argument}: {error}")))?;
        let (Some(name), Some(folder)) = (own.file_name(), own.parent()) else {
            return Err(fail(&format!("{argument}: a mapping lies in a folder of its own, which gives it its name")));
        };
        all.retain(|folder_given| !same(folder_given, folder));
        let folder = if path.is_absolute() { folder.to_owned() } else { relative(folder) };
        all.insert(0, folder);
        return Ok(Chosen { library: load(&all)?, folders: all, names: vec![name.to_string_lossy().into_owned()] });
    }
    if path.is_dir() {
        let folder = vec![path.to_owned()];
        let library = load(&folder)?;
        let lies_here = |name: &String| path.join(name).join("mapping.toml").is_file();
        let names: Vec<String> = library.mappings().map(|mapping| mapping.name.clone()).filter(lies_here).collect();
        if names.is_empty() {
            return Err(fail(&format!("there is no mapping in {argument}: NAME/mapping.toml is looked for")));
        }
        return Ok(Chosen { library, folders: folder, names });
    }
    let library = load(&all)?;
    named(&library, argument).map_err(|message| fail(&message))?;
    Ok(Chosen { library, folders: all, names: vec![argument.to_owned()] })
}

/// A path below the present folder without the part before it, as people write it.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let below = here.ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    match below {
        Some(below) if below.as_os_str().is_empty() => PathBuf::from("."),
        Some(below) => below,
        None => path.to_owned(),
    }
}

/// Prints why there is nothing, or a result's code.
pub fn code(failed: bool) -> ExitCode {
    ExitCode::from(if failed { exit::FAILED } else { exit::GOOD })
}
