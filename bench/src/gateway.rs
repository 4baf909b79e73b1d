//! The gateway as a process of its own, on a data folder that is filled: `portolan serve` with a configuration in which the banks
//! of [`crate::past`] send and an operator asks.

use crate::past::{CANONICAL, FLOWS, PARTNERS, READ_BY, WRITTEN_BY, partner_name};
use portolan::certs::{Authority, Names, Usage, Validity};
use portolan::demo::party::Party;
use portolan::demo::world::Identity;
use portolan::fault::BoxError;
use portolan::seams::{Clock, SystemClock};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a gateway that starts or ends.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(5);
/// Days for which the certificates are valid.
const CERTIFICATE_DAYS: u32 = 30;

/// The folder that a gateway is started from.
pub struct Place {
    folder: tempfile::TempDir,
    program: PathBuf,
    operator_port: u16,
}

/// A gateway that runs, until this is dropped.
pub struct Gateway {
    child: Child,
    operator: Party,
    /// From its start until it said that it is ready.
    pub ready_after: Duration,
}

impl Place {
    /// A configuration for a data folder; `program serve` is the gateway.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn new(data: &Path, program: &Path) -> Result<Self, BoxError> {
        let folder = tempfile::Builder::new().prefix("portolan-bench-").tempdir()?;
        let [partner_port, operator_port] = free_ports()?;
        make_identities(folder.path())?;
        write_configuration(folder.path(), &fs::canonicalize(data)?, [partner_port, operator_port])?;
        Ok(Self { folder, program: program.to_owned(), operator_port })
    }

    /// Starts the gateway and waits until it is ready.
    ///
    /// # Errors
    /// A gateway that does not start; what it said is in the error.
    pub async fn start(&self) -> Result<Gateway, BoxError> {
        let path = |name: &str| self.folder.path().join(name);
        let log = path("log");
        let begun = Instant::now();
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--config").arg(self.folder.path()).env("PORTOLAN_LOG", "warn");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?).spawn()?;
        let identity = Identity { chain: path("certs/issued/operator.pem"), key: path("certs/issued/operator.key") };
        let url = format!("https://localhost:{}", self.operator_port);
        let operator = Party::new(&url, &identity, &path("certs/ca.pem"))?;
        let mut gateway = Gateway { child, operator, ready_after: Duration::ZERO };
        while !gateway.is_ready().await {
            if gateway.child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                return Err(format!("the gateway did not start: {}", fs::read_to_string(&log)?).into());
            }
            tokio::time::sleep(LOOK).await;
        }
        gateway.ready_after = begun.elapsed();
        Ok(gateway)
    }
}

impl Gateway {
    /// An operator's call. The line stays open between calls, so that no handshake is in the time.
    ///
    /// # Errors
    /// A line that breaks; an answer that is not 200.
    pub async fn ask(&mut self, path: &str) -> Result<portolan::demo::party::Reply, BoxError> {
        let reply = self.operator.fetch(path, "application/json").await?;
        match reply.status {
            200 => Ok(reply),
            status => Err(format!("GET {path}: {status} {}", String::from_utf8_lossy(&reply.bytes)).into()),
        }
    }

    /// Ends it as an operator does, and waits for its end.
    ///
    /// # Errors
    /// A process that cannot be told, or does not end.
    pub async fn end(mut self) -> Result<(), BoxError> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                return Err("the gateway does not end".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn is_ready(&mut self) -> bool {
        self.operator.fetch("/readyz", "text/plain").await.is_ok_and(|reply| reply.status == 200)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // After `end` there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_ports<const N: usize>() -> Result<[u16; N], BoxError> {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

fn make_identities(folder: &Path) -> Result<(), BoxError> {
    let clock = SystemClock;
    let validity = Validity::days(clock.now(), CERTIFICATE_DAYS);
    let names = |name: &str, alternative: &[&str]| Names {
        common_name: name.to_owned(),
        organization: Some("Portolan benchmark (synthetic)".to_owned()),
        alternative: alternative.iter().map(|&name| name.to_owned()).collect(),
    };
    let mut authority = Authority::create(&folder.join("certs"), &names("Benchmark CA", &[]), validity, CERTIFICATE_DAYS, &clock)?;
    authority.issue(&"gateway".parse()?, &names("gateway", &["localhost"]), Usage::Both, validity, &clock)?;
    authority.issue(&"operator".parse()?, &names("operator", &[]), Usage::Client, validity, &clock)?;
    Ok(())
}

fn write_configuration(folder: &Path, data: &Path, [partner_port, operator_port]: [u16; 2]) -> Result<(), BoxError> {
    for name in ["partners", "flows", "operators", "mappings"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let identity = "chain = \"certs/issued/gateway.pem\", key = \"certs/issued/gateway.key\"";
    let listener = |name: &str, port: u16| {
        format!("[{name}]\naddress = \"127.0.0.1:{port}\"\nidentity = {{ {identity} }}\nclient_authorities = [\"certs/ca.pem\"]\n\n")
    };
    let gateway = format!(
        "data = {:?}\n\n{}{}[outbound_identity]\nchain = \"certs/issued/gateway.pem\"\nkey = \"certs/issued/gateway.key\"\n",
        data,
        listener("partner_listener", partner_port),
        listener("operator_listener", operator_port)
    );
    fs::write(folder.join("portolan.toml"), gateway)?;
    let title = |name: &str| format!("title = {{ zh = \"合成 {name}\", en = \"Synthetic {name}\" }}\n");
    // They send nothing while the gateway runs: no certificate of theirs is needed, only who it would be.
    for partner in (0..PARTNERS).map(partner_name) {
        let issuer = "0123456789abcdef".repeat(4);
        let text = format!("{}\n[[certificate]]\nissuer_key_sha256 = \"{issuer}\"\nsubject = \"CN={partner}\"\n", title(&partner));
        fs::write(folder.join(format!("partners/{partner}.toml")), text)?;
    }
    for receiver in ["tax-bureau", "customs"] {
        let mut text = title(receiver);
        for place in FLOWS.iter().filter_map(|(_, to)| to.strip_prefix(receiver)?.strip_prefix('/')) {
            text += &format!("\n[destination.{place}]\nurl = \"https://localhost:9/{place}\"\nauthorities = [\"certs/ca.pem\"]\n");
        }
        fs::write(folder.join(format!("partners/{receiver}.toml")), text)?;
    }
    for (flow, to) in FLOWS {
        let mut text = format!("{}canonical = \"{CANONICAL}\"\n", title(flow));
        for partner in (0..PARTNERS).map(partner_name) {
            text += &format!("\n[sender.{partner}]\nmappings = [\"{READ_BY}\"]\n");
        }
        text += &format!("\n[[route]]\nto = \"{to}\"\nmapping = \"{WRITTEN_BY}\"\n");
        fs::write(folder.join(format!("flows/{flow}.toml")), text)?;
    }
    let operator = "role = \"administer\"\n\n[[certificate]]\nfile = \"certs/issued/operator.pem\"\n";
    fs::write(folder.join("operators/operator.toml"), format!("{}{operator}", title("operator")))?;
    Ok(())
}
