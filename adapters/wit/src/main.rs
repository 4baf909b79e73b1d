//! `portolan-wit MODULE COMPONENT`: makes a component of a core module; see the library.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [module, component] = arguments.as_slice() else {
        eprintln!("usage: portolan-wit MODULE.wasm COMPONENT.wasm");
        return ExitCode::from(2);
    };
    match make(module.as_ref(), component.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn make(module: &Path, component: &Path) -> Result<(), String> {
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let bytes = std::fs::read(module).map_err(|error| told(module, error))?;
    let made = portolan_wit::component(&bytes).map_err(|message| format!("{}: {message}", module.display()))?;
    std::fs::write(component, made).map_err(|error| told(component, error))
}
