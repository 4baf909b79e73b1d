//! `portolan explain`: the pages of the fault catalogue.

use super::terminal::{Paint, fail};
use crate::alike::edits;
use crate::fault::FaultCode;
use std::fmt::Write;
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Tell what a fault code means and what to do about it

Every refusal of the gateway carries a stable code. Its page says what it means, what causes it, and what the sender and \
the operator do, in English and in Chinese. Without a code, all codes are listed.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan explain                      every code with its HTTP status and title
  portolan explain identity.unlisted    the page of one code";

/// Codes suggested for one that does not exist.
const NEAR_MAX: usize = 4;
/// Changes of one letter that still make a code a near one.
const NEAR_EDITS_MAX: usize = 3;

/// `portolan explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The code, such as records.none; all codes are listed without it
    code: Option<String>,
}

/// Runs it.
pub fn run(args: &Explain) -> ExitCode {
    let Some(text) = &args.code else { return super::print(&list()) };
    match text.parse::<FaultCode>() {
        Ok(code) => super::print(&page(code)),
        Err(_) => fail(&unknown(text)),
    }
}

fn page(code: FaultCode) -> String {
    let paint = Paint::stdout();
    let about = format!("HTTP {} · party: {}", code.status(), code.party().as_str());
    let mut text = String::new();
    for (n, line) in code.page().lines().enumerate() {
        let line = if line.starts_with('#') { paint.bold(line) } else { line.to_owned() };
        let _ = writeln!(text, "{line}");
        if n == 0 {
            let _ = writeln!(text, "{}", paint.dim(&about));
        }
    }
    text
}

fn list() -> String {
    let paint = Paint::stdout();
    let width = FaultCode::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut group = "";
    for code in FaultCode::ALL {
        let name = code.as_str();
        let of = name.split('.').next().unwrap_or(name);
        if of != group && !group.is_empty() {
            text.push('\n');
        }
        group = of;
        let (zh, en) = code.title();
        let padded = paint.bold(&format!("{name:width$}"));
        let _ = writeln!(text, "{padded}  {}  {en}  {}", code.status(), paint.dim(zh));
    }
    text
}

fn unknown(text: &str) -> String {
    let near = near(text);
    if near.is_empty() {
        return format!("there is no code {text:?}; `portolan explain` lists them all");
    }
    format!("there is no code {text:?}; did you mean {}? `portolan explain` lists them all", near.join(", "))
}

/// Codes that contain the text, or differ from it in a few letters, nearest first.
fn near(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = FaultCode::ALL
        .iter()
        .map(|code| code.as_str())
        .filter_map(|name| {
            let last = name.split_once('.').map_or(name, |(_, last)| last);
            let contained = (text.len() > 2 && (name.contains(&text) || text.contains(last))).then_some(0);
            let edits = edits(&text, name).min(edits(&text, last));
            contained.or((edits <= NEAR_EDITS_MAX).then_some(edits)).map(|distance| (distance, name))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(NEAR_MAX).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn a_misspelt_code_finds_its_neighbours() {
        let cases = [
            ("record.none", "records.none"),
            ("RECORDS.NONE", "records.none"),
            ("unlisted", "identity.unlisted"),
            ("doctyp", "syntax.doctype"),
            ("digest.mismach", "digest.mismatch"),
        ];
        for (text, expected) in cases {
            assert!(near(text).contains(&expected), "{text}: {:?}", near(text));
        }
        assert!(near("nothing-like-this").is_empty());
    }
}
