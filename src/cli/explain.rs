//! `portolan explain`: the pages of the fault catalogue and of the kinds of alarms.

use super::terminal::{Paint, fail};
use crate::alarms::Kind;
use crate::alike::edits;
use crate::fault::FaultCode;
use std::fmt::Write;
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Tell what a fault code or an alarm means and what to do about it

Every refusal of the gateway carries a stable code. Its page says what it means, what causes it, and what the sender and \
the operator do, in English and in Chinese. So does the page of each kind of alarm. Without a code, all are listed.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan explain                      every code with its HTTP status and title
  portolan explain identity.unlisted    the page of one code
  portolan explain destination.down     the page of one kind of alarm";

/// Codes suggested for one that does not exist.
const NEAR_MAX: usize = 4;
/// Changes of one letter that still make a code a near one.
const NEAR_EDITS_MAX: usize = 3;

/// `portolan explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The code, such as records.none, or the kind of an alarm; all are listed without it
    code: Option<String>,
}

/// Runs it.
pub fn run(args: &Explain) -> ExitCode {
    let Some(text) = &args.code else { return super::print(&list()) };
    match (text.parse::<FaultCode>(), text.parse::<Kind>()) {
        (Ok(code), _) => super::print(&page(code.page(), &format!("HTTP {} · party: {}", code.status(), code.party().as_str()))),
        (_, Ok(kind)) => super::print(&page(kind.page(), "alarm 告警")),
        _ => fail(&unknown(text)),
    }
}

fn page(page: &str, about: &str) -> String {
    let paint = Paint::stdout();
    let mut text = String::new();
    for (n, line) in page.lines().enumerate() {
        let line = if line.starts_with('#') { paint.bold(line) } else { line.to_owned() };
        let _ = writeln!(text, "{line}");
        if n == 0 {
            let _ = writeln!(text, "{}", paint.dim(about));
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
    text.push('\n');
    for kind in Kind::ALL {
        let (zh, en) = kind.title();
        let padded = paint.bold(&format!("{:width$}", kind.as_str()));
        let _ = writeln!(text, "{padded}  alarm: {en}  {}", paint.dim(zh));
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
    let names = FaultCode::ALL.iter().map(|code| code.as_str()).chain(Kind::ALL.map(Kind::as_str));
    let mut near: Vec<(usize, &str)> = names
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
