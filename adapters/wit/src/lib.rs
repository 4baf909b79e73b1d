//! For authors of adapters from outside: makes a component of what a compiler for WebAssembly gives.
//!
//! A compiler makes a *core module*, whose exports are named after `adapter.wit` and lay their values out as the component
//! model says. [`component`] wraps it as a component of the world `adapter`, and refuses one that does not fit. Compilers
//! that know components themselves (`cargo build --target wasm32-wasip2`, `wasm-tools`) do not need it.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The text against which adapters are built.
pub const WIT: &str = include_str!("../adapter.wit");

/// Makes a component of a core module.
///
/// # Errors
/// A module that is none, or does not export what [`WIT`] says, in words.
pub fn component(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("adapter.wit", WIT).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], Some("adapter")).map_err(|error| format!("{error:#}"))?;
    let mut module = module.to_owned();
    let made = embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .and_then(|()| ComponentEncoder::default().validate(true).module(&module))
        .and_then(|mut encoder| encoder.encode());
    made.map_err(|error| format!("{error:#}"))
}
