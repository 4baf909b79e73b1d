//! Reading: the tokens of a body walk the plan.

use crate::Layout;
use crate::tokens::{Token, Tokens};
use portolan_contract::{FormatError, Found, Limits, NodeId, Plan, Position, RawRecord, ReadRecords, Walker, Words};
use std::io::Read;
use std::sync::Arc;

/// Reads the records of one body.
pub struct Reader<'a> {
    tokens: Tokens<'a>,
    walker: Walker,
    /// Nothing is asked for until so few objects and arrays are open again.
    skip_to_depth: Option<usize>,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a body.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn new(input: Box<dyn Read + 'a>, plan: Arc<Plan>, layout: Layout, limits: &Limits) -> Result<Self, FormatError> {
        Ok(Self { tokens: Tokens::new(input, layout, limits)?, walker: Walker::new(plan, limits), skip_to_depth: None })
    }

    /// Begins an object or array; true when a record is whole.
    fn begin(&mut self, token: Token, at: Position) -> Result<bool, FormatError> {
        let outside = self.tokens.depth() - 1;
        let Some(node) = self.node() else {
            self.skip_to_depth = Some(outside);
            return Ok(false);
        };
        if token == Token::Array {
            return Ok(false);
        }
        if self.walker.plan().node(node).slot.is_some() {
            self.skip_to_depth = Some(outside);
            return self.mismatch(node, at, Words::new("此处应为单个值，却是对象", "expected one value, found an object"));
        }
        self.walker.enter_node(Some(node), at)?;
        Ok(false)
    }

    /// Takes a string, number or word; true when a record is whole.
    fn scalar(&mut self, token: Token, at: Position) -> Result<bool, FormatError> {
        let Some(node) = self.node() else { return Ok(false) };
        let entry = self.walker.plan().node(node);
        let (slot, counted) = (entry.slot, entry.anchor.is_some() || entry.list.is_some());
        let wants_object = !entry.children.is_empty();
        let plain = !counted && entry.ordinal.is_none() && entry.serial.is_none();
        if token == Token::Null {
            let words = Words::new("此处应为一条记录或一个条目，却是 null", "expected a record or an item, found null");
            return if counted { self.mismatch(node, at, words) } else { Ok(false) };
        }
        if wants_object {
            return self.mismatch(node, at, Words::new("此处应为对象，却是单个值", "expected an object, found one value"));
        }
        if token == Token::String && self.tokens.holds_nul() {
            self.walker.finding("json.nul", at, slot, Words::new("文本含有 NUL（U+0000）字符", "the text holds a NUL character (U+0000)"));
            return Ok(false);
        }
        match slot {
            Some(slot) if plain => {
                self.walker.fill(slot, self.tokens.text(), at)?;
                Ok(false)
            }
            _ => {
                self.walker.enter_node(Some(node), at)?;
                self.walker.text(self.tokens.text(), at)?;
                self.walker.leave(at)
            }
        }
    }

    /// Notes a value of another kind than the mapping asks for. A record or list item still
    /// counts as one, so that none is lost without a word.
    fn mismatch(&mut self, node: NodeId, at: Position, words: Words) -> Result<bool, FormatError> {
        let entry = self.walker.plan().node(node);
        let (slot, counted) = (entry.slot, entry.anchor.is_some() || entry.list.is_some());
        if !counted {
            self.walker.finding("json.type", at, slot, words);
            return Ok(false);
        }
        self.walker.enter_node(Some(node), at)?;
        self.walker.finding("json.type", at, slot, words);
        self.walker.leave(at)
    }

    /// The node of the plan for the value at hand.
    fn node(&self) -> Option<NodeId> {
        self.walker.plan().child(self.walker.here(), self.tokens.name())
    }

    /// Whether the value at hand lies in one that nothing asks for.
    fn skips(&mut self) -> bool {
        let Some(depth) = self.skip_to_depth else { return false };
        if self.tokens.depth() <= depth {
            self.skip_to_depth = None;
        }
        true
    }
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        loop {
            let (token, at) = self.tokens.next()?;
            if self.skips() {
                continue;
            }
            let whole = match token {
                Token::Object | Token::Array => self.begin(token, at)?,
                Token::ObjectEnd => self.walker.leave(at)?,
                Token::ArrayEnd => false,
                Token::String | Token::Number | Token::Boolean | Token::Null => self.scalar(token, at)?,
                Token::End => return Ok(Found::End(self.walker.end())),
            };
            if whole {
                return Ok(Found::Record(self.walker.record()));
            }
        }
    }

    fn held(&self) -> &RawRecord {
        self.walker.record()
    }
}
