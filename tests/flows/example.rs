//! The example configuration as an operator sets it up: its own identities, any free ports, and one receiver that
//! stands for all.

use crate::line::Line;
use crate::receiver::{Receiver, Seen, Server};
use crate::support::{Running, portolan};
use crate::world::Gateway;
use portolan::certs::{Authority, Names, Usage, Validity};
use portolan::config::Config;
use portolan::seams::{Clock, SystemClock};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Days of the receiver's certificate.
const DAYS: u32 = 30;

/// The gateway with the example's configuration.
pub struct Example {
    folder: TempDir,
    gateway: Gateway,
    receiver: Receiver,
    pub config: Config,
}

impl Example {
    /// Copies the example, makes its identities by its own script, and starts it. Each flow begins with these lines too.
    pub async fn start(of_each_flow: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/example");
        let identities = folder.path().join("identities.log");
        let mut command = Command::new(example.join("identities"));
        let mut making = Running::start(command.arg(portolan().get_program()).arg(folder.path()), &identities);
        let made = making.wait(crate::world::PATIENCE);
        assert!(made.is_some_and(|status| status.success()), "{}", making.printed());
        let receiver = start_receiver(folder.path()).await;
        let gateway_file = fs::read_to_string(example.join("portolan.toml")).unwrap();
        let ports = gateway_file.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:8444", "127.0.0.1:0");
        fs::write(folder.path().join("portolan.toml"), ports).unwrap();
        for kind in ["partners", "flows", "reconciliations", "operators"] {
            fs::create_dir(folder.path().join(kind)).unwrap();
            for file in fs::read_dir(example.join(kind)).unwrap().map(Result::unwrap) {
                let text = fs::read_to_string(file.path()).unwrap();
                let text = text.replace("localhost:9443", &format!("localhost:{}", receiver.address.port()));
                let text = if kind == "flows" { format!("{of_each_flow}{text}") } else { text };
                fs::write(folder.path().join(kind).join(file.file_name()), text).unwrap();
            }
        }
        let config = Config::load(folder.path()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut command = portolan();
        command.arg("serve").arg("--config").arg(folder.path()).env("PORTOLAN_LOG", "info");
        let gateway = Gateway::up(Running::start(&mut command, &folder.path().join("serve.log"))).await;
        Self { folder, gateway, receiver, config }
    }

    /// A partner's line.
    pub async fn line(&self, partner: &str) -> Line {
        let file = |kind: &str| self.path(&format!("ca/issued/{partner}.{kind}"));
        Line::dial(self.gateway.address, &self.path("ca/ca.pem"), &file("pem"), &file("key")).await.unwrap()
    }

    /// The operator's line.
    pub async fn operator(&self) -> Line {
        let file = |kind: &str| self.path(&format!("operators-ca/issued/operator.{kind}"));
        Line::dial(self.gateway.operators, &self.path("ca/ca.pem"), &file("pem"), &file("key")).await.unwrap()
    }

    /// What came for an exchange at a destination, `PARTNER/PLACE`, in the order in which it came.
    pub fn arrived(&self, exchange: &str, destination: &str) -> Vec<Seen> {
        let mut seen = self.receiver.seen();
        seen.retain(|seen| seen.field("portolan-exchange") == exchange && seen.path.trim_start_matches('/') == destination);
        seen
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

/// One server for every destination: their URLs differ in their paths alone.
async fn start_receiver(folder: &Path) -> Receiver {
    let mut authority = Authority::open(&folder.join("ca")).unwrap();
    let alternative = vec!["localhost".to_owned()];
    let names = Names { common_name: "receivers".to_owned(), organization: None, alternative };
    let validity = Validity::days(SystemClock.now(), DAYS);
    let identity = authority.issue(&"receivers".parse().unwrap(), &names, Usage::Server, validity, &SystemClock).unwrap();
    let server = Server { identity: &identity, client_authority: &folder.join("ca/ca.pem"), protocol: "h2" };
    Receiver::start(&server, 0).await
}
