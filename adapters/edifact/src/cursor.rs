//! Where in a message one stands: each segment is placed by its tag and by what came before it.
//!
//! A segment belongs to the nearest place that is still to come: it repeats the one before, or
//! follows it within its group, or begins its group anew, or does so in a group around that.

use crate::definition::{Definition, Tag};

/// A place in a message, from the message itself down to the innermost group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    frames: Vec<Frame>,
}

/// An open group.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Its entry.
    group: usize,
    /// Which of its children came last, and how often it has.
    child: usize,
    count: u32,
}

/// Where a segment belongs.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// Groups that stay open, the message included.
    pub(crate) depth: usize,
    /// Groups that open, outermost first.
    pub(crate) opens: Vec<usize>,
    /// The segment's entry.
    pub(crate) entry: usize,
    /// It stands there more often than it may.
    pub(crate) exceeded: bool,
    /// Entries that must be there and are not.
    pub(crate) missing: Vec<usize>,
}

impl Cursor {
    /// At the start of a message: its UNH comes next.
    pub(crate) fn start(&mut self) {
        self.frames.clear();
        self.frames.push(Frame { group: 0, child: 0, count: 0 });
    }

    /// Finds the place of a segment, and goes there; false where it may not stand here.
    pub(crate) fn place(&mut self, definition: &Definition, tag: Tag, qualifier: &str, into: &mut Placement) -> bool {
        let fits = |entry: usize| {
            let entry = definition.entry(entry);
            entry.tag == tag && entry.fixed.as_deref().is_none_or(|fixed| fixed == qualifier)
        };
        self.find(definition, fits, into)
    }

    /// Goes to an entry, whatever else has its tag; false where it may not stand here.
    pub(crate) fn go_to(&mut self, definition: &Definition, entry: usize, into: &mut Placement) -> bool {
        let begins_with = |from: usize| {
            let mut at = from;
            while at != entry && definition.entry(at).is_group {
                let Some(&first) = definition.entry(at).children.first() else { return false };
                at = first;
            }
            at == entry
        };
        self.find(definition, begins_with, into)
    }

    fn find(&mut self, definition: &Definition, fits: impl Fn(usize) -> bool, into: &mut Placement) -> bool {
        into.opens.clear();
        into.missing.clear();
        let mut beyond = None;
        for depth in (0..self.frames.len()).rev() {
            let Some(frame) = self.frames.get(depth).copied() else { continue };
            let children = &definition.entry(frame.group).children;
            for (index, &child) in children.iter().enumerate().skip(frame.child) {
                if !fits(child) {
                    continue;
                }
                if index == frame.child && frame.count >= definition.entry(child).repeats {
                    // The segment that a group begins with is not too many: its group begins anew.
                    let begins_group = depth > 0 && index == 0;
                    beyond = beyond.or((!begins_group).then_some((depth, index)));
                    continue;
                }
                self.go(definition, depth, index, into);
                into.exceeded = false;
                return true;
            }
        }
        let Some((depth, index)) = beyond else { return false };
        self.go(definition, depth, index, into);
        into.exceeded = true;
        true
    }

    /// Goes to a child of an open group, and into it where it is a group.
    fn go(&mut self, definition: &Definition, depth: usize, index: usize, into: &mut Placement) {
        for frame in self.frames.iter().skip(depth + 1) {
            missing_between(definition, *frame, usize::MAX, &mut into.missing);
        }
        self.frames.truncate(depth + 1);
        into.depth = depth + 1;
        let Some(frame) = self.frames.last_mut() else { return };
        missing_between(definition, *frame, index, &mut into.missing);
        frame.count = if frame.child == index { frame.count + 1 } else { 1 };
        frame.child = index;
        let mut at = definition.entry(frame.group).children.get(index).copied().unwrap_or(0);
        while definition.entry(at).is_group {
            self.frames.push(Frame { group: at, child: 0, count: 1 });
            into.opens.push(at);
            let Some(&first) = definition.entry(at).children.first() else { break };
            at = first;
        }
        into.entry = at;
    }
}

/// What must stand in a group after its last child and before the one with this index.
fn missing_between(definition: &Definition, frame: Frame, before: usize, missing: &mut Vec<usize>) {
    let children = definition.entry(frame.group).children.iter();
    let first = if frame.count == 0 { frame.child } else { frame.child + 1 };
    let between = children.take(before).skip(first);
    missing.extend(between.copied().filter(|&child| definition.entry(child).mandatory));
}
