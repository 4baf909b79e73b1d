//! The operators' door: what each address answers to whom. Cases are in `door.toml`.

use crate::cases::cases;
use crate::world::{Answer, World, ask};
use portolan::certs::{Authority, Issued, Names, Summary, Usage, Validity, files};
use portolan::config::{self, CertificateMatch, Identity, Listener};
use portolan::domain::{Name, Operator, Role};
use portolan::fault::{Fault, FaultCode};
use portolan::http;
use portolan::ingress::identity::{ConnectionIdentity, Operators, PreparedTrust, Trust, TrustStore};
use portolan::ingress::tls::refused_identity;
use portolan::ops::{Gate, OperatorDoor};
use portolan::seams::{Clock, SystemClock};
use portolan_contract::Words;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    phase: String,
    request: String,
    #[serde(default)]
    language: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    ends: String,
}

#[tokio::test]
async fn every_address_answers_as_its_case_says() {
    let world = World::new().await;
    let house = House::open(&world).await;
    for case in &cases::<Case>(include_str!("door.toml")) {
        match case.phase.as_str() {
            "stopping" => world.view.health.stopping(),
            _ => world.view.health.serving(),
        }
        let stream = house.connect(Some(&house.operator)).await.unwrap();
        let head = format!("{} HTTP/1.1\r\nhost: localhost\r\naccept-language: {}\r\n", case.request, case.language);
        check(case, &ask(stream, &head).await);
    }
}

fn check(case: &Case, answer: &Answer) {
    assert_eq!(answer.status, case.status, "{}: {}", case.name, answer.body);
    for (name, value) in &case.headers {
        assert_eq!(answer.header(name), value, "{}: {name}", case.name);
    }
    answer.says(&case.name, &case.holds, &[], str::to_owned);
    assert!(answer.body.ends_with(&case.ends), "{}: {}", case.name, answer.body);
    let head = case.request.starts_with("HEAD");
    assert_eq!(answer.body.is_empty(), head, "{}", case.name);
    assert!(!head || answer.header("content-length") != "0", "{}", case.name);
}

#[tokio::test]
async fn only_operators_come_in() {
    let world = World::new().await;
    let mut house = House::open(&world).await;
    let stranger = house.issue_stranger();
    for who in [None, Some(&stranger), Some(&house.unlisted)] {
        let answered = house.connect(who).await;
        let refused = match answered {
            Err(_) => true,
            // In TLS 1.3 the client hears of its refusal with the first read.
            Ok(mut stream) => tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 16]).await.is_err(),
        };
        assert!(refused);
    }
    let text = world.view.metrics.to_text();
    assert!(text.contains("portolan_connections_turned_away_total{code=\"identity.certificate-missing\"} 1"), "{text}");
    assert!(text.contains("portolan_connections_turned_away_total{code=\"identity.certificate-untrusted\"} 1"), "{text}");
    assert!(text.contains("portolan_connections_turned_away_total{code=\"identity.unlisted\"} 1"), "{text}");
}

/// A listener with the door behind it, and those who knock.
pub struct House {
    folder: tempfile::TempDir,
    authority: Authority,
    /// An administrator, by whose certificate most tests come in.
    pub operator: Issued,
    /// One who may operate.
    pub second: Issued,
    /// One who may look.
    pub reader: Issued,
    /// One whom no file lists.
    pub unlisted: Issued,
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl House {
    pub async fn open(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = authority(&folder, "main");
        let server = issue(&mut authority, "localhost", Usage::Server);
        let [operator, second, reader, unlisted] =
            ["operator", "second", "reader", "unlisted"].map(|name| issue(&mut authority, name, Usage::Client));
        let listed = [(&operator, "operator", Role::Administer), (&second, "second", Role::Operate), (&reader, "reader", Role::Read)];
        let listed = listed.into_iter().map(|(issued, name, role)| listed_as(issued, name, role)).collect();
        let register = Operators::new(&listed, false).unwrap();
        let listener = Listener {
            address: ([127, 0, 0, 1], 0).into(),
            identity: Identity { chain: server.chain.into(), key: server.key.unwrap().into() },
            client_authorities: vec![authority.certificate_file().into()],
            revocation_lists: vec![authority.list_file().into()],
            accept_expired_lists: false,
        };
        let trust = PreparedTrust::new(Trust::build(&listener, register).unwrap(), Arc::new(SystemClock)).unwrap();
        let trust = TrustStore::new(trust, Arc::new(SystemClock));
        let door = Arc::new(OperatorDoor::new(OpenGate(trust), Arc::clone(&world.view)));
        let listener = TcpListener::bind(listener.address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(http::listen(listener, door, world.view.live.load().config.gateway.limits.clone(), stopped));
        Self { folder, authority, operator, second, reader, unlisted, address, _stop: stop }
    }

    fn issue_stranger(&mut self) -> Issued {
        issue(&mut authority(&self.folder, "stranger"), "operator", Usage::Client)
    }

    /// The arguments with which a command comes in as an operator.
    pub fn access(&self, who: &Issued) -> Vec<OsString> {
        let url = format!("https://localhost:{}", self.address.port());
        let (chain, key) = (who.chain.clone(), who.key.clone().unwrap());
        let files = [("--cert", chain), ("--key", key), ("--ca", self.authority.certificate_file())];
        let files = files.into_iter().flat_map(|(name, file)| [OsString::from(name), file.into_os_string()]);
        [OsString::from("--url"), url.into()].into_iter().chain(files).collect()
    }

    pub async fn connect(&self, who: Option<&Issued>) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(files::read_certificates(&self.authority.certificate_file()).unwrap().remove(0)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        let config = match who {
            None => config.with_no_client_auth(),
            Some(issued) => {
                let chain = files::read_certificates(&issued.chain).unwrap();
                config.with_client_auth_cert(chain, files::read_private_key(issued.key.as_ref().unwrap()).unwrap()).unwrap()
            }
        };
        let stream = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

/// The operators' trust store as the gate, without limits on strangers.
struct OpenGate(TrustStore<Operators>);

impl Gate for OpenGate {
    type Caller = ConnectionIdentity;

    fn server_config(&self) -> Arc<rustls::ServerConfig> {
        self.0.server_config()
    }

    fn admits_stranger(&self, _from: IpAddr) -> bool {
        true
    }

    fn connect(&self, _from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<ConnectionIdentity, Fault> {
        self.0.connect(chain, SystemClock.now())
    }

    fn operator(&self, caller: &ConnectionIdentity) -> Result<Operator, Fault> {
        self.0.resolve(caller, SystemClock.now())
    }

    fn server_names(&self) -> Vec<String> {
        self.0.server_names()
    }

    fn identity_fault(&self, error: &io::Error) -> Option<FaultCode> {
        refused_identity(error)
    }
}

/// An operator of the configuration, known by the key of its certificate.
fn listed_as(issued: &Issued, name: &str, role: Role) -> (Name, Arc<config::Operator>) {
    let certificate = files::read_certificates(&issued.chain).unwrap().remove(0);
    let key = CertificateMatch::Key(Summary::of(&certificate).unwrap().key_sha256);
    let (name, title): (Name, _) = (name.parse().unwrap(), Words::new("操作员", "an operator"));
    (name.clone(), Arc::new(config::Operator { name, title, role, certificates: vec![key] }))
}

fn authority(folder: &tempfile::TempDir, place: &str) -> Authority {
    let names = Names { common_name: format!("{place} CA"), ..Names::default() };
    Authority::create(&folder.path().join(place), &names, Validity::days(SystemClock.now(), 30), 30, &SystemClock).unwrap()
}

fn issue(authority: &mut Authority, name: &str, usage: Usage) -> Issued {
    let names = Names { common_name: name.to_owned(), alternative: vec!["localhost".to_owned()], ..Names::default() };
    authority.issue(&name.parse().unwrap(), &names, usage, Validity::days(SystemClock.now(), 20), &SystemClock).unwrap()
}
