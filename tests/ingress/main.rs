//! Identity over real TLS sockets, with certificates made here: who is let in, who is refused and with
//! which code, what a reload does to open connections. Cases are in `handshakes.toml`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

#[path = "../support/cases.rs"]
mod cases;
mod certs;
mod limits;

use cases::cases;
use jiff::{SignedDuration, Timestamp};
use portolan::certs::{Authority, Issued, Names, Summary, Usage, Validity, files};
use portolan::config::{CertificateMatch, Destination, Identity, Limits, Listener, NamedFile, Partner};
use portolan::delivery::tls::client_config;
use portolan::domain::{Digest, PartnerId};
use portolan::fault::FaultCode;
use portolan::ingress::identity::{Expiring, Operators, Partners, PreparedTrust, Register, Trust, TrustStore};
use portolan::ingress::tls::refused_identity;
use portolan::seams::{Clock, SystemClock};
use rcgen::PublicKeyData;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Case {
    name: String,
    signed_by: String,
    usage: String,
    days: [i64; 2],
    listed: String,
    revoked: bool,
    accept_expired_lists: bool,
    tls: String,
    expected: String,
}

impl Default for Case {
    fn default() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            name: String::new(),
            signed_by: text("main"),
            usage: text("client"),
            days: [-1, 30],
            listed: text("key"),
            revoked: false,
            accept_expired_lists: false,
            tls: text("1.3"),
            expected: String::new(),
        }
    }
}

#[tokio::test]
async fn handshakes() {
    for case in &cases(include_str!("handshakes.toml")) {
        check(case).await;
    }
}

async fn check(case: &Case) {
    let mut world = World::new();
    let issued = world.issue(case);
    if case.revoked {
        let (authority, clock) = world.authority(&case.signed_by);
        authority.revoke(&issued.as_ref().unwrap().summary.serial, &*clock).unwrap();
    }
    let listed = issued.as_ref().map(|issued| world.listed(issued, &case.listed));
    let store = world.store(listed.into_iter().flatten(), case.accept_expired_lists);
    let client = world.client(issued.as_ref(), &case.tls);
    let (server, mut client) = connect(&store, client).await;
    let outcome = match server {
        Ok(mut server) => {
            let identity = store.connect(server.get_ref().1.peer_certificates().unwrap(), Timestamp::now());
            let who = identity.and_then(|identity| store.resolve(&identity, Timestamp::now()));
            server.write_all(b"hello").await.unwrap();
            server.shutdown().await.unwrap();
            who.map(|partner| partner.to_string()).unwrap_or_else(|fault| format!("let in, then {fault}"))
        }
        Err(error) => refused_identity(&error).map(|code| code.to_string()).unwrap_or_else(|| error.to_string()),
    };
    assert_eq!(outcome, case.expected, "{}", case.name);
    let mut answer = Vec::new();
    let heard = match &mut client {
        Ok(client) => client.read_to_end(&mut answer).await.map(|_| ()),
        Err(error) => Err(io::Error::other(error.to_string())),
    };
    // A caller that is refused is told so by an alert, not by a line that goes dead.
    let refused = heard.as_ref().is_err_and(|error| error.to_string().contains("alert"));
    assert_eq!(refused, case.expected != "bank", "{}: {heard:?}", case.name);
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    for tls in ["1.2", "1.3"] {
        let mut world = World::new();
        let issued = world.issue(&Case::default());
        let store = world.store(world.listed(issued.as_ref().unwrap(), "key"), false);
        // The same configuration twice: its session cache would offer whatever the server gave.
        let config = world.client(issued.as_ref(), tls);
        for _ in 0..2 {
            let (server, client) = connect(&store, config.clone()).await;
            let (mut server, mut client) = (server.unwrap(), client.unwrap());
            server.write_all(b"hello").await.unwrap();
            server.shutdown().await.unwrap();
            client.read_to_end(&mut Vec::new()).await.unwrap();
            assert_eq!(server.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "TLS {tls}");
            assert_eq!(client.get_ref().1.tls13_tickets_received(), 0, "TLS {tls}");
        }
    }
}

#[tokio::test]
async fn open_connections_follow_the_trust_of_the_moment() {
    let mut world = World::new();
    let issued = world.issue(&Case::default()).unwrap();
    let listed = world.listed(&issued, "key");
    let store = world.store(listed.clone(), false);
    let (server, _client) = connect(&store, world.client(Some(&issued), "1.3")).await;
    let server = server.unwrap();
    let now = Timestamp::now();
    let identity = store.connect(server.get_ref().1.peer_certificates().unwrap(), now).unwrap();
    let code = |now| store.resolve(&identity, now).map(|partner| partner.to_string()).map_err(|fault| fault.code);
    let in_days = |days: i64| now + SignedDuration::from_hours(24 * days);

    assert_eq!(code(now), Ok("bank".to_owned()));
    assert_eq!(code(in_days(29)), Ok("bank".to_owned()), "within certificate and list");
    assert_eq!(code(in_days(31)), Err(FaultCode::CertificateExpired), "the certificate has ended meanwhile");
    store.replace(prepared(world.trust(Vec::new(), false)));
    assert_eq!(code(now), Err(FaultCode::CertificateUnlisted), "no longer listed");
    store.replace(prepared(world.trust(listed.clone(), false)));
    assert_eq!(code(now), Ok("bank".to_owned()), "listed again");
    world.main.revoke(&issued.summary.serial, &SystemClock).unwrap();
    assert_eq!(code(now), Ok("bank".to_owned()), "a list counts once it is loaded");
    store.replace(prepared(world.trust(listed, false)));
    assert_eq!(code(now), Err(FaultCode::CertificateRevoked));
}

#[tokio::test]
async fn a_list_that_runs_out_refuses_open_connections() {
    let mut world = World::new();
    let issued = world.issue(&Case { days: [-1, 300], ..Case::default() }).unwrap();
    let store = world.store(world.listed(&issued, "key"), false);
    let (server, _client) = connect(&store, world.client(Some(&issued), "1.3")).await;
    let server = server.unwrap();
    let now = Timestamp::now();
    let identity = store.connect(server.get_ref().1.peer_certificates().unwrap(), now).unwrap();
    let later = now + SignedDuration::from_hours(24 * 31);
    assert_eq!(store.resolve(&identity, later).unwrap_err().code, FaultCode::RevocationUnknown);
}

/// The issuer is the key that signed, not the authority at the end of the chain; and the intermediate
/// need not carry the extended key usage that the caller's certificate must.
#[test]
fn the_issuer_is_the_key_that_signed() {
    let world = World::new();
    let (root, intermediate, leaf) =
        (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let [root_key, intermediate_key] = [&root, &intermediate].map(|key| Digest::of(&key.subject_public_key_info()));
    let root = rcgen::CertifiedIssuer::self_signed(authority_params("Root"), root).unwrap();
    let intermediate = rcgen::CertifiedIssuer::signed_by(authority_params("Intermediate"), intermediate, &root).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["push.bank.example".to_owned()]).unwrap();
    params.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let chain = [CertificateDer::from(params.signed_by(&leaf, &intermediate).unwrap()), intermediate.der().clone()];

    let file = world.folder.path().join("root.pem");
    std::fs::write(&file, root.pem()).unwrap();
    let listener = Listener { client_authorities: vec![file.into()], revocation_lists: Vec::new(), ..world.listener(false) };
    let name = Some("push.bank.example".to_owned());
    for (issuer_key, expected) in [(intermediate_key, None), (root_key, Some(FaultCode::CertificateUnlisted))] {
        let store = world.store_of(&listener, [CertificateMatch::Issued { issuer_key, subject: None, alternative_name: name.clone() }]);
        assert_eq!(store.connect(&chain, Timestamp::now()).err().map(|fault| fault.code), expected);
    }
}

#[test]
fn operators_are_whoever_their_authorities_vouch_for() {
    let mut world = World::new();
    let trust = Trust::build(&world.listener(false), Operators::new(&BTreeMap::new(), true).unwrap())
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    let store = TrustStore::new(prepared(trust), Arc::new(SystemClock));
    for (signed_by, expected) in [("main", Ok("CN=bank".to_owned())), ("stranger", Err(FaultCode::CertificateUntrusted))] {
        let issued = world.issue(&Case { signed_by: signed_by.to_owned(), ..Case::default() }).unwrap();
        let identity = store.connect(&files::read_certificates(&issued.chain).unwrap(), Timestamp::now());
        let operator = identity.and_then(|identity| store.resolve(&identity, Timestamp::now()));
        assert_eq!(operator.map(|operator| operator.subject).map_err(|fault| fault.code), expected);
    }
}

/// A list that is out of date may lie beside its successor.
#[test]
fn the_newest_list_counts() {
    let mut world = World::new();
    let issued = world.issue(&Case { signed_by: "old".to_owned(), ..Case::default() }).unwrap();
    let before = world.folder.path().join("before.pem");
    std::fs::copy(world.old.list_file(), &before).unwrap();
    world.old.revoke(&issued.summary.serial, &SystemClock).unwrap();
    let mut listener = world.listener(false);
    listener.revocation_lists.insert(0, before.into());
    let store = world.store_of(&listener, world.listed(&issued, "key"));
    let chain = files::read_certificates(&issued.chain).unwrap();
    assert_eq!(store.connect(&chain, Timestamp::now()).err().map(|fault| fault.code), Some(FaultCode::CertificateRevoked));
}

#[test]
fn what_ends_soon_is_warned_of() {
    let mut world = World::new();
    let issued = world.issue(&Case { days: [-1, 20], ..Case::default() }).unwrap();
    let store = world.store(world.listed(&issued, "key"), false);
    // An hour later, so that no second more or less makes another day.
    let now = Timestamp::now() + SignedDuration::from_hours(1);
    let chain = files::read_certificates(&issued.chain).unwrap();
    store.connect(&chain, now).unwrap();
    let warned: Vec<_> =
        store.expiring(&[60, 30, 7], now).into_iter().map(|expiry| (expiry.what, expiry.days_left, expiry.within_days)).collect();
    let old_list = Expiring::RevocationList { file: world.old.list_file(), issuer: "CN=Old CA".to_owned() };
    let partner = Expiring::PartnerCertificate { partner: bank(), subject: "CN=bank".to_owned(), serial: issued.summary.serial.clone() };
    assert_eq!(warned, [(old_list, -32, 7), (partner, 19, 30)]);
}

#[test]
fn problems_of_a_listeners_files_are_all_named() {
    let world = World::new();
    let mut listener = world.listener(false);
    std::fs::set_permissions(&listener.identity.key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    listener.revocation_lists.retain(|list| **list != *world.twin.list_file());
    listener.client_authorities.push(world.folder.path().join("missing.pem").into());
    let problems = Trust::build(&listener, Partners::default()).err().unwrap();
    let messages: Vec<_> = problems.iter().map(ToString::to_string).collect();
    for expected in ["chmod 600", "has no revocation list", "missing.pem"] {
        assert!(messages.iter().any(|message| message.contains(expected)), "{expected}: {messages:?}");
    }
    assert_eq!(messages.len(), 3, "{messages:?}");
}

#[tokio::test]
async fn receivers_must_prove_who_they_are() {
    // (server names, pinned key is the server's, trusted authority, expected part of the error)
    let cases = [
        ("localhost", Some(true), "main", None),
        ("localhost", None, "main", None),
        ("localhost", Some(false), "main", Some("ApplicationVerificationFailure")),
        ("other.example", None, "main", Some("not valid for name")),
        ("localhost", None, "stranger", Some("UnknownIssuer")),
    ];
    for (name, pinned, authority, expected) in cases {
        let mut world = World::new();
        let client = world.issue(&Case::default()).unwrap();
        let names = Names { common_name: "receiver".to_owned(), alternative: vec![name.to_owned()], ..Names::default() };
        let receiver = world.main.issue(&"receiver".parse().unwrap(), &names, Usage::Server, in_days([-1, 30]), &SystemClock).unwrap();
        let mut listener = world.listener(false);
        listener.identity = identity(&receiver);
        let store = world.store_of(&listener, world.listed(&client, "key"));
        let authorities = vec![world.authority(authority).0.certificate_file()];
        let server_keys = pinned.map(|own| if own { receiver.summary.key_sha256 } else { client.summary.key_sha256 }).into_iter().collect();
        let config = client_config(&destination(authorities, server_keys), Some(&identity(&client))).unwrap();
        let (_server, connected) = connect(&store, Arc::new(config)).await;
        let error = connected.err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(error, None),
            Some(expected) => assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{expected}: {error:?}"),
        }
    }
}

/// Another implementation of TLS as the caller.
#[tokio::test]
async fn openssl_is_let_in_and_refused() {
    for (tls, revoked) in [("-tls1_3", false), ("-tls1_2", false), ("-tls1_3", true), ("-tls1_2", true)] {
        let mut world = World::new();
        let issued = world.issue(&Case::default()).unwrap();
        if revoked {
            world.main.revoke("bank", &SystemClock).unwrap();
        }
        let store = world.store(world.listed(&issued, "key"), false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Command::new("openssl");
        client.args(["s_client", tls, "-ign_eof", "-servername", "localhost", "-verify_return_error", "-connect"]);
        client.arg(listener.local_addr().unwrap().to_string()).arg("-CAfile").arg(world.main.certificate_file());
        client.arg("-cert").arg(&issued.chain).arg("-key").arg(issued.key.as_ref().unwrap());
        client.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let client = client.spawn().expect("openssl must be installed to run this test");
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut server) = TlsAcceptor::from(store.server_config()).accept(stream).await {
            server.write_all(b"welcome, caller\n").await.unwrap();
            server.shutdown().await.unwrap();
        }
        let output = tokio::task::spawn_blocking(|| client.wait_with_output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.contains("welcome, caller"), !revoked, "{tls}: {text}");
        assert_eq!(text.contains("alert certificate revoked"), revoked, "{tls}: {text}");
        assert!(!text.to_lowercase().contains("session ticket"), "{tls}: {text}");
    }
}

/// Four authorities, their lists, and a server.
struct World {
    folder: tempfile::TempDir,
    main: Authority,
    twin: Authority,
    stranger: Authority,
    old: Authority,
    server: Issued,
}

/// A clock that stands sixty-one days back.
struct LongAgo;

impl Clock for LongAgo {
    fn now(&self) -> Timestamp {
        Timestamp::now() - SignedDuration::from_hours(24 * 61)
    }

    fn random(&self, into: &mut [u8]) {
        SystemClock.random(into);
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = |place: &str, name: &str, clock: &dyn Clock| {
            let names = Names { common_name: name.to_owned(), ..Names::default() };
            Authority::create(&folder.path().join(place), &names, Validity::days(clock.now(), 3650), 30, clock).unwrap()
        };
        let mut main = authority("main", "Main CA", &SystemClock);
        let twin = authority("twin", "Main CA", &SystemClock);
        let stranger = authority("stranger", "Stranger CA", &SystemClock);
        let old = authority("old", "Old CA", &LongAgo);
        let names = Names { common_name: "gateway".to_owned(), alternative: vec!["localhost".to_owned()], ..Names::default() };
        let server = main.issue(&"gateway".parse().unwrap(), &names, Usage::Server, in_days([-1, 300]), &SystemClock).unwrap();
        Self { folder, main, twin, stranger, old, server }
    }

    fn authority(&mut self, name: &str) -> (&mut Authority, Box<dyn Clock>) {
        match name {
            "main" => (&mut self.main, Box::new(SystemClock)),
            "twin" => (&mut self.twin, Box::new(SystemClock)),
            "stranger" => (&mut self.stranger, Box::new(SystemClock)),
            "old" => (&mut self.old, Box::new(LongAgo)),
            other => panic!("no authority {other}"),
        }
    }

    fn issue(&mut self, case: &Case) -> Option<Issued> {
        if case.signed_by == "none" {
            return None;
        }
        let usage = match case.usage.as_str() {
            "server" => Usage::Server,
            "both" => Usage::Both,
            _ => Usage::Client,
        };
        let names = Names { common_name: "bank".to_owned(), alternative: vec!["Push.Bank.Example".to_owned()], ..Names::default() };
        let (authority, clock) = self.authority(&case.signed_by);
        let issued = authority.issue(&bank(), &names, usage, in_days(case.days), &*clock).unwrap();
        Some(if case.usage == "none" { without_usage(authority, issued) } else { issued })
    }

    /// How the partner lists a certificate. Names are listed as `main` issues them, whoever has signed.
    fn listed(&self, issued: &Issued, how: &str) -> Vec<CertificateMatch> {
        let issuer_key = self.main.summary().key_sha256;
        match how {
            "key" => vec![CertificateMatch::Key(issued.summary.key_sha256)],
            "subject" => vec![CertificateMatch::Issued { issuer_key, subject: Some("CN=bank".to_owned()), alternative_name: None }],
            "name" => vec![CertificateMatch::Issued { issuer_key, subject: None, alternative_name: Some("push.bank.example".to_owned()) }],
            _ => Vec::new(),
        }
    }

    fn listener(&self, accept_expired_lists: bool) -> Listener {
        let trusted = [&self.main, &self.twin, &self.old];
        Listener {
            address: ([127, 0, 0, 1], 0).into(),
            identity: identity(&self.server),
            client_authorities: trusted.iter().map(|authority| authority.certificate_file().into()).collect(),
            revocation_lists: trusted.iter().map(|authority| authority.list_file().into()).collect(),
            accept_expired_lists,
        }
    }

    fn trust(&self, listed: impl IntoIterator<Item = CertificateMatch>, accept_expired_lists: bool) -> Trust<Partners> {
        trust_of(&self.listener(accept_expired_lists), listed)
    }

    fn store(&self, listed: impl IntoIterator<Item = CertificateMatch>, accept_expired_lists: bool) -> TrustStore<Partners> {
        TrustStore::new(prepared(self.trust(listed, accept_expired_lists)), Arc::new(SystemClock))
    }

    fn store_of(&self, listener: &Listener, listed: impl IntoIterator<Item = CertificateMatch>) -> TrustStore<Partners> {
        TrustStore::new(prepared(trust_of(listener, listed)), Arc::new(SystemClock))
    }

    fn client(&self, issued: Option<&Issued>, tls: &str) -> Arc<ClientConfig> {
        let version: &SupportedProtocolVersion = if tls == "1.2" { &rustls::version::TLS12 } else { &rustls::version::TLS13 };
        let mut roots = RootCertStore::empty();
        roots.add(files::read_certificates(&self.main.certificate_file()).unwrap().remove(0)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
        Arc::new(match issued {
            None => config.with_no_client_auth(),
            Some(issued) => {
                let chain = files::read_certificates(&issued.chain).unwrap();
                let key = files::read_private_key(issued.key.as_ref().unwrap()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

/// Replaces a certificate by one for the same key that has no extended key usage, which the authority
/// itself does not make.
fn without_usage(authority: &Authority, mut issued: Issued) -> Issued {
    let folder = authority.certificate_file().parent().map(Path::to_owned).unwrap();
    let key = rcgen::KeyPair::from_pem(&std::fs::read_to_string(folder.join("ca.key")).unwrap()).unwrap();
    let certificate = &files::read_certificates(&authority.certificate_file()).unwrap()[0];
    let issuer = rcgen::Issuer::from_ca_cert_der(certificate, key).unwrap();
    let own = rcgen::KeyPair::from_pem(&std::fs::read_to_string(issued.key.as_ref().unwrap()).unwrap()).unwrap();
    let signed = rcgen::CertificateParams::new(vec!["push.bank.example".to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    std::fs::write(&issued.chain, signed.pem()).unwrap();
    issued.summary = Summary::of(&CertificateDer::from(signed)).unwrap();
    issued
}

fn authority_params(name: &str) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
}

fn trust_of(listener: &Listener, listed: impl IntoIterator<Item = CertificateMatch>) -> Trust<Partners> {
    let partner = Partner {
        id: bank(),
        title: Default::default(),
        certificates: listed.into_iter().collect(),
        limits: Limits::default(),
        destinations: BTreeMap::new(),
    };
    let partners = Partners::new(&BTreeMap::from([(bank(), Arc::new(partner))])).unwrap();
    Trust::build(listener, partners).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn prepared<R: Register>(trust: Trust<R>) -> PreparedTrust<R> {
    PreparedTrust::new(trust, Arc::new(SystemClock)).unwrap()
}

fn destination(authorities: Vec<PathBuf>, server_keys: Vec<Digest>) -> Destination {
    Destination {
        id: "bureau/main".parse().unwrap(),
        url: "https://localhost/".to_owned(),
        authorities: authorities.into_iter().map(NamedFile::from).collect(),
        server_keys,
        identity: None,
        concurrency_max: 1,
        timeout: Duration::from_secs(1),
        retry_first: Duration::from_secs(1),
        retry_max: Duration::from_secs(1),
        give_up_after: Duration::from_secs(1),
        circuit_failures: 1,
        circuit_pause: Duration::from_secs(1),
    }
}

fn bank() -> PartnerId {
    "bank".parse().unwrap()
}

fn identity(issued: &Issued) -> Identity {
    Identity { chain: issued.chain.clone().into(), key: issued.key.clone().unwrap().into() }
}

fn in_days([from, until]: [i64; 2]) -> Validity {
    let at = |days| Timestamp::now() + SignedDuration::from_hours(24 * days);
    Validity { not_before: at(from), not_after: at(until) }
}

type Server = io::Result<server::TlsStream<TcpStream>>;
type Client = io::Result<client::TlsStream<TcpStream>>;

/// Both sides of one handshake over a socket.
async fn connect(store: &TrustStore<Partners>, client: Arc<ClientConfig>) -> (Server, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(store.server_config());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await
    };
    let call = async {
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(client).connect(ServerName::try_from("localhost").unwrap(), stream).await
    };
    tokio::join!(serve, call)
}
