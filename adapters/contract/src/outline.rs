//! What a body looks like to someone who has no mapping for it yet: its paths, how often each occurs,
//! and samples of the texts that stand there.
//!
//! A [`Format`](crate::Format) that can look into a body without a plan tells an [`Outliner`] what opens, what
//! text stands there and what closes, as a reader tells a [`Walker`](crate::Walker).
//!
//! Limits: [`OUTLINE_PATHS_MAX`] paths, and of each [`SAMPLES_MAX`] different texts of at most
//! [`SAMPLE_CHARACTERS_MAX`] characters. What is beyond is counted and not kept, so the memory of an outline
//! does not grow with the body.

use crate::error::{FormatCode, FormatError};
use crate::limits::Limits;
use crate::record::Position;
use std::collections::HashMap;

/// Different paths that an outline keeps.
pub const OUTLINE_PATHS_MAX: usize = 2_000;
/// Different texts that are kept of one path.
pub const SAMPLES_MAX: usize = 50;
/// Different layouts that are kept of one path.
pub const LAYOUTS_MAX: usize = 8;
/// Characters of a text that are kept.
pub const SAMPLE_CHARACTERS_MAX: usize = 100;

/// The paths of a body.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// Each path, in the order in which they were first found; one stands after the path around it.
    pub paths: Vec<OutlinePath>,
    /// The `[format]` options that reading this body takes, `name` left out.
    pub options: toml::Table,
    /// The path of the record, where the format itself says which it is; bodies of such a format have no root.
    pub record: Option<String>,
    /// Occurrences of paths that there was no room for.
    pub left_out: u64,
    /// Occurrences of what has an empty name, such as a member `""`, which no path can name; what stands in it is not kept.
    pub unnamed: u64,
}

/// One path.
#[derive(Clone, Debug, Default)]
pub struct OutlinePath {
    /// The path from the top, as a mapping writes it.
    pub path: String,
    /// The index of the path around it; `None` at the top.
    pub parent: Option<usize>,
    /// How often it occurs.
    pub times: u64,
    /// How often it occurs at most within one occurrence of the path around it.
    pub times_within_max: u64,
    /// How many occurrences of the path around it have it at all.
    pub holders: u64,
    /// How many texts stand there that are not blank.
    pub texts: u64,
    /// Different texts: the first ones as they were found, then some of the latest.
    pub samples: Vec<Sample>,
    /// How many texts were passed over or gave their place to later ones.
    pub samples_left_out: u64,
    /// What its last step means, in English words, where it is a code of the format's; else empty.
    pub meaning: String,
    /// The layouts of dates in which its texts say that they are written, as a mapping writes a layout.
    pub layouts: Vec<String>,
}

/// A text, and how often it stands at its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The text without white space around it.
    pub text: String,
    /// It was longer, and is kept up to here.
    pub cut: bool,
    /// How often.
    pub times: u64,
}

/// Makes an outline along the events of one body.
pub struct Outliner {
    outline: Outline,
    known: HashMap<(Option<usize>, String), usize>,
    open: Vec<Frame>,
    depth_max: usize,
}

#[derive(Default)]
struct Frame {
    /// `None` at the top, and where there was no room.
    index: Option<usize>,
    lost: bool,
    /// It has an empty name, or stands in what has.
    unnamed: bool,
    text: String,
    cut: bool,
    children: HashMap<usize, u64>,
}

impl Outliner {
    /// At the top of a body.
    pub fn new(limits: &Limits) -> Self {
        Self { outline: Outline::default(), known: HashMap::new(), open: vec![Frame::default()], depth_max: limits.depth_max }
    }

    /// Something called `name` opens.
    ///
    /// # Errors
    /// Too deep.
    pub fn enter(&mut self, name: &str, at: Position) -> Result<(), FormatError> {
        if self.open.len() > self.depth_max {
            let max = self.depth_max;
            let (zh, en) = (format!("嵌套超过 {max} 层"), format!("nested more than {max} deep"));
            return Err(FormatError::new(FormatCode::DepthExceeded, at, zh, en));
        }
        let around = self.open.last_mut();
        let (parent, lost) = around.as_ref().map_or((None, false), |frame| (frame.index, frame.lost));
        let unnamed = !lost && name.is_empty();
        let index = if lost || unnamed { None } else { self.path(parent, name) };
        if let Some(index) = index
            && let Some(frame) = self.open.last_mut()
        {
            let within = frame.children.entry(index).or_default();
            *within += 1;
            if let Some(path) = self.outline.paths.get_mut(index) {
                path.times += 1;
                path.holders += u64::from(*within == 1);
                path.times_within_max = path.times_within_max.max(*within);
            }
        }
        self.outline.unnamed += u64::from(unnamed);
        self.outline.left_out += u64::from(index.is_none() && !unnamed && !self.is_unnamed());
        let unnamed = unnamed || self.is_unnamed();
        self.open.push(Frame { index, lost: index.is_none(), unnamed, ..Frame::default() });
        Ok(())
    }

    /// Text of what is open. May come in pieces.
    pub fn text(&mut self, text: &str) {
        let Some(frame) = self.open.last_mut() else { return };
        let text = if frame.text.is_empty() { text.trim_start() } else { text };
        let room = SAMPLE_CHARACTERS_MAX.saturating_sub(frame.text.chars().count());
        frame.text.extend(text.chars().take(room));
        frame.cut |= text.trim_end().chars().count() > room;
    }

    /// What was opened last closes.
    pub fn leave(&mut self) {
        if self.open.len() == 1 {
            return;
        }
        let Some(frame) = self.open.pop() else { return };
        let text = frame.text.trim_end();
        let Some(path) = frame.index.and_then(|index| self.outline.paths.get_mut(index)).filter(|_| !text.is_empty()) else { return };
        path.texts += 1;
        if let Some(sample) = path.samples.iter_mut().find(|sample| sample.text == text) {
            sample.times += 1;
        } else if path.samples.len() < SAMPLES_MAX {
            path.samples.push(Sample { text: text.to_owned(), cut: frame.cut, times: 1 });
        } else {
            // The first half stays and the second goes on changing, so that the end of a body is seen too.
            let half = SAMPLES_MAX / 2;
            let place = half + (path.samples_left_out % half as u64) as usize;
            path.samples_left_out += 1;
            if let Some(sample) = path.samples.get_mut(place) {
                *sample = Sample { text: text.to_owned(), cut: frame.cut, times: 1 };
            }
        }
    }

    /// Something that is nothing but a text: an attribute (`@name`), a cell.
    ///
    /// # Errors
    /// As for [`Outliner::enter`].
    pub fn value(&mut self, name: &str, text: &str, at: Position) -> Result<(), FormatError> {
        self.enter(name, at)?;
        self.text(text);
        self.leave();
        Ok(())
    }

    /// What the name of what is open means.
    pub fn meaning(&mut self, words: &str) {
        if let Some(path) = self.here_mut().filter(|path| path.meaning.is_empty()) {
            words.clone_into(&mut path.meaning);
        }
    }

    /// A layout of dates in which the text of what is open says that it is written.
    pub fn layout(&mut self, layout: &str) {
        let room = |path: &&mut OutlinePath| path.layouts.len() < LAYOUTS_MAX && path.layouts.iter().all(|known| known != layout);
        if let Some(path) = self.here_mut().filter(room) {
            path.layouts.push(layout.to_owned());
        }
    }

    fn here_mut(&mut self) -> Option<&mut OutlinePath> {
        let index = self.open.last().and_then(|frame| frame.index)?;
        self.outline.paths.get_mut(index)
    }

    /// Whether what is open has no path: it has an empty name, or there was no room for it.
    pub fn is_lost(&self) -> bool {
        self.open.last().is_some_and(|frame| frame.lost)
    }

    fn is_unnamed(&self) -> bool {
        self.open.last().is_some_and(|frame| frame.unnamed)
    }

    /// The path of what is open; empty at the top.
    pub fn here(&self) -> &str {
        let index = self.open.last().and_then(|frame| frame.index);
        index.and_then(|index| self.outline.paths.get(index)).map_or("", |path| path.path.as_str())
    }

    /// The body ends; `options` are the `[format]` options that reading it takes.
    pub fn finish(mut self, options: toml::Table) -> Outline {
        self.outline.options = options;
        self.outline
    }

    fn path(&mut self, parent: Option<usize>, name: &str) -> Option<usize> {
        let key = (parent, name.to_owned());
        if let Some(&index) = self.known.get(&key) {
            return Some(index);
        }
        let index = self.outline.paths.len();
        if index == OUTLINE_PATHS_MAX {
            return None;
        }
        let around = parent.and_then(|parent| self.outline.paths.get(parent));
        let path = around.map_or_else(|| name.to_owned(), |around| format!("{}/{name}", around.path));
        self.outline.paths.push(OutlinePath { path, parent, ..OutlinePath::default() });
        self.known.insert(key, index);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events: `(name` opens, `)` closes, anything else is text.
    fn outline(events: &str) -> Outline {
        let mut outliner = Outliner::new(&Limits::default());
        for event in events.split(' ') {
            match (event.strip_prefix('('), event) {
                (Some(name), _) => outliner.enter(name, Position::default()).unwrap(),
                (None, ")") => outliner.leave(),
                (None, text) => outliner.text(text),
            }
        }
        outliner.finish(toml::Table::new())
    }

    #[test]
    fn paths_are_counted_within_what_encloses_them() {
        let outline = outline("(D (R (A x ) (A y ) ) (R (A x ) ) (R ) )");
        let told: Vec<_> = outline.paths.iter().map(|p| (p.path.as_str(), p.times, p.times_within_max, p.holders, p.texts)).collect();
        assert_eq!(told, [("D", 1, 1, 1, 0), ("D/R", 3, 3, 1, 0), ("D/R/A", 3, 2, 2, 3)]);
        let samples: Vec<_> = outline.paths[2].samples.iter().map(|s| (s.text.as_str(), s.times)).collect();
        assert_eq!(samples, [("x", 2), ("y", 1)]);
    }

    #[test]
    fn no_body_makes_an_outline_grow_without_end() {
        let mut outliner = Outliner::new(&Limits::default());
        outliner.enter("D", Position::default()).unwrap();
        for n in 0..OUTLINE_PATHS_MAX * 2 {
            outliner.value(&format!("n{n}"), &"税".repeat(1000), Position::default()).unwrap();
            outliner.value("same", &n.to_string(), Position::default()).unwrap();
        }
        let outline = outliner.finish(toml::Table::new());
        assert_eq!(outline.paths.len(), OUTLINE_PATHS_MAX);
        assert_eq!(outline.left_out, OUTLINE_PATHS_MAX as u64 + 2);
        let same = outline.paths.iter().find(|p| p.path == "D/same").unwrap();
        let left_out = OUTLINE_PATHS_MAX as u64 * 2 - SAMPLES_MAX as u64;
        assert_eq!((same.samples.len(), same.samples_left_out, same.texts), (SAMPLES_MAX, left_out, OUTLINE_PATHS_MAX as u64 * 2));
        assert!(same.samples.iter().any(|sample| sample.text == "3999"), "the last text is among the samples");
        let first = &outline.paths[1].samples[0];
        assert_eq!((first.text.chars().count(), first.cut), (SAMPLE_CHARACTERS_MAX, true));
        let deep = (0..=Limits::default().depth_max)
            .try_fold(Outliner::new(&Limits::default()), |mut outliner, _| outliner.enter("x", Position::default()).map(|()| outliner));
        assert!(deep.is_err_and(|error| error.code == FormatCode::DepthExceeded));
    }
}
