//! The bytes of a record as text, with the stretches marked that its canonical values were read from.
//!
//! While personal values are masked, their stretches show the masked value, and what no canonical value was read from is veiled:
//! of it only punctuation, the tags of XML and the names of JSON are seen, because nothing says what the rest is.

use crate::mapping::trace::Traced;
use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use maud::{Markup, html};

/// A stretch of the body that values were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its first byte.
    pub from: u64,
    /// The byte after its last.
    pub to: u64,
    /// The places of the fields that were read from it.
    pub fields: Vec<usize>,
    /// What is shown of it while it is hidden.
    pub hidden: Option<String>,
}

/// The stretches that fields were read from, in the order of the body; those that overlap are one.
pub fn marks(fields: &[Traced], is_hidden: impl Fn(&Traced) -> bool) -> Vec<Mark> {
    let ranged = fields.iter().enumerate().filter_map(|(place, field)| {
        let source = field.source.as_ref()?;
        let (from, to) = source.range?;
        Some(Mark { from, to, fields: vec![place], hidden: is_hidden(field).then(|| source.text.clone()) })
    });
    let mut ranged: Vec<Mark> = ranged.collect();
    ranged.sort_by_key(|mark| (mark.from, mark.to));
    let mut marks: Vec<Mark> = Vec::new();
    for mark in ranged {
        match marks.last_mut().filter(|last| mark.from < last.to) {
            Some(last) => {
                last.to = last.to.max(mark.to);
                last.fields.extend(mark.fields);
                last.hidden = last.hidden.take().or(mark.hidden);
            }
            None => marks.push(mark),
        }
    }
    marks
}

/// The text of bytes that begin at `start`, with the marks within them; `first` is the number of the first of these marks.
pub fn text(bytes: &[u8], start: u64, marks: &[Mark], first: usize, veiled: bool) -> Markup {
    let charset = charset(bytes);
    let decoded = |from: u64, to: u64| {
        let place = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(bytes.len());
        let piece = bytes.get(place(from)..place(to)).unwrap_or_default();
        charset.decode_without_bom_handling(piece).0.into_owned()
    };
    let end = start + bytes.len() as u64;
    let mut veil = veiled.then(|| Veil::over(&decoded(start, end)));
    let mut gap = |from: u64, to: u64| {
        let text = decoded(from, to);
        match &mut veil {
            Some(veil) => veil.hide(&text),
            None => text,
        }
    };
    let mut at = start;
    html! {
        @for (n, mark) in marks.iter().enumerate().filter(|(_, mark)| mark.from < end) {
            (gap(at, mark.from))
            a.source id={ "source-" (first + n) } href={ "#field-" (mark.fields.first().copied().unwrap_or_default()) } data-lights {
                @match &mark.hidden { Some(hidden) => { (hidden) } None => { (decoded(mark.from, mark.to)) } }
            }
            @let () = at = mark.to;
        }
        (gap(at, end))
    }
}

/// The charset in which bytes are text, as far as they tell.
fn charset(bytes: &[u8]) -> &'static Encoding {
    match bytes {
        [0, _, ..] => UTF_16BE,
        [_, 0, ..] => UTF_16LE,
        _ if std::str::from_utf8(bytes).is_ok() => UTF_8,
        _ => GB18030,
    }
}

/// What is hidden of a text by where it stands.
struct Veil {
    shape: Shape,
    in_tag: bool,
    quote: Option<char>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// XML.
    Tags,
    /// JSON.
    Names,
    /// Anything else.
    Plain,
}

impl Veil {
    /// The veil over a text that begins so.
    fn over(text: &str) -> Self {
        let shape = match text.trim_start().chars().next() {
            Some('<') => Shape::Tags,
            Some('{' | '[' | '"') => Shape::Names,
            _ => Shape::Plain,
        };
        Self { shape, in_tag: false, quote: None }
    }

    /// The next piece of it.
    fn hide(&mut self, text: &str) -> String {
        let mut hidden = String::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if self.shape == Shape::Names
                && c == '"'
                && self.quote.is_none()
                && let Some((name, after)) = rest.as_str().split_once('"').filter(|(_, after)| after.trim_start().starts_with(':'))
            {
                hidden.extend(['"'].into_iter().chain(name.chars()).chain(['"']));
                rest = after.chars();
                continue;
            }
            self.step(c, rest.as_str());
            let is_shown = !c.is_alphanumeric() || (self.in_tag && self.quote.is_none());
            hidden.push(if is_shown { c } else { '•' });
        }
        hidden
    }

    fn step(&mut self, c: char, rest: &str) {
        let quotes = self.shape == Shape::Names || self.in_tag;
        match (self.quote, c) {
            (Some(open), c) if open == c => self.quote = None,
            (Some(_), _) => {}
            (None, '"') if quotes => self.quote = Some(c),
            (None, '\'') if self.in_tag => self.quote = Some(c),
            // A comment and a CDATA section hold text.
            (None, '<') if self.shape == Shape::Tags => self.in_tag = !rest.starts_with(['!', '?']),
            (None, '>') => self.in_tag = false,
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::trace::{Rule, SourceText};

    fn field(range: (u64, u64), text: &str) -> Traced {
        let (source, text) = ("path".to_owned(), text.to_owned());
        let source = SourceText {
            source,
            part: None,
            line: Some(1),
            byte: Some(range.0),
            column: None,
            range: Some(range),
            text,
            raw: None,
            counted: false,
        };
        Traced { canonical: "name".to_owned(), value: None, source: Some(source), rule: Rule::Computed { cel: String::new() } }
    }

    /// Marks the first place of each text, hides those that begin with a star, and shows the rest veiled.
    fn check(body: &str, texts: &[&str], expected: &str) {
        let at = |text: &str| body.find(text.trim_start_matches('*')).unwrap_or_default() as u64;
        let fields = texts.iter().map(|text| field((at(text), at(text) + text.trim_start_matches('*').len() as u64), text));
        let fields: Vec<Traced> = fields.collect();
        let marks = marks(&fields, |field| field.source.as_ref().is_some_and(|source| source.text.starts_with('*')));
        let shown = text(body.as_bytes(), 0, &marks, 0, true).into_string();
        let mut plain = String::new();
        for (n, piece) in shown.split("<a class=\"source\"").enumerate() {
            let piece = if n == 0 { piece } else { piece.split_once('>').map_or("", |(_, after)| after) };
            plain.push_str(&piece.replace("</a>", ""));
        }
        assert_eq!(plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"), expected);
    }

    #[test]
    fn what_nothing_was_read_from_is_veiled() {
        check("<a><Nm>张三</Nm><Amt Ccy=\"CNY\">12.5</Amt></a>", &["12.5"], "<a><Nm>••</Nm><Amt Ccy=\"•••\">12.5</Amt></a>");
        check("<a b='x'><![CDATA[李四]]><!--id 7--><c/></a>", &[], "<a b='•'><![•••••[••]]><!--•• •--><c/></a>");
        check("{\"name\": \"张三\", \"n\": 12, \"amount\": \"12.50\"}", &["12.50"], "{\"name\": \"••\", \"n\": ••, \"amount\": \"12.50\"}");
        check("张三,12.5,<b 6222>", &["12.5"], "••,12.5,<• ••••>");
        check("NAD+BY+李四'MOA+77:12.5'", &["12.5"], "•••+••+••'•••+••:12.5'");
    }

    #[test]
    fn what_is_personal_shows_its_mask_alone() {
        check("<Nm>张三丰</Nm><A>1</A>", &["*张三丰", "1"], "<Nm>*张三丰</Nm><A>1</A>");
        // A text that is read as two values is one mark, and hidden where either is.
        check("<Nm>张三丰</Nm>", &["三", "*张三丰"], "<Nm>*张三丰</Nm>");
    }

    #[test]
    fn other_charsets_are_read() {
        let (bytes, ..) = GB18030.encode("税,甲");
        assert_eq!(text(&bytes, 9, &[], 0, false).into_string(), "税,甲");
    }
}
