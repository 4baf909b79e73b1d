//! What the commands share in looks: sober words, colour where a terminal shows it, a progress bar.
//!
//! Colour is off where the stream is no terminal or `NO_COLOR` is set.

use super::exit;
use crate::domain::{Finding, Severity};
use crate::fault::FaultCode;
pub use crate::figures::thousands;
use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Headings, a thin line, and the rows.
const TABLE_STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Colours of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output.
    pub fn stdout() -> Self {
        Self { on: std::io::stdout().is_terminal() && colour_wanted() }
    }

    /// For standard error.
    pub fn stderr() -> Self {
        Self { on: std::io::stderr().is_terminal() && colour_wanted() }
    }

    /// What stands out.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What stands back.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What is wrong.
    pub fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// What is doubtful.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// What is good.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The language of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Chinese
    Zh,
    /// English
    En,
}

/// Whether to speak Chinese: as asked for, else as the locale has it.
pub fn speaks_chinese(asked: Option<Language>) -> bool {
    let locale = || ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok()).find(|v| !v.is_empty());
    asked.map_or_else(|| locale().is_some_and(|locale| locale.starts_with("zh")), |language| language == Language::Zh)
}

fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Says on standard error why a command failed, and gives its exit code.
pub fn fail(message: &str) -> ExitCode {
    eprintln!("{} {message}", Paint::stderr().red("error:"));
    ExitCode::from(exit::FAILED)
}

/// A finding as lines of text: place, text found and rule; then the words in both languages.
pub fn finding_lines(finding: &Finding, paint: Paint) -> String {
    let mut text = match finding.severity {
        Severity::Error => paint.red("error:"),
        Severity::Warning => paint.yellow("warning:"),
    };
    if let Some(record) = finding.record {
        let _ = write!(text, " record {record},");
    }
    if finding.is_somewhere() {
        let _ = write!(text, " {}", finding.place(false).trim_end_matches(", "));
    }
    if finding.source.is_none()
        && let Some(canonical) = &finding.canonical
    {
        let _ = write!(text, ", {canonical}");
    }
    if let Some(found) = &finding.found {
        let _ = write!(text, " {found:?}");
    }
    let rule = paint.dim(&format!("[{}]", finding.rule));
    let _ = write!(text, " {rule}\n    {}\n    {}", finding.words.zh, finding.words.en);
    text
}

/// A fault code in words, and where to read more.
pub fn fault_lines(code: FaultCode, paint: Paint) -> String {
    let (zh, en) = code.title();
    format!("{} {zh} · {en}\n    see: portolan explain {code}", paint.red(&format!("{code}:")))
}

/// `1 record`, `2 records`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// A bar for so many bytes on standard error; nothing is shown where that is no terminal.
pub fn byte_bar(bytes: Option<u64>, doing: &'static str) -> ProgressBar {
    let Some(bytes) = bytes.filter(|_| std::io::stderr().is_terminal()) else { return ProgressBar::hidden() };
    let template = "{msg} {bar:32} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes).with_style(style.progress_chars("━╸─")).with_message(doing)
}

/// A table with headings, folded to the width of the terminal; as wide as it is where standard output is none.
pub fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = empty_table();
    table.set_header(headings).add_rows(rows);
    table
}

/// Facts, each a line with its name before it.
pub fn facts<'n>(facts: impl IntoIterator<Item = (&'n str, String)>) -> String {
    let mut table = empty_table();
    table.add_rows(facts.into_iter().map(|(name, fact)| [name.to_owned(), fact]));
    table.to_string()
}

fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    // A terminal that does not know its width says 0.
    if let Some(size) = rustix::termios::tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0) {
        table.set_width(size.ws_col);
    }
    table
}

/// The same without the columns that hold nothing: in all rows the text that stands for it.
pub fn without_empty(mut table: Table, nothing: &str) -> Table {
    if table.is_empty() {
        return table;
    }
    for index in 0..table.column_count() {
        let is_empty = table.column_cells_iter(index).flatten().all(|cell| cell.content() == nothing);
        if let Some(column) = table.column_mut(index).filter(|_| is_empty) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    table
}
