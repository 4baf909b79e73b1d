//! The one list of adapters.

use portolan_contract::Format;

/// Every format that mappings may name.
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
