//! What tests of the whole program share: the program itself, free ports, and a child that never outlives its test.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Ports that the system gives to nobody by itself: below those of outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How often a child is looked at.
const LOOK_MS: u64 = 5;

/// The program under test; `PORTOLAN_BINARY` names another build of it.
pub fn portolan() -> Command {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_portolan"));
    Command::new(std::env::var_os("PORTOLAN_BINARY").map_or_else(built, PathBuf::from))
}

/// Ports of loopback that are free now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    // Tests that run beside one another begin at different places.
    let first = std::process::id() as u16;
    std::array::from_fn(|_| {
        loop {
            let step = first.wrapping_mul(31).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
            let port = PORTS.start + step % (PORTS.end - PORTS.start);
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return port;
            }
        }
    })
}

/// A child process whose output goes to a file. It is killed where the test ends before it.
pub struct Running {
    child: Child,
    output: PathBuf,
}

impl Running {
    /// Starts it; what it prints replaces what is in `output`.
    pub fn start(command: &mut Command, output: &Path) -> Self {
        let file = File::create(output).expect("a file for the output");
        let errors = file.try_clone().expect("the file a second time");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().expect("the program starts");
        Self { child, output: output.to_owned() }
    }

    /// Its process id.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be asked")
    }

    /// Waits for its end; `None` when it takes longer.
    #[allow(dead_code, reason = "not every test waits")]
    pub fn wait(&mut self, longest: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < longest {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(LOOK_MS));
        }
        None
    }

    /// Kills it, as `kill -9` does. False where it had ended by itself.
    pub fn kill(&mut self) -> bool {
        let running = self.ended().is_none();
        // It may end in between, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        running
    }

    /// What it printed.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
