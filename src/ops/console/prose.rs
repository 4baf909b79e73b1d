//! Pages of the catalogue of faults and of the kinds of alarms, as markup in the reader's language.
//!
//! They are Markdown of a few forms alone: a heading for each language, paragraphs that begin with a bold word,
//! **bold** and `code`. Anything else is shown as it stands.

use super::words::Lang;
use maud::{Markup, html};

/// The part of a page that is in a language, without its heading.
pub fn prose(page: &str, lang: Lang) -> Markup {
    let heading = lang.say("## 中文", "## English");
    let part = page
        .split("\n## ")
        .map(|part| part.trim_start_matches("## "))
        .find_map(|part| part.strip_prefix(heading.trim_start_matches("## ")));
    html! {
        div.prose {
            @for paragraph in part.unwrap_or(page).split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) { p { (inline(paragraph)) } }
        }
    }
}

/// **Bold** and `code` within a paragraph.
fn inline(text: &str) -> Markup {
    html! {
        @for (n, bold) in text.split("**").enumerate() {
            @if n % 2 == 1 { strong { (bold) } }
            @else { @for (n, code) in bold.split('`').enumerate() { @if n % 2 == 1 { code { (code) } } @else { (code) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_shown_in_one_language() {
        let page = "# feed.late\n\n## English\n\n**Meaning.** A `feed` <is> late.\n\n**Cause.** None.\n\n## 中文\n\n**含义**：迟报。\n";
        let shown = |lang| prose(page, lang).into_string();
        assert_eq!(
            shown(Lang::En),
            "<div class=\"prose\"><p><strong>Meaning.</strong> A <code>feed</code> &lt;is&gt; late.</p><p><strong>Cause.</strong> None.</p></div>"
        );
        assert_eq!(shown(Lang::Zh), "<div class=\"prose\"><p><strong>含义</strong>：迟报。</p></div>");
    }
}
