//! The one list of adapters.

use portolan_contract::Format;

/// Bytes of one component of an adapter from outside.
pub const COMPONENT_BYTES_MAX: u64 = portolan_wasm::COMPONENT_BYTES_MAX;

/// Every format that is built in.
pub fn formats() -> Vec<Box<dyn Format>> {
    vec![
        Box::new(portolan_xml::Xml),
        Box::new(portolan_json::Json),
        Box::new(portolan_csv::Csv),
        Box::new(portolan_fixed::Fixed),
        Box::new(portolan_xlsx::Xlsx),
        Box::new(portolan_edifact::Edifact),
        Box::new(portolan_mt940::Mt940),
    ]
}

/// A format from outside: a WebAssembly component, under the name that mappings use.
///
/// # Errors
/// What is wrong with it, in words.
pub fn from_outside(name: &str, component: &[u8]) -> Result<Box<dyn Format>, String> {
    portolan_wasm::load(name, component, portolan_wasm::Budget::default())
}
