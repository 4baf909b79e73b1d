//! The transport that pushes a delivery to its receiver over mutual TLS, and the seam before it.
//!
//! One pool for each destination: HTTP/1.1 connections are lent out one by one, an HTTP/2
//! connection is shared. Each connection is made with the identity and the authorities of the
//! configuration in force, and lives for [`CONNECTION_AGE_MAX`] at most; a reload begins new ones, so
//! that a renewed certificate comes into use with it. Only the configured URL is ever called and a redirect is
//! an answer like any other, so no receiver can make the gateway call something else.

use super::heard::HeardOut;
use crate::config::Destination;
use crate::delivery::retry::RetryAfter;
use crate::domain::{DeliveryId, DestinationId, Digest, ExchangeId, FlowId, Name, PartnerId};
use crate::fault::{BoxError, FaultCode};
use crate::journal::ANSWER_BYTES_MAX;
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::CertificateError;
use rustls_pki_types::ServerName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longest life of a connection.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// Longest time that a connection lies unused.
const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(60);
/// Time for the body of an answer once its status is known.
const ANSWER_BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a connection that broke to say why.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a quiet HTTP/2 connection under a request is asked whether it still lives.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time for the answer to that.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the header section of an answer.
const ANSWER_HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Bytes of the answer to a query.
pub const QUERY_ANSWER_BYTES_MAX: usize = 4 << 20;

/// What is posted to a receiver: an attempt of a delivery, or a question.
#[derive(Clone, Debug)]
pub struct DeliveryRequest {
    /// The delivery's id, the same for every attempt; of a question its exchange's.
    pub delivery: DeliveryId,
    /// The service that is asked, where it is a question: the answer is wanted whole.
    pub service: Option<Name>,
    /// The exchange that it is a part of.
    pub exchange: ExchangeId,
    /// Under which flow.
    pub flow: FlowId,
    /// Who sent the exchange.
    pub sender: PartnerId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// `Content-Type` of the body.
    pub media_type: String,
    /// Records in the body.
    pub records: u64,
    /// The body.
    pub body: Bytes,
    /// Its digest.
    pub digest: Digest,
    /// W3C trace context.
    pub traceparent: String,
}

/// What the receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverAnswer {
    /// HTTP status.
    pub status: u16,
    /// Its media type.
    pub media_type: Option<String>,
    /// The body: cut to [`ANSWER_BYTES_MAX`], or whole where it answers a question.
    pub body: Bytes,
    /// SHA-256 of the certificate that the receiver has shown.
    pub certificate: Digest,
    /// `Retry-After`, where there was one that can be read.
    pub retry_after: Option<RetryAfter>,
}

impl ReceiverAnswer {
    /// The body as text of at most [`ANSWER_BYTES_MAX`], cut between characters.
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.body).into_owned();
        let mut end = text.len().min(ANSWER_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection: name, route, refusal, or a handshake that the receiver broke off.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The receiver's certificate is not the one to be trusted.
    #[error("the receiver's certificate is not trusted: {0}")]
    Untrusted(String),
    /// The line broke, so it is not known whether the receiver has it.
    #[error("the line broke: {0}")]
    Broken(String),
    /// The answer to a question is larger than any may be.
    #[error("the answer has more than {QUERY_ANSWER_BYTES_MAX} bytes")]
    TooLarge,
    /// Our side cannot call: the URL cannot be used, or the destination is not configured any more.
    #[error("the destination cannot be called: {0}")]
    Unusable(String),
}

impl TransportError {
    /// The fault that it is.
    pub fn code(&self) -> FaultCode {
        match self {
            Self::Unreachable(_) | Self::Broken(_) => FaultCode::ReceiverUnreachable,
            Self::Timeout => FaultCode::ReceiverTimeout,
            Self::Untrusted(_) => FaultCode::ReceiverUntrusted,
            Self::TooLarge => FaultCode::QueryAnswerInvalid,
            Self::Unusable(_) => FaultCode::Internal,
        }
    }
}

/// Carries one attempt to a receiver. A seeded simulation puts its own in this place.
#[async_trait::async_trait]
pub trait Transport: Send + Sync {
    /// Sends and waits for the answer. The caller limits the time, by dropping the future.
    ///
    /// # Errors
    /// Whatever kept an answer from coming back.
    async fn send(&self, destination: &Arc<Destination>, request: DeliveryRequest) -> Result<ReceiverAnswer, TransportError>;

    /// The destination is no longer called: what is kept for it may go.
    fn release(&self, destination: &DestinationId);
}

/// The TLS configuration towards a destination, while it is configured; its ALPN protocols are those that are offered.
pub type ClientTls = dyn Fn(&Destination) -> Option<Arc<rustls::ClientConfig>> + Send + Sync;

/// Pushes over mutual TLS, HTTP/1.1 or HTTP/2.
pub struct PushTransport {
    tls: Arc<ClientTls>,
    pools: Mutex<HashMap<DestinationId, Arc<Pool>>>,
}

impl PushTransport {
    /// A transport without connections yet.
    pub fn new(tls: Arc<ClientTls>) -> Self {
        Self { tls, pools: Mutex::default() }
    }

    /// The destination's pool; a new one where its settings were replaced.
    fn pool(&self, destination: &Arc<Destination>) -> Arc<Pool> {
        let mut pools = lock(&self.pools);
        match pools.get(&destination.id) {
            Some(pool) if Arc::ptr_eq(&pool.destination, destination) => pool.clone(),
            _ => {
                let pool = Arc::new(Pool { destination: destination.clone(), idle: Mutex::default() });
                pools.insert(destination.id.clone(), pool.clone());
                pool
            }
        }
    }
}

#[async_trait::async_trait]
impl Transport for PushTransport {
    async fn send(&self, destination: &Arc<Destination>, request: DeliveryRequest) -> Result<ReceiverAnswer, TransportError> {
        let place = Place::of(&destination.url)?;
        let pool = self.pool(destination);
        // A pooled connection may be closed under our hands; only what was surely not sent is sent again.
        while let Some(connection) = pool.take() {
            if let Some(answer) = exchange(&pool, connection, &place, &request).await? {
                return Ok(answer);
            }
        }
        let (connection, driver) = connect(self.tls.as_ref(), destination, &place).await?;
        match exchange(&pool, connection, &place, &request).await? {
            Some(answer) => Ok(answer),
            None => Err(TransportError::Broken(why_closed(driver).await)),
        }
    }

    fn release(&self, destination: &DestinationId) {
        lock(&self.pools).remove(destination);
    }
}

/// Where a configured URL points.
pub(crate) struct Place {
    pub(crate) uri: Uri,
    pub(crate) authority: HeaderValue,
    server: ServerName<'static>,
    address: (String, u16),
}

impl Place {
    pub(crate) fn of(url: &str) -> Result<Self, TransportError> {
        let unusable = |why: &str| TransportError::Unusable(format!("{url}: {why}"));
        let uri: Uri = url.parse().map_err(|e: hyper::http::uri::InvalidUri| unusable(&e.to_string()))?;
        if uri.scheme_str() != Some("https") {
            return Err(unusable("only https is called"));
        }
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else { return Err(unusable("it names no host")) };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server = ServerName::try_from(host.clone()).map_err(|e| unusable(&e.to_string()))?;
        let authority = HeaderValue::from_str(authority.as_str()).map_err(|e| unusable(&e.to_string()))?;
        let address = (host, uri.port_u16().unwrap_or(443));
        Ok(Self { uri, authority, server, address })
    }
}

/// An open line to a server, for requests with bodies of one kind.
pub(crate) enum Line<B> {
    Http1(http1::SendRequest<B>),
    Http2(http2::SendRequest<B>),
}

struct Connection {
    line: Line<Full<Bytes>>,
    /// SHA-256 of the server's certificate.
    certificate: Digest,
    opened: Instant,
    used: Instant,
}

impl Connection {
    fn usable(&self) -> bool {
        let open = match &self.line {
            Line::Http1(sender) => !sender.is_closed(),
            Line::Http2(sender) => !sender.is_closed(),
        };
        open && self.opened.elapsed() < CONNECTION_AGE_MAX && self.used.elapsed() < CONNECTION_IDLE_MAX
    }

    async fn send(&mut self, place: &Place, request: &DeliveryRequest) -> Result<Option<Response<Incoming>>, TransportError> {
        let broken = |e: hyper::Error| TransportError::Broken(with_causes(&e));
        let unsent = |mut e: TrySendError<Request<Full<Bytes>>>| match e.take_message() {
            Some(_) => Ok(None),
            None => Err(broken(e.into_error())),
        };
        match &mut self.line {
            Line::Http1(sender) => {
                if sender.ready().await.is_err() {
                    return Ok(None);
                }
                let sent = sender.try_send_request(head(place, request, false)?).await;
                sent.map(Some).or_else(unsent)
            }
            Line::Http2(sender) => {
                if sender.ready().await.is_err() {
                    return Ok(None);
                }
                let sent = sender.try_send_request(head(place, request, true)?).await;
                sent.map(Some).or_else(unsent)
            }
        }
    }
}

/// Idle HTTP/1.1 connections, and the shared HTTP/2 connection. Never more than attempts at once.
struct Pool {
    destination: Arc<Destination>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// A connection to be used. The shared one stays behind for others, until a request on it
    /// goes unanswered.
    fn take(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        idle.retain(Connection::usable);
        let connection = idle.pop()?;
        if let Line::Http2(sender) = &connection.line {
            idle.push(Connection { line: Line::Http2(sender.clone()), ..connection });
        }
        Some(connection)
    }

    /// Keeps a connection that has carried an answer to its end.
    fn give_back(&self, mut connection: Connection) {
        let mut idle = lock(&self.idle);
        connection.used = Instant::now();
        if matches!(connection.line, Line::Http2(_)) {
            idle.retain(|kept| !matches!(kept.line, Line::Http2(_)));
        }
        idle.push(connection);
    }

    /// Forgets the shared connection that was opened then: a request on it was not answered.
    fn forget(&self, opened: Instant) {
        lock(&self.idle).retain(|kept| kept.opened != opened);
    }
}

/// Forgets a connection unless it has carried its answer, also when the attempt is given up midway.
struct Suspect<'a> {
    pool: &'a Pool,
    opened: Option<Instant>,
}

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        if let Some(opened) = self.opened {
            self.pool.forget(opened);
        }
    }
}

/// One request and its answer over a connection; `None` when the request was surely not sent.
async fn exchange(
    pool: &Pool,
    mut connection: Connection,
    place: &Place,
    request: &DeliveryRequest,
) -> Result<Option<ReceiverAnswer>, TransportError> {
    let mut suspect = Suspect { pool, opened: Some(connection.opened) };
    let Some(response) = connection.send(place, request).await? else { return Ok(None) };
    let (head, body) = response.into_parts();
    let mut kept = Vec::new();
    let end = match (&request.service, head.status.is_success()) {
        (Some(_), true) => read_body(body, &mut kept, QUERY_ANSWER_BYTES_MAX).await,
        // The status alone decides, so a body that is too long or slow or breaks off is no error.
        _ => tokio::time::timeout(ANSWER_BODY_TIMEOUT, read_body(body, &mut kept, ANSWER_BYTES_MAX)).await.unwrap_or(Ok(false)),
    };
    let certificate = connection.certificate;
    if matches!(end, Ok(true)) {
        suspect.opened = None;
        pool.give_back(connection);
    }
    if request.service.is_some() && head.status.is_success() && !end? {
        return Err(TransportError::TooLarge);
    }
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    Ok(Some(ReceiverAnswer {
        status: head.status.as_u16(),
        media_type: text(CONTENT_TYPE).map(str::to_owned),
        body: kept.into(),
        certificate,
        retry_after: text(RETRY_AFTER).and_then(RetryAfter::parse),
    }))
}

/// Reads a body to its end, or until more than `bytes_max` are kept; says whether it was the end.
async fn read_body(mut body: Incoming, kept: &mut Vec<u8>, bytes_max: usize) -> Result<bool, TransportError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| TransportError::Broken(with_causes(&error)))?;
        kept.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if kept.len() > bytes_max {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The request; HTTP/1.1 names the host in a field of its own, HTTP/2 in the address.
fn head(place: &Place, request: &DeliveryRequest, http2: bool) -> Result<Request<Full<Bytes>>, TransportError> {
    let digest = base64::engine::general_purpose::STANDARD.encode(request.digest.0);
    let builder = match (http2, place.uri.path_and_query()) {
        (false, Some(path)) => Request::post(path.as_str()).header(HOST, &place.authority),
        (false, None) => Request::post("/").header(HOST, &place.authority),
        (true, _) => Request::post(&place.uri),
    };
    let builder = match &request.service {
        Some(service) => builder.header("portolan-query", service.as_str()),
        None => builder.header("portolan-delivery", request.delivery.to_string()).header("portolan-attempt", request.attempt),
    };
    builder
        .header(CONTENT_TYPE, &request.media_type)
        .header("content-digest", format!("sha-256=:{digest}:"))
        .header("idempotency-key", request.delivery.to_string())
        .header("portolan-exchange", request.exchange.to_string())
        .header("portolan-flow", request.flow.as_str())
        .header("portolan-sender", request.sender.as_str())
        .header("portolan-records", request.records)
        .header("traceparent", &request.traceparent)
        .body(Full::new(request.body.clone()))
        .map_err(|e| TransportError::Unusable(e.to_string()))
}

/// The task that drives a connection, which ends with it.
pub(crate) type Driver = JoinHandle<hyper::Result<()>>;

/// Why a connection ended at once. In TLS 1.3 a receiver that does not admit our certificate says so
/// only now, after the handshake.
pub(crate) async fn why_closed(driver: Driver) -> String {
    match tokio::time::timeout(CLOSING_TIMEOUT, driver).await {
        Ok(Ok(Err(error))) => with_causes(&error),
        _ => "the connection closed before the request was sent".into(),
    }
}

async fn connect(tls: &ClientTls, destination: &Destination, place: &Place) -> Result<(Connection, Driver), TransportError> {
    let config = tls(destination).ok_or_else(|| TransportError::Unusable(format!("{} is not configured", destination.id)))?;
    let stream = shake_hands_tls(config, place).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = Digest::of(certificate.map_or(&[], |certificate| certificate.as_ref()));
    let (line, driver) = begin(stream).await?;
    let now = Instant::now();
    Ok((Connection { line, certificate, opened: now, used: now }, driver))
}

/// Opens a line to a server; what the configuration offers by ALPN decides how HTTP is spoken.
pub(crate) async fn dial<B>(config: Arc<rustls::ClientConfig>, place: &Place) -> Result<(Line<B>, Driver), TransportError>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    begin(shake_hands_tls(config, place).await?).await
}

async fn begin<B>(stream: TlsStream<TcpStream>) -> Result<(Line<B>, Driver), TransportError>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    shake_hands(TokioIo::new(HeardOut::new(stream)), http2).await.map_err(|e| TransportError::Unreachable(with_causes(&e)))
}

/// Connects and proves both sides to each other.
pub(crate) async fn shake_hands_tls(config: Arc<rustls::ClientConfig>, place: &Place) -> Result<TlsStream<TcpStream>, TransportError> {
    let unreachable = |e: std::io::Error| TransportError::Unreachable(e.to_string());
    let tcp = TcpStream::connect((place.address.0.as_str(), place.address.1)).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    TlsConnector::from(config).connect(place.server.clone(), tcp).await.map_err(handshake_error)
}

/// Begins HTTP on a connection; the task that drives it ends when nobody holds its sender.
async fn shake_hands<B>(io: TokioIo<HeardOut<TlsStream<TcpStream>>>, http2: bool) -> hyper::Result<(Line<B>, Driver)>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    if http2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(ANSWER_HEADER_BYTES_MAX)
            .handshake(io)
            .await?;
        return Ok((Line::Http2(sender), tokio::spawn(connection)));
    }
    let (sender, connection) = http1::Builder::new().max_header_size(ANSWER_HEADER_BYTES_MAX as usize).handshake(io).await?;
    Ok((Line::Http1(sender), tokio::spawn(connection)))
}

fn handshake_error(error: std::io::Error) -> TransportError {
    match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => TransportError::Untrusted(distrust(why)),
        _ => TransportError::Unreachable(format!("the handshake failed: {error}")),
    }
}

/// Why a server's certificate is not trusted, and what would help.
fn distrust(why: &CertificateError) -> String {
    use CertificateError as Error;
    let words = match why {
        Error::UnknownIssuer => {
            "none of the authorities that it must chain to has signed it, or the server leaves out a certificate between"
        }
        Error::Expired | Error::ExpiredContext { .. } => "it has ended; its owner must renew it",
        Error::NotValidYet | Error::NotValidYetContext { .. } => "it is not valid yet; one of the two clocks may be wrong",
        Error::NotValidForName | Error::NotValidForNameContext { .. } => "it is for another name than the host of the address",
        Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => {
            "it is no server's certificate (its extended key usage lacks serverAuth)"
        }
        Error::ApplicationVerificationFailure => "its public key is none of those in server_keys_sha256",
        Error::BadSignature => {
            "an authority of the right name has signed it, but with another key than that of the authority it must chain to"
        }
        Error::BadEncoding => "it is damaged",
        other => return other.to_string(),
    };
    words.to_owned()
}

pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let check = |url: &str, expected: Option<(&str, u16, &str)>| {
            let place = Place::of(url).ok();
            let found = place.as_ref().map(|p| (p.address.0.as_str(), p.address.1, p.authority.to_str().unwrap()));
            assert_eq!(found, expected, "{url}");
        };
        check("https://tax.example/in?a=b", Some(("tax.example", 443, "tax.example")));
        check("https://127.0.0.1:9443/", Some(("127.0.0.1", 9443, "127.0.0.1:9443")));
        check("https://[::1]:9443/in", Some(("::1", 9443, "[::1]:9443")));
        check("http://tax.example/in", None);
        check("/in", None);
        check("https://", None);
        check("https://in_valid host/", None);
    }

    #[test]
    fn answers_are_cut_between_characters() {
        let text_of = |bytes: &[u8]| {
            let answer = ReceiverAnswer {
                status: 500,
                media_type: None,
                body: Bytes::copy_from_slice(bytes),
                certificate: Digest([0; 32]),
                retry_after: None,
            };
            answer.text()
        };
        let long = "税".repeat(ANSWER_BYTES_MAX);
        let cut = text_of(long.as_bytes());
        assert_eq!(cut.len(), ANSWER_BYTES_MAX - ANSWER_BYTES_MAX % 3);
        assert!(long.starts_with(&cut));
        assert_eq!(text_of(b"\xffx"), "\u{fffd}x");
    }
}
