//! Mappings as they were when an exchange was committed: compiled from the texts that its pins name,
//! with the zone of its flow, and kept by digest.

use crate::domain::{Digest, Pins};
use crate::fault::Fault;
use crate::mapping::{Library, Mapping};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Compiled mappings kept; beyond it all are let go and compiled again as they are needed.
const COMPILED_MAX: usize = 256;

/// What makes a compiled mapping: mapping, schema, flow.
type Key = (Digest, Digest, Digest);

/// A mapping compiled again, and the zone of the flow that it was used in.
pub type Compiled = (Arc<Mapping>, TimeZone);

/// Why a pinned mapping cannot be had.
#[derive(Debug)]
pub enum Unavailable {
    /// A text cannot be read.
    Text(Fault),
    /// The texts do not compile any more.
    Broken(String),
}

/// Compiled mappings by digest, shared by all that need them.
#[derive(Default)]
pub struct PinnedMappings {
    compiled: Mutex<HashMap<Key, Compiled>>,
}

impl PinnedMappings {
    /// The mapping that these pins name. `pinned` gives the text of a digest, and may wait for the journal:
    /// this is called on blocking threads.
    ///
    /// # Errors
    /// A text that cannot be read, or does not compile.
    pub fn compiled(&self, pins: &Pins, pinned: &dyn Fn(Digest) -> Result<Arc<str>, Fault>) -> Result<Compiled, Unavailable> {
        let key = (pins.mapping, pins.schema, pins.flow);
        let kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(compiled) = kept {
            return Ok(compiled);
        }
        let text = |digest: Digest| pinned(digest).map_err(Unavailable::Text);
        let (bundle, schema, flow) = (text(key.0)?, text(key.1)?, text(key.2)?);
        let compiled = (Library::pinned(&bundle, &schema).map_err(Unavailable::Broken)?, zone_of(&flow));
        let mut kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= COMPILED_MAX {
            kept.clear();
        }
        kept.insert(key, compiled.clone());
        Ok(compiled)
    }
}

/// The zone that a flow's pinned text names; the default of flows where it names none.
fn zone_of(flow: &str) -> TimeZone {
    let table: Option<toml::Table> = flow.parse().ok();
    let named = table.as_ref().and_then(|t| t.get("zone")).and_then(toml::Value::as_str).unwrap_or(crate::config::ZONE_DEFAULT);
    TimeZone::get(named).unwrap_or(TimeZone::UTC)
}
