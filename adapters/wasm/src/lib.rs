//! Adapters from outside: a partner's odd format as a WebAssembly component built against
//! `adapters/wit/adapter.wit`, added without rebuilding the gateway.
//!
//! A component imports nothing, so it has no files, network, clock or chance. Every body gets an instance
//! of its own, which is told the plan and the options, and then reads or writes that one body. What comes
//! back is judged here again: slots, items, sizes, places and counts. Whatever goes wrong inside is
//! [`FormatCode::AdapterFailed`](portolan_contract::FormatCode::AdapterFailed) of that body.
//!
//! Limits: [`COMPONENT_BYTES_MAX`]; of an instance [`Budget`]; of what it says, [`Limits`](portolan_contract::Limits)
//! and the caps of the module `judge`. Memory for one body is that of its instance, one piece of the body and one batch of records.
//!
//! The runtime is the cargo feature `runtime`; without it no component can be loaded, and [`load`] says so.

#[cfg(feature = "runtime")]
mod bindings;
#[cfg(feature = "runtime")]
mod convert;
#[cfg(feature = "runtime")]
mod format;
#[cfg(feature = "runtime")]
mod judge;
#[cfg(feature = "runtime")]
mod sandbox;

use portolan_contract::Format;

/// Bytes of one component.
pub const COMPONENT_BYTES_MAX: u64 = 4 << 20;

/// What one instance may cost. Fuel is about one unit for each WebAssembly instruction, so it stops the same
/// body at the same place on every machine; the time is for what fuel does not see, such as the filling of much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of linear memory.
    pub memory_bytes_max: usize,
    /// Entries of a table.
    pub table_entries_max: usize,
    /// Fuel of one call.
    pub call_fuel: u64,
    /// Fuel of one call for each byte that it is given.
    pub byte_fuel: u64,
    /// Bytes that are taken over from the component in one call.
    pub result_bytes_max: usize,
    /// Milliseconds of one call.
    pub call_ms_max: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            table_entries_max: 10_000,
            call_fuel: 100_000_000,
            byte_fuel: 10_000,
            result_bytes_max: 16 << 20,
            call_ms_max: 5_000,
        }
    }
}

/// Makes a format of a component's bytes, under the name that mappings use.
///
/// # Errors
/// What is wrong with the component, in words.
#[cfg(feature = "runtime")]
pub fn load(name: &str, component: &[u8], budget: Budget) -> Result<Box<dyn Format>, String> {
    if component.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(format!("the component has {} bytes, more than {COMPONENT_BYTES_MAX}", component.len()));
    }
    let sandbox = sandbox::Sandbox::new(name, component, budget)?;
    Ok(Box::new(format::Adapter::new(sandbox)))
}

/// Says that this build has no component runtime.
///
/// # Errors
/// Always.
#[cfg(not(feature = "runtime"))]
pub fn load(name: &str, _: &[u8], _: Budget) -> Result<Box<dyn Format>, String> {
    Err(format!(
        "the adapter {name:?} cannot be used: this build of the gateway has no component runtime; build it with --features wasm-adapters"
    ))
}

#[cfg(all(test, not(feature = "runtime")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_the_runtime_says_so() {
        let message = load("odd", b"", Budget::default()).err().unwrap_or_default();
        assert!(message.contains("--features wasm-adapters"), "{message}");
    }
}
