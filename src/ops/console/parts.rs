//! What pages share: states by word, shape and colour; tables; what is live; forms of changes; spark lines.

use super::layout::address;
use super::words::{Lang, REASON, Text};
use crate::ops::access::{Ask, PART, REASON_CHARS_MAX, SAID, Said, THEN};
use crate::ops::guard::TOKEN_FIELD;
use crate::ops::routes::{self, Found, Kind};
use crate::ops::standing::State;
use crate::ops::view::OpsView;
use hyper::Method;
use maud::{Markup, PreEscaped, html};

/// How much a state asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Nothing: all is well.
    Good,
    /// Nothing: there is nothing to say.
    Calm,
    /// To be looked at.
    Warn,
    /// To be acted on.
    Bad,
}

impl Tone {
    /// Its class in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Calm => "calm",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// A shape of its own for each, so that nobody needs the colour.
    fn shape(self) -> &'static str {
        match self {
            Self::Good => r#"<path d="M2 6.5 5 9.5 10 3" fill="none" stroke="currentColor" stroke-width="2"/>"#,
            Self::Calm => r#"<circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.6"/>"#,
            Self::Warn => r#"<path d="M6 1 11.5 11H.5z" fill="currentColor"/>"#,
            Self::Bad => r#"<path d="M3.5.5h5l3 3v5l-3 3h-5l-3-3v-5z" fill="currentColor"/>"#,
        }
    }
}

/// A state: a word in a shape and a colour.
pub fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (mark(tone)) (word) } }
}

/// The shape of a tone alone, beside a word that says the same.
pub fn mark(tone: Tone) -> Markup {
    html! { svg.shape viewBox="0 0 12 12" aria-hidden="true" { (PreEscaped(tone.shape())) } }
}

/// The shape within a drawing, with its corner here.
pub fn mark_at(tone: Tone, x: usize, y: usize) -> Markup {
    html! { g.shape transform={ "translate(" (x) " " (y) ")" } { (PreEscaped(tone.shape())) } }
}

/// How a partner stands: each of its states.
pub fn states(states: &[State], lang: Lang) -> Markup {
    let tone = |state| match state {
        State::Healthy => Tone::Good,
        State::Expiring | State::Unusual | State::Paused | State::Throttled | State::Slow | State::Late => Tone::Warn,
        State::Silent | State::Failing => Tone::Bad,
    };
    html! { span.badges { @for state in states { (badge(tone(*state), lang.state(*state))) } } }
}

/// Something that must be looked at, at the head of a page.
pub fn note(tone: Tone, text: &Markup) -> Markup {
    html! { div.note.(tone.class()) { (mark(tone)) div { (text) } } }
}

/// What a column of a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Text, aligned at its beginning.
    Words(Text),
    /// A word or two, of which several have room beside each other on a narrow screen.
    Short(Text),
    /// A figure, aligned at its end.
    Figure(Text),
}

impl Column {
    fn head(self) -> Text {
        match self {
            Self::Words(head) | Self::Short(head) | Self::Figure(head) => head,
        }
    }

    fn class(self) -> Option<&'static str> {
        match self {
            Self::Words(_) => None,
            Self::Short(_) => Some("short"),
            Self::Figure(_) => Some("figure"),
        }
    }
}

/// A table: a row is its cells in the order of the columns, the first of them names it. On a narrow screen each row becomes
/// a block whose figures say their column. `empty` stands where there are no rows.
pub fn table(lang: Lang, caption: &str, columns: &[Column], rows: &[Vec<Markup>], empty: &str) -> Markup {
    html! {
        div.sheet.wide tabindex="0" role="region" aria-label=(caption) {
            @if rows.is_empty() { p.empty { (empty) } }
            @else {
                table {
                    caption.unseen { (caption) }
                    thead { tr { @for column in columns { th scope="col" class=[column.class()] { (lang.of(column.head())) } } } }
                    tbody {
                        @for cells in rows {
                            tr {
                                @for (n, (cell, column)) in cells.iter().zip(columns).enumerate() {
                                    @if n == 0 { th scope="row" class=[column.class()] { (cell) } }
                                    @else { td class=[column.class()] data-label=(lang.of(column.head())) { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Facts: a name and what it is, one below the other.
pub fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { dl.facts.sheet { @for (name, fact) in facts { dt { (name) } dd { (fact) } } } }
}

/// A part of a page that is made anew whenever [`super::live`] says so, by asking for it alone ([`Ask::part`]). `id` is its own on
/// the page.
pub fn live(ask: &Ask<'_>, lang: Lang, id: &str, part: &Markup) -> Markup {
    live_by("live from:body", ask, lang, id, part)
}

/// The same, anew at most once in so many seconds: for what costs more than it changes.
pub fn live_seldom(ask: &Ask<'_>, lang: Lang, id: &str, seconds: u32, part: &Markup) -> Markup {
    live_by(&format!("live from:body throttle:{seconds}s"), ask, lang, id, part)
}

fn live_by(trigger: &str, ask: &Ask<'_>, lang: Lang, id: &str, part: &Markup) -> Markup {
    let address = format!("{}&{PART}={id}", address(ask, lang));
    html! { div id=(id) hx-get=(address) hx-select={ "#" (id) } hx-trigger=(trigger) hx-swap="outerHTML" hx-sync="this:drop" { (part) } }
}

/// A link to a page, where there is one; else its text alone.
pub fn link(address: &str, text: &Markup) -> Markup {
    let path = address.split('?').next().unwrap_or_default();
    let is_page = matches!(routes::find(&Method::GET, path), Found::Route(route, _) if matches!(route.kind, Kind::Page { .. }));
    html! { @if is_page { a href=(address) { (text) } } @else { (text) } }
}

/// A form of a change: it posts to the API's address, with the guard's token, and comes back to `then`. `inside` are its own fields.
/// The reason that every change needs is asked for here.
pub fn form(view: &OpsView, ask: &Ask<'_>, lang: Lang, action: &str, then: &str, button: &str, inside: &Markup) -> Markup {
    form_asking((REASON, button), view, ask, lang, action, then, inside)
}

/// The same of a change whose reason goes by another name, such as a note: what is asked for, and the button.
pub fn form_asking(
    (asked, button): (Text, &str),
    view: &OpsView,
    ask: &Ask<'_>,
    lang: Lang,
    action: &str,
    then: &str,
    inside: &Markup,
) -> Markup {
    let inside = html! {
        (inside)
        label { span { (lang.of(asked)) } input type="text" name="reason" required maxlength=(REASON_CHARS_MAX) autocomplete="off"; }
    };
    form_without_reason(view, ask, action, then, button, &inside)
}

/// The same for what is not logged, so that nobody is asked why.
pub fn form_without_reason(view: &OpsView, ask: &Ask<'_>, action: &str, then: &str, button: &str, inside: &Markup) -> Markup {
    html! {
        form.change method="post" action=(action) {
            input type="hidden" name=(TOKEN_FIELD) value=(view.guard.token(ask.operator, view.clock.now()));
            input type="hidden" name=(THEN) value=(then);
            (inside)
            button type="submit" { (button) }
        }
    }
}

/// What came of a change that brought the reader here.
pub fn said(ask: &Ask<'_>, lang: Lang) -> Markup {
    let Some(said) = ask.given(SAID).and_then(|text| Said::parse(&text)) else { return html! {} };
    match said {
        Said::Done(act) => {
            note(Tone::Good, &html! { (lang.say("已完成，操作记录第 ", "Done, and logged as act ")) (act) (lang.say(" 号。", ".")) })
        }
        Said::Proposed(act) => note(
            Tone::Warn,
            &html! { (lang.say("需第二人批准，待批操作第 ", "Waits for a second operator's approval, as act ")) (act) (lang.say(" 号。", ".")) },
        ),
        Said::UnderWay => note(Tone::Calm, &html! { (lang.say("已收到，正在进行。", "Asked for; it is under way.")) }),
        Said::Unchanged => note(Tone::Calm, &html! { (lang.say("已经如此，没有改变。", "It was so already; nothing was changed.")) }),
    }
}

/// A spark line: one bar for each value, the tallest as high as the line; `label` says in words what it shows.
pub fn spark(values: &[u64], label: &str) -> Markup {
    let (top, width) = (values.iter().copied().max().unwrap_or(0).max(1), values.len() * 4);
    html! {
        svg.spark viewBox={ "0 0 " (width) " 20" } role="img" aria-label=(label) preserveAspectRatio="none" {
            @for (n, value) in values.iter().enumerate() {
                @let height = if *value == 0 { 1 } else { (value * 18 / top).max(2) + 1 };
                rect.(if *value == 0 { "idle" } else { "busy" }) x=(n * 4) y=(20 - height) width="3" height=(height) {}
            }
        }
    }
}
