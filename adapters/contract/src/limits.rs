//! The named limits of reading, so that no body chooses how much memory it costs.

use crate::error::{FormatCode, FormatError};
use crate::record::Position;

/// Caps on what one body may ask of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Elements, objects or arrays open at once.
    pub depth_max: usize,
    /// Bytes of one token (a tag, a text, a string, a cell), held while it is being read.
    pub token_bytes_max: usize,
    /// Attributes of one element, members of one object that no mapping asks for included.
    pub attributes_max: usize,
    /// Values filled into one record, those outside it included.
    pub record_values_max: usize,
    /// Bytes of text in one record, those outside it included.
    pub record_bytes_max: usize,
    /// Columns of one table row.
    pub columns_max: usize,
    /// Members of one container, those that are passed over included.
    pub members_max: usize,
    /// Bytes that come out of one container.
    pub expanded_bytes_max: u64,
    /// Bytes that come out of one container for each that goes in.
    pub expansion_ratio_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 128,
            token_bytes_max: 1 << 20,
            attributes_max: 256,
            record_values_max: 20_000,
            record_bytes_max: 4 << 20,
            columns_max: 2_048,
            members_max: 1_000,
            expanded_bytes_max: 8 << 30,
            expansion_ratio_max: 200,
        }
    }
}

impl Limits {
    /// Refuses a record of more values (or list items) or bytes of text than one may have.
    ///
    /// # Errors
    /// [`FormatCode::RecordExceeded`].
    pub fn check_record(&self, values: usize, bytes: usize, at: Position) -> Result<(), FormatError> {
        let (values_max, bytes_max) = (self.record_values_max, self.record_bytes_max);
        if values <= values_max && bytes <= bytes_max {
            return Ok(());
        }
        let (zh, en) = (
            format!("单条记录超过 {values_max} 个值或列表项，或 {bytes_max} 字节"),
            format!("one record has more than {values_max} values or list items, or {bytes_max} bytes"),
        );
        Err(FormatError::new(FormatCode::RecordExceeded, at, zh, en))
    }
}
