//! Fields of the forms that look for something: what was given, what is wrong with it, and times as people write them.
//!
//! Such a form goes to its own page by GET, under the names of the API's parameters, and works without a script. Times may be
//! written as the console shows them (`2026-07-01`, `2026-07-01 08:00`, with seconds) or as the API does; they go on as the
//! API takes them.

use super::figures::{SHOWN, local};
use super::words::{Lang, Text};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use maud::{Markup, html};

/// What a form was given.
#[derive(Debug, Default)]
pub struct Given {
    pairs: Vec<(String, String)>,
    /// Names of the fields that cannot be read.
    pub wrong: Vec<String>,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// The parameter's name.
    pub name: &'a str,
    /// What stands before it.
    pub label: &'a str,
    /// What it takes, for whoever wrote something else; empty where anything goes.
    pub takes: Text,
    /// How it is asked for.
    pub kind: FieldKind<'a>,
}

/// How a field is asked for.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind<'a> {
    /// A text.
    Text,
    /// A moment.
    Moment,
    /// A text, with those that are known by the id of their list.
    Known(&'a str),
    /// One of these words, each with what it is called.
    Choice(&'a [(&'a str, &'a str)]),
}

impl Given {
    /// What a query gives.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs, wrong: Vec::new() }
    }

    /// The text of a field; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// The fields that are not blank.
    pub fn filled(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.trim())).filter(|(_, value)| !value.is_empty())
    }

    /// The same as the API takes them: `moments` are the names of those that are times.
    pub fn for_api(&self, moments: &[&str]) -> Vec<(String, String)> {
        let api = |(name, value): (&str, &str)| {
            let moment = moments.contains(&name).then(|| moment(value)).flatten();
            (name.to_owned(), moment.map_or_else(|| value.to_owned(), |at| at.to_string()))
        };
        self.filled().map(api).collect()
    }
}

/// A moment as it was written, in the zone of the console unless it says its own.
pub fn moment(text: &str) -> Option<Timestamp> {
    let zoned = |local: DateTime| SHOWN.to_timestamp(local).ok();
    let timestamp = text.parse::<Timestamp>().ok();
    timestamp.or_else(|| text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(DateTime::from)).and_then(zoned))
}

/// A field with its label and, where what was given cannot be read, what it takes.
pub fn field(given: &Given, lang: Lang, field: Field<'_>) -> Markup {
    let Field { name, label, takes, kind } = field;
    let is_wrong = given.wrong.iter().any(|wrong| wrong == name);
    let said = format!("wrong-{name}");
    let (invalid, described) = (is_wrong.then_some("true"), is_wrong.then_some(&said));
    let value = match (kind, moment(given.text(name))) {
        (FieldKind::Moment, Some(at)) => local(at, "%Y-%m-%d %H:%M:%S"),
        _ => given.text(name).to_owned(),
    };
    html! {
        label.wrong[is_wrong] {
            span { (label) }
            @match kind {
                FieldKind::Choice(words) => {
                    select name=(name) aria-invalid=[invalid] aria-describedby=[described] {
                        option value="" { (lang.say("不限", "any")) }
                        @for (word, called) in words { option value=(word) selected[*word == value] { (called) } }
                    }
                }
                FieldKind::Text | FieldKind::Known(_) | FieldKind::Moment => {
                    @let list = if let FieldKind::Known(list) = kind { Some(list) } else { None };
                    @let shape = matches!(kind, FieldKind::Moment).then_some("2026-07-01 08:00");
                    input type="text" name=(name) value=(value) list=[list] placeholder=[shape] autocomplete="off" spellcheck="false"
                        aria-invalid=[invalid] aria-describedby=[described];
                }
            }
            @if is_wrong { small id=(said) { (lang.of(takes)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(moment(text).map(|at| at.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn moments_are_of_the_console_zone_unless_they_say_another() {
        check("2026-07-01", Some("2026-06-30T16:00:00Z"));
        check("2026-07-01 08:00", Some("2026-07-01T00:00:00Z"));
        check("2026-07-01T08:00:30", Some("2026-07-01T00:00:30Z"));
        check("2026-07-01T08:00:00Z", Some("2026-07-01T08:00:00Z"));
        check("2026-02-30", None);
        check("yesterday", None);
    }
}
