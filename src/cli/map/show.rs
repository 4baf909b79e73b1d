//! `portolan map show`: a mapping as a table, on a terminal or in a document.

use crate::cli::library::{choose_among, named, tell};
use crate::cli::print;
use crate::cli::terminal::{Language, Paint, fail, speaks_chinese, table};
use crate::config::Problem;
use crate::mapping::overview::{Row, head, rows, rules, still_open};
use crate::mapping::{Library, Mapping};
use portolan_contract::Words;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Print a mapping as a table

One row for each canonical value: its title in both languages, the source path that fills it (the preferred one first), \
what the text means, and what else is said of it: codes, layout, default, direction, checks. Values of a list stand \
below it, set in. Sums, counts, computed values and rules follow in words.

A draft is shown too: what has no canonical path yet, and what is required and filled by nothing.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan map show camt054                                     one that ships with the gateway
  portolan map show own/acme-income/mapping.toml                one of your own
  portolan map show camt054 --format markdown > camt054.md      for a document";

/// `portolan map show`.
#[derive(Debug, clap::Args)]
pub struct Show {
    /// The mapping: its name, its folder, or its mapping.toml
    #[arg(value_name = "NAME|FILE")]
    mapping: String,
    /// A folder with mappings of your own; may be given again
    #[arg(long, value_name = "FOLDER")]
    mappings: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// The language of what is said of values; by the locale unless given
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// As wide as the terminal
    Table,
    /// For a document
    Markdown,
}

/// Runs it.
pub fn run(args: &Show) -> ExitCode {
    // Drafts are shown too, and what is wrong with another mapping beside it is not asked for.
    let mut problems = Vec::new();
    let drafts = |folders: &[PathBuf]| {
        let (library, found) = Library::load_drafts(folders);
        problems = found;
        Ok(library)
    };
    let chosen = match choose_among(&args.mapping, &args.mappings, drafts) {
        Ok(chosen) => chosen,
        Err(code) => return code,
    };
    let of_chosen = |problem: &Problem| chosen.names.iter().any(|name| problem.file.parent().is_some_and(|folder| folder.ends_with(name)));
    problems.retain(of_chosen);
    if !problems.is_empty() {
        return tell(&problems);
    }
    let shown: Result<Vec<String>, String> = chosen
        .names
        .iter()
        .map(|name| named(&chosen.library, name).map(|mapping| shown(mapping, args.format, speaks_chinese(args.language))))
        .collect();
    match shown {
        Ok(texts) => print(&texts.join("\n")),
        Err(message) => fail(&message),
    }
}

const HEADINGS: [&str; 5] = ["canonical 标准记录", "title 名称", "source 来源", "type 类型", "notes 说明"];

fn shown(mapping: &Mapping, format: Format, zh: bool) -> String {
    let pick = |words: &Words| if zh { words.zh.clone() } else { words.en.clone() };
    let markdown = format == Format::Markdown;
    let paint = Paint::stdout();
    let title = format!("{}: {} · {}", mapping.name, mapping.title.zh, mapping.title.en);
    let mut text = if markdown { format!("# {title}\n") } else { format!("{}\n", paint.bold(&title)) };
    for words in head(mapping) {
        let _ = write!(text, "{}{}", if markdown { "\n- " } else { "\n" }, pick(&words));
    }
    let rows = rows(mapping);
    if let Some(words) = still_open(mapping, &rows) {
        let _ = write!(text, "{}{}", if markdown { "\n- " } else { "\n" }, pick(&words));
    }
    text.push_str("\n\n");
    let cells: Vec<[String; 5]> = rows.iter().map(|row| cells(row, &pick, markdown)).collect();
    match format {
        Format::Markdown => text.push_str(&markdown_table(&cells)),
        Format::Table => {
            let _ = writeln!(text, "{}", table(HEADINGS, cells));
        }
    }
    for rule in rules(mapping) {
        let cel = rule.cel.map_or_else(String::new, |cel| if markdown { format!("\n  `{cel}`") } else { format!("\n    {cel}") });
        let id = if markdown { format!("- `{}`", rule.id) } else { paint.bold(&rule.id) };
        let _ = write!(text, "\n{id}: {}{cel}", pick(&rule.words));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn cells(row: &Row, pick: &dyn Fn(&Words) -> String, markdown: bool) -> [String; 5] {
    let gap = if markdown { "&emsp;" } else { "  " };
    let title = match (row.title.zh.as_str(), row.title.en.as_str()) {
        // What the schema does not know has no title.
        (zh, en) if zh == en && zh.ends_with(&row.canonical) => String::new(),
        (zh, en) if zh == en => zh.to_owned(),
        (zh, en) => format!("{zh}{}{en}", if markdown { " · " } else { "\n" }),
    };
    let canonical = format!("{}{}", gap.repeat(row.depth), row.canonical);
    let (sources, notes) = (row.sources.join("\n"), row.notes.iter().map(pick).collect::<Vec<_>>().join("\n"));
    [canonical, title, sources, row.kind.clone(), notes]
}

fn markdown_table(rows: &[[String; 5]]) -> String {
    let line = |cells: &[String; 5]| format!("| {} |\n", cells.each_ref().map(|cell| escaped(cell)).join(" | "));
    let mut text = line(&HEADINGS.map(str::to_owned));
    text.push_str("|---|---|---|---|---|\n");
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// A cell in which neither a pipe nor a line's end closes the table.
fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', "<br>")
}
