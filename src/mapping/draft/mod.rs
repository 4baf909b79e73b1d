//! A draft of a mapping from the outline of a sample, and of its canonical schema where that is new too.
//!
//! Everything in a draft is a guess and says so, with what is behind it. What repeats outermost is taken for
//! the record; what repeats within it is a list; all else is a value, whose meaning is guessed from its
//! texts and whose canonical path from its name. A path that resembles none of the schema's is filled in as
//! `unmapped.NAME`, which does not compile: `portolan check` names each with its line.

mod guess;
mod names;
mod placed;
mod shape;
mod text;

pub use names::nearest;

use super::schema::Canonical;
use portolan_contract::Outline;

/// What a draft is made from.
pub struct Request<'r> {
    /// The new mapping's name.
    pub name: &'r str,
    /// The format's name.
    pub format: &'r str,
    /// The sample's file name, for the draft's first line.
    pub sample: &'r str,
    /// The path of the record, where it is not to be guessed.
    pub record: Option<&'r str>,
    /// The sample.
    pub outline: &'r Outline,
    /// The canonical record; a new one is drafted where there is none.
    pub canonical: Option<&'r Canonical>,
}

/// A drafted mapping.
#[derive(Debug)]
pub struct Draft {
    /// The text of `mapping.toml`.
    pub mapping: String,
    /// The name and text of the new canonical schema, where it is new.
    pub schema: Option<(String, String)>,
    /// The path that is taken for the record, as the body has it.
    pub record: String,
    /// Values and lists that were drafted.
    pub entries: usize,
    /// Those of them that resemble nothing in the schema.
    pub unmapped: usize,
}

/// Drafts a mapping.
pub fn draft(request: &Request<'_>) -> Draft {
    let mut shape = shape::Shape::of(request.outline, request.record);
    let unmapped = match request.canonical {
        Some(canonical) => shape.name_after(canonical),
        None => {
            shape.name_freely();
            0
        }
    };
    let canonical = request.canonical.map_or_else(|| format!("{}.v1", request.name), |canonical| canonical.name.clone());
    Draft {
        mapping: text::mapping(request, &canonical, &shape),
        schema: request.canonical.is_none().then(|| (canonical.clone(), text::schema(&canonical, request.sample, &shape))),
        record: shape.record_path.clone(),
        entries: shape.record.entries(),
        unmapped,
    }
}
