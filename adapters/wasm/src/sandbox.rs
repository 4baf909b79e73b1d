//! One component, compiled once, and its instances: each with memory, fuel and time of its own.

use crate::Budget;
use crate::bindings::{Adapter, AdapterPre, Guest};
use crate::judge::Wrong;
use portolan_contract::{FormatCode, FormatError, Position};
use std::sync::OnceLock;
use std::time::Duration;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, ResourceLimiter, Store, Trap};

/// Milliseconds between two ticks of the clock that ends calls.
const TICK_MS: u64 = 50;
/// Bytes of stack of an instance.
const STACK_BYTES_MAX: usize = 512 << 10;
/// Characters of what the runtime says of a failure.
const CAUSE_CHARS_MAX: usize = 300;

/// A component that was compiled, and what its instances may cost.
pub struct Sandbox {
    /// The name that mappings use.
    pub name: String,
    /// What a call may cost.
    pub budget: Budget,
    component: AdapterPre<Memory>,
}

impl Sandbox {
    /// Compiles a component, and looks whether it exports what an adapter must and imports nothing.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(name: &str, component: &[u8], budget: Budget) -> Result<Self, String> {
        // What the runtime says may stand on several lines.
        let line = |error: wasmtime::Error| format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
        let wrong = |error| format!("not a component built against adapters/wit: {}", line(error));
        let engine = engine()?;
        let component = Component::new(engine, component).map_err(wrong)?;
        // An empty linker: a component that asks for anything cannot be linked.
        let linked = Linker::new(engine).instantiate_pre(&component).map_err(wrong)?;
        let component = AdapterPre::new(linked).map_err(wrong)?;
        Ok(Self { name: name.to_owned(), budget, component })
    }

    /// A fresh instance.
    ///
    /// # Errors
    /// An instance that needs more than it may have, or fails while it starts.
    pub fn instance(&self) -> Result<Instance<'_>, FormatError> {
        let mut store = Store::new(self.component.engine(), Memory { budget: self.budget, is_refused: false });
        store.limiter(|memory| memory);
        store.set_hostcall_fuel(self.budget.result_bytes_max);
        match self.grant(&mut store, 0).and_then(|()| self.component.instantiate(&mut store)) {
            Ok(adapter) => Ok(Instance { sandbox: self, store, adapter }),
            Err(error) => Err(self.failure(&error, store.data().is_refused, Position::default())),
        }
    }

    /// Fuel and time for one call that is given `bytes`.
    fn grant(&self, store: &mut Store<Memory>, bytes: usize) -> wasmtime::Result<()> {
        store.set_fuel(self.budget.call_fuel.saturating_add(self.budget.byte_fuel.saturating_mul(bytes as u64)))?;
        // The tick that is under way is not counted.
        store.set_epoch_deadline(self.budget.call_ms_max.div_ceil(TICK_MS) + 1);
        Ok(())
    }

    fn failure(&self, error: &wasmtime::Error, memory_refused: bool, at: Position) -> FormatError {
        let Budget { memory_bytes_max, call_ms_max, .. } = self.budget;
        let (zh, en) = match error.downcast_ref::<Trap>() {
            _ if memory_refused => {
                (format!("所需内存超过 {memory_bytes_max} 字节"), format!("it asked for more than {memory_bytes_max} bytes of memory"))
            }
            Some(Trap::OutOfFuel) => ("单次调用的计算量超过上限".to_owned(), "one call used more fuel than it may".to_owned()),
            Some(Trap::Interrupt) => (format!("单次调用超过 {call_ms_max} 毫秒"), format!("one call took more than {call_ms_max} ms")),
            Some(Trap::StackOverflow) => ("调用栈溢出".to_owned(), "its stack overflowed".to_owned()),
            Some(trap) => (format!("异常终止（{trap}）"), format!("it crashed ({trap})")),
            None => {
                let cause: String = error.root_cause().to_string().chars().take(CAUSE_CHARS_MAX).collect();
                (format!("返回内容无法接收（{cause}）"), format!("what it gave back cannot be taken over ({cause})"))
            }
        };
        self.failed(at, &zh, &en)
    }

    /// The error of a body that is at fault, or on which the adapter failed.
    pub fn told(&self, wrong: Wrong, at: Position) -> FormatError {
        match wrong {
            Wrong::Rule(zh, en) => self.failed(at, zh, en),
            Wrong::Body(error) => error,
        }
    }

    /// The error of a body on which the adapter failed.
    pub fn failed(&self, at: Position, zh: &str, en: &str) -> FormatError {
        let name = &self.name;
        FormatError::new(
            FormatCode::AdapterFailed,
            at,
            format!("外部格式适配器 {name} 失败：{zh}"),
            format!("the adapter {name} failed: {en}"),
        )
    }
}

/// An instance for one body.
pub struct Instance<'s> {
    /// What it is an instance of.
    pub sandbox: &'s Sandbox,
    store: Store<Memory>,
    adapter: Adapter,
}

impl Instance<'_> {
    /// Makes one call, for which `bytes` of input are given; `at` is where the body stands.
    ///
    /// # Errors
    /// A crash, and more memory, fuel or time than it may have.
    pub fn call<T>(
        &mut self,
        bytes: usize,
        at: Position,
        call: impl FnOnce(&Guest, &mut Store<Memory>) -> wasmtime::Result<T>,
    ) -> Result<T, FormatError> {
        let granted = self.sandbox.grant(&mut self.store, bytes);
        let called = granted.and_then(|()| call(self.adapter.portolan_adapter_format(), &mut self.store));
        called.map_err(|error| self.sandbox.failure(&error, self.store.data().is_refused, at))
    }
}

/// Watches what an instance asks for.
pub struct Memory {
    budget: Budget,
    is_refused: bool,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.judge(desired <= self.budget.memory_bytes_max)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.judge(desired <= self.budget.table_entries_max)
    }

    fn instances(&self) -> usize {
        8
    }

    fn tables(&self) -> usize {
        8
    }

    fn memories(&self) -> usize {
        1
    }
}

impl Memory {
    /// A refusal ends the call: a component that is told of none has no way to go on from it.
    fn judge(&mut self, is_allowed: bool) -> wasmtime::Result<bool> {
        if is_allowed {
            return Ok(true);
        }
        self.is_refused = true;
        Err(wasmtime::Error::msg("more than the instance may have"))
    }
}

/// The one engine of the process, with the thread that ticks for it, made when the first component is loaded.
fn engine() -> Result<&'static Engine, String> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    ENGINE.get_or_init(started).as_ref().map_err(Clone::clone)
}

fn started() -> Result<Engine, String> {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK_BYTES_MAX);
    // The same body gives the same records on every machine.
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    let engine = Engine::new(&config).map_err(|error| format!("the component runtime cannot start: {error:#}"))?;
    let ticking = engine.clone();
    let tick = move || {
        loop {
            std::thread::sleep(Duration::from_millis(TICK_MS));
            ticking.increment_epoch();
        }
    };
    let thread = std::thread::Builder::new().name("adapter-clock".to_owned());
    thread.spawn(tick).map_err(|error| format!("the component runtime cannot start its clock: {error}"))?;
    Ok(engine)
}
