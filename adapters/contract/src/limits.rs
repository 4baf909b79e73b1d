//! The named limits of reading, so that no body chooses how much memory it costs.

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
        }
    }
}
