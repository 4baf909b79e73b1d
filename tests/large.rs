//! Feeds of any size pass in bounded memory: through `convert`, and through a real POST to their
//! last delivery.
//!
//! Memory is what the kernel says of the process: its highest resident set (`VmHWM` while it runs,
//! `ru_maxrss` once it has ended), over the level at which the same program idles. The generator's own count of records is what must come
//! out at the other end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

mod support;

use portolan::demo::feeds::camt054::Camt054;
use portolan::demo::feeds::platform_income::PlatformIncome;
use portolan::demo::feeds::{Feed, Size, Written};
use portolan::demo::receiver::{Receiver, ReceiverOptions};
use portolan::demo::world::{Settings, World};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Running, free_ports, portolan};

const MB: u64 = 1_000_000;
/// Bytes of a feed in the long tests.
const LONG_BYTES: u64 = 1_000 * MB;
/// Memory over the idle level that a body of any size may take.
const OVER_IDLE_KIB_MAX: u64 = 64 * 1024;
/// Records of the feed that shows the idle level.
const SMALL: Size = Size::Records(5);
/// Runs a command and tells its highest memory in KiB on the last line: the kernel keeps it for whoever waits, so that
/// no look comes too early or too late.
const MEASURED: &str = "\
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(child.pid, 0)
print(used.ru_maxrss, file=sys.stderr)
sys.exit(status != 0)";
/// How often something awaited is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Longest wait for a gateway to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time without a further delivery while some are missing.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);

/// A feed, the mapping that reads it, and how it is sent in the demonstration's world.
struct Case {
    mapping: &'static str,
    flow: &'static str,
    sender: &'static str,
    make: fn(u64, Size) -> Box<dyn Feed>,
    /// Bytes of the feed in the short tests: what a debug build can pass in a minute. Held in memory
    /// as records, each would take several times what is allowed.
    short_bytes: u64,
}

const CASES: [Case; 2] = [
    Case {
        mapping: "camt054",
        flow: "payment-confirmation",
        sender: "bank",
        make: |message, size| Box::new(Camt054 { seed: 1, message, size }),
        short_bytes: 32 * MB,
    },
    Case {
        mapping: "cn-platform-income",
        flow: "platform-income",
        sender: "platform",
        make: |message, size| Box::new(PlatformIncome { seed: 1, message, size, wrong: BTreeMap::new() }),
        short_bytes: 8 * MB,
    },
];

#[test]
fn convert_takes_bounded_memory() {
    CASES.iter().for_each(|case| case.convert(Size::Bytes(case.short_bytes)));
}

#[test]
#[ignore = "1 GB of each format takes minutes: make test-long"]
fn convert_takes_bounded_memory_long() {
    CASES.iter().for_each(|case| case.convert(Size::Bytes(LONG_BYTES)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_takes_bounded_memory() {
    for case in &CASES {
        case.post(Size::Bytes(case.short_bytes)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "1 GB of each format takes minutes: make test-long"]
async fn a_post_takes_bounded_memory_long() {
    for case in &CASES {
        case.post(Size::Bytes(LONG_BYTES)).await;
    }
}

impl Case {
    /// The feed converts into as many lines as it has records.
    fn convert(&self, size: Size) {
        let folder = tempfile::tempdir().unwrap();
        let (small, _) = self.write(folder.path(), 1, SMALL);
        let (idle, _) = self.converted(&small);
        let (large, written) = self.write(folder.path(), 2, size);
        let begun = Instant::now();
        let (peak, lines) = self.converted(&large);
        report("convert", self.mapping, written, idle, peak, begun.elapsed());
        assert_eq!(lines, written.records);
        assert!(peak.saturating_sub(idle) < OVER_IDLE_KIB_MAX, "{}: {peak} KiB, idle {idle} KiB", self.mapping);
    }

    /// Highest memory of one conversion, and how many lines came out.
    fn converted(&self, file: &Path) -> (u64, u64) {
        let mut command = Command::new("python3");
        command.args(["-c", MEASURED]).arg(portolan().get_program()).args(["convert", "--mapping", self.mapping]).arg(file);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let lines = std::thread::spawn(move || count_lines(output));
        let ended = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{told}");
        (told.lines().last().unwrap().parse().unwrap(), lines.join().unwrap())
    }

    /// The feed is received, receipted and delivered whole.
    async fn post(&self, size: Size) {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::start(folder.path()).await;
        let (small, few) = self.write(folder.path(), 1, SMALL);
        gateway.send(self, &small, few);
        gateway.wait_for_delivery(few.records).await;
        let idle = gateway.memory_kib("VmRSS");
        let (large, written) = self.write(folder.path(), 2, size);
        let begun = Instant::now();
        gateway.send(self, &large, written);
        report("POST", self.mapping, written, idle, gateway.memory_kib("VmHWM"), begun.elapsed());
        gateway.wait_for_delivery(few.records + written.records).await;
        let peak = gateway.memory_kib("VmHWM");
        report("POST to last delivery", self.mapping, written, idle, peak, begun.elapsed());
        assert!(peak.saturating_sub(idle) < OVER_IDLE_KIB_MAX, "{}: {peak} KiB, idle {idle} KiB", self.mapping);
        gateway.verify(&large);
    }

    fn write(&self, folder: &Path, message: u64, size: Size) -> (PathBuf, Written) {
        let feed = (self.make)(message, size);
        let path = folder.join(feed.file_name());
        let mut file = BufWriter::new(File::create(&path).unwrap());
        let written = feed.write(&mut file, None).unwrap();
        file.flush().unwrap();
        (path, written)
    }
}

/// `portolan serve` in the demonstration's world, with the tax bureau's receiver up.
struct Gateway {
    world: World,
    running: Running,
    receiver: Receiver,
}

impl Gateway {
    async fn start(folder: &Path) -> Self {
        let [partner_port, operator_port, receiver_port] = free_ports();
        let settings = Settings { seed: 1, records: 0, partner_port, operator_port, receiver_port };
        let world = World::open(&folder.join("world"), settings).unwrap();
        let bureau = world.identity("tax-bureau");
        let receiver = Receiver::start(ReceiverOptions {
            listen: world.receiver_address(),
            chain: bureau.chain,
            key: bureau.key,
            client_authorities: world.authority(),
            folder: folder.join("tax-bureau"),
        })
        .await
        .unwrap();
        let mut running = Running::start(portolan().arg("serve").arg("--config").arg(world.gateway()), &folder.join("output"));
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, partner_port)).is_err() {
            assert!(running.ended().is_none() && begun.elapsed() < START_TIMEOUT, "{}", running.printed());
            std::thread::sleep(LOOK);
        }
        Self { world, running, receiver }
    }

    /// Sends a file as a partner does; the receipt must count what was written.
    fn send(&self, case: &Case, file: &Path, written: Written) {
        let identity = self.world.identity(case.sender);
        let mut send = portolan();
        send.args(["send", "--url", &self.world.url(), "--flow", case.flow]).arg("--cert").arg(identity.chain);
        send.arg("--key").arg(identity.key).arg("--ca").arg(self.world.authority()).arg(file);
        let sent = send.output().unwrap();
        let told = String::from_utf8_lossy(&[sent.stdout, sent.stderr].concat()).into_owned();
        assert!(sent.status.success(), "{told}\n{}", self.running.printed());
        let receipt: Value = serde_json::from_slice(&std::fs::read(receipt_of(file)).unwrap()).unwrap();
        let leaf = |path: &str| receipt.pointer(&format!("/leaf/{path}")).and_then(Value::as_u64);
        let counted = ["counts/records", "counts/accepted", "counts/repeated", "body/bytes"].map(leaf);
        assert_eq!(counted, [written.records, written.records, 0, written.bytes].map(Some));
    }

    async fn wait_for_delivery(&self, records: u64) {
        let received = || self.receiver.totals().values().map(|flow| flow.records).sum::<u64>();
        let (mut last, mut moved) = (received(), Instant::now());
        while last < records {
            assert!(moved.elapsed() < STANDSTILL_MAX, "{last} of {records} delivered\n{}", self.running.printed());
            tokio::time::sleep(LOOK).await;
            if received() != last {
                (last, moved) = (received(), Instant::now());
            }
        }
        assert_eq!(last, records, "none twice");
    }

    fn memory_kib(&self, field: &str) -> u64 {
        memory_kib(self.running.id(), field).expect("the gateway runs")
    }

    fn verify(&self, file: &Path) {
        let jwks = self.world.gateway().join("data/keys/jwks.json");
        let verified = portolan().arg("verify").arg(receipt_of(file)).arg(file).arg("--jwks").arg(jwks).output().unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
}

/// Where `send` keeps the receipt of a file.
fn receipt_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".receipt.json");
    name.into()
}

/// A field of `/proc/PID/status`; `None` once the process has ended.
fn memory_kib(process: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn count_lines(mut output: ChildStdout) -> u64 {
    let (mut lines, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        match output.read(&mut buffer).unwrap() {
            0 => return lines,
            read => lines += buffer[..read].iter().filter(|&&byte| byte == b'\n').count() as u64,
        }
    }
}

fn report(what: &str, mapping: &str, written: Written, idle: u64, peak: u64, took: Duration) {
    let (megabytes, seconds) = (written.bytes as f64 / MB as f64, took.as_secs_f64());
    println!(
        "{what} {mapping}: {megabytes:.0} MB, {} records in {seconds:.1} s, {:.1} MB/s; idle {:.1} MiB, peak {:.1} MiB",
        written.records,
        megabytes / seconds,
        idle as f64 / 1024.0,
        peak as f64 / 1024.0,
    );
}
