//! A folder with an authority, identities and a configuration, and the program that serves it.

use crate::line::Line;
use crate::support::{Running, portolan};
use portolan::certs::{Authority, Names, Summary, Usage, Validity};
use portolan::demo::receiver::{Receiver, ReceiverOptions};
use portolan::seams::{Clock, SystemClock};
use serde_json::Value;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything is waited for before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Days of certificates and of the revocation list.
const DAYS: u32 = 300;

/// The folder. The program runs in it and is told `--config conf`.
pub struct World {
    folder: TempDir,
    pub authority: Authority,
    starts: AtomicU32,
}

/// The program, serving.
pub struct Gateway {
    running: Running,
    /// Where partners connect.
    pub address: SocketAddr,
    /// Where operators connect.
    pub operators: SocketAddr,
}

impl World {
    /// `bank` and `platform` may send the flow `payments`; nothing is routed anywhere.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let validity = Validity::days(SystemClock.now(), DAYS);
        let names = Names { common_name: "Test CA".to_owned(), ..Names::default() };
        let authority = Authority::create(&folder.path().join("ca"), &names, validity, DAYS, &SystemClock).unwrap();
        let mut world = Self { folder, authority, starts: AtomicU32::new(0) };
        for party in ["gateway", "bureau", "bank", "platform"] {
            world.issue(party);
        }
        fs::create_dir_all(world.path("conf/mappings")).unwrap();
        world.write("conf/portolan.toml", &gateway_file("127.0.0.1:0", ""));
        world.partner("bank", &["bank"], "");
        world.partner("platform", &["platform"], "");
        world.flow("payments", "payment-confirmation.v1", &["bank", "platform"], "payment-confirmation-json", "");
        world
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A certificate and its key.
    pub fn issue(&mut self, name: &str) {
        let alternative = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let names = Names { common_name: name.to_owned(), organization: None, alternative };
        let validity = Validity::days(SystemClock.now(), DAYS);
        self.authority.issue(&name.parse().unwrap(), &names, Usage::Both, validity, &SystemClock).unwrap();
    }

    /// A certificate of the same name in the place of the one before, for so many days.
    pub fn renew(&mut self, name: &str, new_key: bool, days: u32) -> Summary {
        let validity = Validity::days(SystemClock.now(), days);
        self.authority.renew(&name.parse().unwrap(), new_key, validity, &SystemClock).unwrap().summary
    }

    /// A partner that calls with these certificates.
    pub fn partner(&self, name: &str, certificates: &[&str], tables: &str) {
        let certificates: String =
            certificates.iter().map(|certificate| format!("[[certificate]]\nfile = \"../ca/issued/{certificate}.pem\"\n")).collect();
        let title = format!("title = {{ zh = \"接入单位 {name}\", en = \"Partner {name}\" }}\n");
        self.write(&format!("conf/partners/{name}.toml"), &format!("{title}{certificates}{tables}"));
    }

    /// A flow in which a bad record refuses itself alone.
    pub fn flow(&self, name: &str, canonical: &str, senders: &[&str], mapping: &str, tables: &str) {
        let senders: String = senders.iter().map(|sender| format!("[sender.{sender}]\nmappings = [\"{mapping}\"]\n")).collect();
        let title = format!("title = {{ zh = \"业务 {name}\", en = \"Flow {name}\" }}\ncanonical = \"{canonical}\"\n");
        self.write(&format!("conf/flows/{name}.toml"), &format!("{title}{senders}{tables}"));
    }

    /// A bureau that receives everything sent under `payments`.
    pub async fn receiver(&self) -> Receiver {
        let options = ReceiverOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            chain: self.path("ca/issued/bureau.pem"),
            key: self.path("ca/issued/bureau.key"),
            client_authorities: self.path("ca/ca.pem"),
            folder: self.path("bureau"),
        };
        let receiver = Receiver::start(options).await.unwrap();
        let url = format!("https://localhost:{}/payments", receiver.address().port());
        self.partner(
            "bureau",
            &[],
            &format!(
                "[destination.payments]\nurl = \"{url}\"\nauthorities = [\"../ca/ca.pem\"]\n\
                 retry_first_ms = 100\nretry_ms_max = 200\ncircuit_pause_ms = 200\n"
            ),
        );
        let route = "[[route]]\nto = \"bureau/payments\"\nmapping = \"payment-confirmation-json\"\n";
        self.flow("payments", "payment-confirmation.v1", &["bank", "platform"], "payment-confirmation-json", route);
        receiver
    }

    /// Starts the program without waiting for it.
    pub fn start(&self) -> Running {
        self.start_with(|_| {})
    }

    /// Starts the program with something different about its command.
    pub fn start_with(&self, change: impl FnOnce(&mut Command)) -> Running {
        let output = self.path(&format!("serve-{}.log", self.starts.fetch_add(1, Ordering::Relaxed)));
        let mut command = portolan();
        command.args(["serve", "--config", "conf"]).current_dir(self.folder.path()).env("PORTOLAN_LOG", "info");
        change(&mut command);
        Running::start(&mut command, &output)
    }

    /// Starts the program and waits until it serves.
    pub async fn serve(&self) -> Gateway {
        Gateway::up(self.start()).await
    }

    /// A party's line.
    pub async fn line(&self, gateway: &Gateway, party: &str) -> io::Result<Line> {
        self.line_to(gateway.address, party).await
    }

    /// A party's line to a listener.
    pub async fn line_to(&self, address: SocketAddr, party: &str) -> io::Result<Line> {
        let file = |kind: &str| self.path(&format!("ca/issued/{party}.{kind}"));
        Line::dial(address, &self.path("ca/ca.pem"), &file("pem"), &file("key")).await
    }

    /// Whether a party is let in: its handshake ends, and something is answered.
    pub async fn is_let_in(&self, gateway: &Gateway, party: &str) -> bool {
        let Ok(mut line) = self.line(gateway, party).await else { return false };
        line.ask(&crate::line::get("/v1/me")).await.is_ok()
    }
}

/// `portolan.toml`; `listener` are further lines of the partner listener. Times are long, so that a slow
/// machine cuts nobody off.
pub fn gateway_file(partner_address: &str, listener: &str) -> String {
    let identity = "identity = { chain = \"../ca/issued/gateway.pem\", key = \"../ca/issued/gateway.key\" }\n\
                    client_authorities = [\"../ca/ca.pem\"]\nrevocation_lists = [\"../ca/crl.pem\"]\n";
    format!(
        "[partner_listener]\naddress = \"{partner_address}\"\n{identity}{listener}\n[operator_listener]\naddress = \"127.0.0.1:0\"\n{identity}\n\
         [outbound_identity]\nchain = \"../ca/issued/gateway.pem\"\nkey = \"../ca/issued/gateway.key\"\n\n\
         [operators]\nunlisted_may_read = true\n\n[limits]\nheader_timeout_ms = 600000\nbody_idle_timeout_ms = 600000\nshutdown_timeout_ms = 600000\n"
    )
}

impl Gateway {
    /// Waits until a program that was started serves.
    pub async fn up(mut running: Running) -> Self {
        let (address, operators) = eventually("the gateway is up", async || {
            assert!(running.ended().is_none(), "{}", running.printed());
            let up = events(&running, "the gateway is up").pop()?;
            let address = |name: &str| up[name].as_str()?.parse().ok();
            Some((address("partner_address")?, address("operator_address")?))
        })
        .await;
        Self { running, address, operators }
    }

    /// Log entries with this in their message, oldest first.
    pub fn logged(&self, message: &str) -> Vec<Value> {
        events(&self.running, message)
    }

    /// Waits until so many log entries have this in their message, and gives the latest.
    pub async fn logs(&self, message: &str, times: usize) -> Value {
        eventually(message, async || self.logged(message).into_iter().nth(times.saturating_sub(1))).await
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.running.id())).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the gateway ends", async || self.running.ended()).await
    }

    /// Threads of the process.
    pub fn threads(&self) -> usize {
        fs::read_dir(Path::new("/proc").join(self.running.id().to_string()).join("task")).unwrap().count()
    }
}

fn events(running: &Running, message: &str) -> Vec<Value> {
    let entries = running.printed();
    let entries = entries.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries.filter(|entry| entry["message"].as_str().is_some_and(|text| text.contains(message))).collect()
}

/// Tries until there is something.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
