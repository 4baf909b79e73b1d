//! The tax bureau's receiver: a real server that takes deliveries over mutual TLS and can say
//! exactly what it holds.
//!
//! HTTP/1.1 and HTTP/2 by ALPN. `POST` to any path, with the fields that [`crate::delivery`] sends;
//! the body's `Content-Digest` is verified, its records are read by readers of the bureau's own
//! ([`read`]) and counted against `Portolan-Records`. A delivery is answered 200 only once it is
//! durable ([`ledger`]); one that comes again is answered the same way and counted once. The same
//! delivery id with other bytes is 409: the gateway must never do that.
//!
//! Memory: one body of at most [`BODY_BYTES_MAX`] for each delivery under way, and one row for each
//! delivery held. Records are in files.

pub mod comparison;
pub mod ledger;
pub mod read;

pub use comparison::{Compared, Comparison, Difference};
pub use ledger::{FlowTotals, HeldDelivery};

use crate::domain::{DeliveryId, Digest, ExchangeId};
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use ledger::{Ledger, Taken};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Bytes of one delivery.
pub const BODY_BYTES_MAX: usize = 64 << 20;

/// Connections open at once; further ones are closed at once.
pub const CONNECTIONS_MAX: usize = 256;

/// Time for a TLS handshake, and for the head of a request.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a receiver listens, who it is and whom it trusts.
#[derive(Clone, Debug)]
pub struct ReceiverOptions {
    /// Address to listen on; port 0 takes any free one, which [`Receiver::address`] tells.
    pub listen: SocketAddr,
    /// PEM file of its certificate chain, leaf first.
    pub chain: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
    /// PEM file of the authorities that the gateway's certificate must chain to.
    pub client_authorities: PathBuf,
    /// The folder in which it keeps what it was given.
    pub folder: PathBuf,
}

/// How a receiver treats a delivery, for stories and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// It takes it.
    #[default]
    Take,
    /// It takes it after a while.
    Delay(Duration),
    /// It answers with this status and takes nothing.
    Answer(StatusCode),
    /// It takes it, durably, and closes the connection without an answer.
    TakeAndCut,
}

/// A receiver that listens. Dropping it without [`Receiver::down`] leaves no task behind either.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    tls: TlsAcceptor,
    serving: Option<JoinHandle<()>>,
}

struct Shared {
    ledger: Mutex<Ledger>,
    behaviour: Mutex<Behaviour>,
}

impl Receiver {
    /// Opens its folder, where earlier deliveries may lie, and listens.
    ///
    /// # Errors
    /// A folder, certificate, key or address that cannot be used.
    pub async fn start(options: ReceiverOptions) -> io::Result<Self> {
        let tls = TlsAcceptor::from(Arc::new(server_config(&options).map_err(io::Error::other)?));
        let ledger = Ledger::open(&options.folder)?;
        let shared = Arc::new(Shared { ledger: Mutex::new(ledger), behaviour: Mutex::default() });
        let mut receiver = Self { shared, address: options.listen, tls, serving: None };
        receiver.up().await?;
        Ok(receiver)
    }

    /// Where it listens, or did before it went down.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes its port and every connection, in the middle of whatever they do.
    pub async fn down(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // The task ends by being aborted; its port is free once it has.
            let _ = serving.await;
        }
    }

    /// Listens again at the same address; nothing if it does.
    ///
    /// # Errors
    /// The address was taken meanwhile.
    pub async fn up(&mut self) -> io::Result<()> {
        if self.serving.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            self.address = listener.local_addr()?;
            self.serving = Some(tokio::spawn(serve(listener, self.tls.clone(), self.shared.clone())));
        }
        Ok(())
    }

    /// How it treats deliveries from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// What it holds, by flow.
    pub fn totals(&self) -> BTreeMap<String, FlowTotals> {
        lock(&self.shared.ledger).totals()
    }

    /// The deliveries that it holds, in the order of their ids.
    pub fn held(&self) -> Vec<HeldDelivery> {
        lock(&self.shared.ledger).held()
    }

    /// Deliveries that came again since it started and were not counted again.
    pub fn repeats(&self) -> u64 {
        lock(&self.shared.ledger).repeats()
    }

    /// Begins to compare the records held under a flow with those expected.
    ///
    /// # Errors
    /// Record files that cannot be read.
    pub fn compare(&self, flow: &str) -> io::Result<Comparison> {
        let files = lock(&self.shared.ledger).record_files(flow);
        Comparison::of(files)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// What is behind a lock is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn server_config(options: &ReceiverOptions) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut authorities = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(&options.client_authorities)? {
        authorities.add(authority?)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider.clone()).build()?;
    let chain = CertificateDer::pem_file_iter(&options.chain)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&options.key)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts connections until it is aborted, which closes them all.
async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(serve_connection(stream, tls.clone(), shared.clone()));
                }
                Ok(_) => {}
                // Out of file descriptors, say: what is open may close meanwhile.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, tls: TlsAcceptor, shared: Arc<Shared>) {
    // Who breaks off a handshake or a connection hears of it by that.
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await else { return };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    let service = service_fn(|request| answer(shared.clone(), request));
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

type Answer = Response<Full<Bytes>>;

/// The answer, or an error that closes the connection.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, io::Error> {
    let behaviour = *lock(&shared.behaviour);
    match behaviour {
        Behaviour::Delay(span) => tokio::time::sleep(span).await,
        Behaviour::Answer(status) => return Ok(Refusal::new(status, "the receiver was told to answer so").answer()),
        Behaviour::Take | Behaviour::TakeAndCut => {}
    }
    match take(shared, request).await {
        Ok(_) if behaviour == Behaviour::TakeAndCut => Err(io::Error::other("the receiver was told to cut the line")),
        Ok(answer) => Ok(answer),
        Err(refusal) => Ok(refusal.answer()),
    }
}

/// Why a delivery is not taken.
struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    fn answer(&self) -> Answer {
        let problem = json!({ "status": self.status.as_u16(), "title": self.status.canonical_reason(), "detail": self.detail });
        let mut answer = response(self.status, "application/problem+json", &problem);
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("POST"));
        }
        answer
    }
}

/// What a delivery says of itself in its fields.
struct Envelope {
    delivery: DeliveryId,
    exchange: ExchangeId,
    flow: String,
    sender: String,
    records: u64,
    digest: Digest,
    media_type: String,
}

async fn take(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "deliveries are posted"));
    }
    let envelope = envelope(request.headers())?;
    let body = whole_body(request).await?;
    if Digest::of(&body) != envelope.digest {
        return Err(Refusal::bad("the body is not what Content-Digest says"));
    }
    // Reading, writing and fsync block, and go on to their end although the line may be cut.
    let taken = tokio::task::spawn_blocking(move || keep(&shared, envelope, &body)).await;
    taken.map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?
}

/// Reads the records and makes them durable.
fn keep(shared: &Shared, envelope: Envelope, body: &[u8]) -> Result<Answer, Refusal> {
    let records = read::records(&envelope.media_type, body).map_err(|e| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    if records.len() as u64 != envelope.records {
        let detail = format!("Portolan-Records says {}, the body holds {}", envelope.records, records.len());
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let row = HeldDelivery {
        delivery: envelope.delivery,
        exchange: envelope.exchange,
        flow: envelope.flow,
        sender: envelope.sender,
        digest: envelope.digest,
        records: envelope.records,
        amounts: ledger::amounts(&records),
    };
    match lock(&shared.ledger).take(row, &records) {
        Ok(Taken::New) => Ok(acknowledgement(envelope.delivery, envelope.records, false)),
        Ok(Taken::Again) => Ok(acknowledgement(envelope.delivery, envelope.records, true)),
        Ok(Taken::OtherBytes) => Err(Refusal::new(StatusCode::CONFLICT, "this delivery came before with other bytes")),
        Err(e) => Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, e.to_string())),
    }
}

fn acknowledgement(delivery: DeliveryId, records: u64, again: bool) -> Answer {
    response(StatusCode::OK, "application/json", &json!({ "delivery": delivery, "records": records, "again": again }))
}

fn response(status: StatusCode, media_type: &'static str, body: &serde_json::Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(media_type));
    response
}

fn envelope(headers: &HeaderMap) -> Result<Envelope, Refusal> {
    let field = |name: &str| {
        let value = headers.get(name).ok_or_else(|| Refusal::bad(format!("{name} is missing")))?;
        value.to_str().map_err(|_| Refusal::bad(format!("{name} is not ASCII")))
    };
    let id = |name: &str| field(name)?.parse().map_err(|e| Refusal::bad(format!("{name}: {e}")));
    Ok(Envelope {
        delivery: id("portolan-delivery")?,
        exchange: id("portolan-exchange")?,
        flow: field("portolan-flow")?.to_owned(),
        sender: field("portolan-sender")?.to_owned(),
        records: field("portolan-records")?.parse().map_err(|_| Refusal::bad("portolan-records is not a number"))?,
        digest: content_digest(field("content-digest")?).ok_or_else(|| Refusal::bad("content-digest has no sha-256"))?,
        media_type: field("content-type")?.to_owned(),
    })
}

/// The `sha-256` of a `Content-Digest` field (RFC 9530): `sha-256=:BASE64:`, perhaps among others.
fn content_digest(field: &str) -> Option<Digest> {
    let value = field.split(',').find_map(|member| member.trim().strip_prefix("sha-256=:"))?.strip_suffix(':')?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
    bytes.try_into().ok().map(Digest)
}

async fn whole_body(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "a delivery has at most 64 MiB")),
        Err(e) => Err(Refusal::bad(e.to_string())),
    }
}
