//! HTTP over TLS, the same for partners and operators: connections, their limits and their end.
//!
//! HTTP/1.1 and HTTP/2 by ALPN. A connection has a handshake time, a header time, a greatest age
//! and bounded buffers; how many there are is bounded too. What is asked of it is the [`Door`]'s.
//!
//! What is no HTTP/1.1 request at all (a malformed request line or field, a `Content-Length` that is no
//! number, more than 100 fields, a header section beyond [`HEADER_BUFFER_FACTOR`] times the limit) never
//! reaches a door as a request; [`wording`] has the door refuse it nevertheless.

mod body;
pub mod query;
mod wording;

pub use body::Body;

use crate::config::RequestLimits;
use crate::fault::problem::{PROBLEM_TYPE, problem};
use crate::fault::{Fault, FaultCode, Retry};
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::pki_types::CertificateDer;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use wording::Worded;

/// Protocols offered by ALPN, best first, whichever side the gateway is on.
pub const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Requests open at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// Streams that a peer may reset before hyper has looked at them (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
/// Bytes in flight to us on one HTTP/2 stream and connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Smallest header buffer that hyper takes.
const HEADER_BUFFER_BYTES_MIN: usize = 8 * 1024;
/// How many times the header limit hyper reads: a lesser excess is left to [`within_header_bytes`], which
/// knows the request and the language of its answer.
const HEADER_BUFFER_FACTOR: usize = 2;
/// The same over HTTP/2, where the list is counted decompressed and nobody can put words to what is cut off:
/// a caller that ignores the size it was told by so much is answered 431 by the HTTP library alone.
const HEADER_LIST_FACTOR: usize = 16;
/// Longest time that a connection is read on after we closed our side.
const LINGER_MAX: Duration = Duration::from_secs(5);
/// How often an idle HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Every answer of the gateway.
pub type Response = hyper::Response<Body>;

/// What a listener asks of those who come in, and does for them.
#[async_trait::async_trait]
pub trait Door: Send + Sync + 'static {
    /// What is known of a caller after the handshake.
    type Caller: Send + Sync + 'static;

    /// TLS for the next handshake.
    fn server_config(&self) -> Arc<rustls::ServerConfig>;

    /// Whether someone from this address may try a handshake now.
    fn admits_stranger(&self, from: IpAddr) -> bool;

    /// Who it is, once the handshake is done.
    ///
    /// # Errors
    /// A fault of identity, or too many connections; the connection is closed.
    fn caller(&self, from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<Self::Caller, Fault>;

    /// A connection was turned away, or its handshake failed; for counters and logs.
    fn turned_away(&self, from: IpAddr, why: TurnedAway<'_>);

    /// Answers a request.
    async fn answer(self: Arc<Self>, caller: Arc<Self::Caller>, head: Arc<Parts>, body: Incoming) -> Response;

    /// Answers a request that cannot be given to [`Door::answer`], or that it did not come back from.
    fn refuse(&self, caller: &Self::Caller, head: &Parts, fault: &Fault) -> Response;
}

/// Why a connection came to nothing.
pub enum TurnedAway<'e> {
    /// Too many handshakes from there.
    Stranger,
    /// Too many connections in all.
    Full,
    /// The handshake took too long.
    Slow,
    /// The handshake failed.
    Handshake(&'e io::Error),
    /// The caller is nobody, or has enough connections.
    Refused(&'e Fault),
}

impl TurnedAway<'_> {
    /// The reason, as counters and logs name it, and what more there is to say. `identity` is the fault
    /// of identity that made a handshake fail, if it was one.
    pub fn reason(&self, identity: impl Fn(&io::Error) -> Option<FaultCode>) -> (&'static str, String) {
        match self {
            Self::Stranger => ("strangers", String::new()),
            Self::Full => ("full", String::new()),
            Self::Slow => ("slow", String::new()),
            Self::Handshake(error) => (identity(error).map_or("handshake", FaultCode::as_str), error.to_string()),
            Self::Refused(fault) => (fault.code.as_str(), fault.to_string()),
        }
    }
}

/// Listens until `stop` says true; then open connections are asked to end. It returns when they have,
/// and everything that was asked over them is answered. How long that may take is the caller's: when
/// this is dropped, what is still open is cut.
pub async fn listen<D: Door>(listener: TcpListener, door: Arc<D>, limits: RequestLimits, mut stop: watch::Receiver<bool>) {
    let limits = Arc::new(limits);
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    // Every answer under way holds the sending side, so that their end is known.
    let (answers, mut answered) = mpsc::channel(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, from)) => {
                if let Some(place) = place(&door, &places, from) {
                    let requests = Requests { places: Arc::new(Semaphore::new(STREAMS_MAX as usize)), answers: answers.clone() };
                    connections.spawn(connection(stream, from, Arc::clone(&door), Arc::clone(&limits), stop.clone(), requests, place));
                }
            }
            // Out of file descriptors or the like: others may be closed meanwhile.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop((listener, answers));
    while connections.join_next().await.is_some() {}
    while answered.recv().await.is_some() {}
}

/// The requests of one connection.
struct Requests {
    /// What is under way stays bounded although it outlives its stream.
    places: Arc<Semaphore>,
    /// Held by each answer until it is made; nothing is ever sent.
    answers: mpsc::Sender<Infallible>,
}

fn place<D: Door>(door: &Arc<D>, places: &Arc<Semaphore>, from: SocketAddr) -> Option<OwnedSemaphorePermit> {
    if !door.admits_stranger(from.ip()) {
        door.turned_away(from.ip(), TurnedAway::Stranger);
        return None;
    }
    let place = Arc::clone(places).try_acquire_owned().ok();
    if place.is_none() {
        door.turned_away(from.ip(), TurnedAway::Full);
    }
    place
}

async fn connection<D: Door>(
    stream: TcpStream,
    from: SocketAddr,
    door: Arc<D>,
    limits: Arc<RequestLimits>,
    mut stop: watch::Receiver<bool>,
    requests: Requests,
    _place: OwnedSemaphorePermit,
) {
    let from = from.ip();
    let _ = stream.set_nodelay(true);
    let handshake = TlsAcceptor::from(door.server_config()).accept(Lingering { line: stream, until: None });
    let stream = match tokio::time::timeout(limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return door.turned_away(from, TurnedAway::Handshake(&error)),
        Err(_) => return door.turned_away(from, TurnedAway::Slow),
    };
    let caller = match door.caller(from, stream.get_ref().1.peer_certificates().unwrap_or_default()) {
        Ok(caller) => Arc::new(caller),
        Err(fault) => return door.turned_away(from, TurnedAway::Refused(&fault)),
    };
    let malformed = {
        let (door, caller) = (Arc::clone(&door), Arc::clone(&caller));
        move |status| refuse_malformed(door.as_ref(), &caller, status)
    };
    let service = service_fn(move |request| {
        let answering = answering(Arc::clone(&door), Arc::clone(&caller), &requests, request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let builder = builder(&limits);
    let serving = builder.serve_connection(Worded::new(TokioIo::new(stream), malformed), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
        () = tokio::time::sleep(limits.connection_age_max) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.body_timeout, serving).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection broke");
    }
}

/// Answers a request in a task of its own. hyper drops what answers a line that was lost, even with
/// the last byte of a body read and not handed over yet; the body would be whole and not committed. What
/// only reads ends with its line, or a caller could leave behind more work than it may have under way.
fn answering<D: Door>(
    door: Arc<D>,
    caller: Arc<D::Caller>,
    requests: &Requests,
    request: Request<Incoming>,
) -> impl Future<Output = Response> + use<D> {
    let (head, body) = request.into_parts();
    let (only_reads, head) = (head.method.is_safe(), Arc::new(head));
    let task = Arc::clone(&requests.places).try_acquire_owned().map(|place| {
        let (door, caller, head, answers) = (Arc::clone(&door), Arc::clone(&caller), Arc::clone(&head), requests.answers.clone());
        let task = tokio::spawn(async move {
            let response = door.answer(caller, head, body).await;
            drop((place, answers));
            response
        });
        Answering { task, only_reads }
    });
    async move {
        let answered = match task {
            Ok(mut answering) => (&mut answering.task).await.map_err(|error| Fault::new(FaultCode::Internal).caused_by(error)),
            Err(_) => Err(Fault::new(FaultCode::TooManyRequests).detail(
                format!("同一连接上处理中的请求不得超过 {STREAMS_MAX} 个"),
                format!("a connection may have at most {STREAMS_MAX} requests under way"),
            )),
        };
        let response = answered.unwrap_or_else(|fault| door.refuse(&caller, &head, &fault));
        if head.method == Method::HEAD { without_body(response) } else { response }
    }
}

/// The answer to HEAD: that to GET, whose length is told and whose body stays here (RFC 9110, section 9.3.2). HTTP/2 has
/// no place for bytes behind it.
fn without_body(mut response: Response) -> Response {
    let length = response.body().size_hint().lower();
    *response.body_mut() = Body::default();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// An answer under way.
struct Answering<T> {
    task: JoinHandle<T>,
    only_reads: bool,
}

impl<T> Drop for Answering<T> {
    fn drop(&mut self) {
        if self.only_reads {
            self.task.abort();
        }
    }
}

/// The refusal of what is no request, in place of an answer that has only a status.
fn refuse_malformed<D: Door>(door: &D, caller: &D::Caller, status: StatusCode) -> Response {
    let fault = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => Fault::new(FaultCode::HeaderTooLarge),
        _ => Fault::new(FaultCode::HeaderInvalid)
            .detail("请求行或某个请求头不符合 HTTP/1.1", "the request line or a header field is not HTTP/1.1"),
    };
    let (nothing, ()) = Request::new(()).into_parts();
    door.refuse(caller, &nothing, &fault)
}

fn builder(limits: &RequestLimits) -> auto::Builder<TokioExecutor> {
    let header_buffer_bytes = limits.header_bytes_max.saturating_mul(HEADER_BUFFER_FACTOR).max(HEADER_BUFFER_BYTES_MIN);
    let header_list_bytes = limits.header_bytes_max.saturating_mul(HEADER_LIST_FACTOR);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).max_buf_size(header_buffer_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_header_list_size(u32::try_from(header_list_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// Refuses a header section of more than `bytes_max` bytes, each field counted as HTTP/1.1 writes it.
///
/// # Errors
/// [`FaultCode::HeaderTooLarge`].
pub fn within_header_bytes(headers: &HeaderMap, bytes_max: usize) -> Result<(), Fault> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + ": \r\n".len() + value.len()).sum();
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(Fault::new(FaultCode::HeaderTooLarge).detail(
        format!("请求头共 {bytes} 字节，上限为 {bytes_max} 字节"),
        format!("the header section has {bytes} bytes of at most {bytes_max}"),
    ))
}

/// An answer with a body.
pub fn answer(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A fault as problem+json, with `Retry-After` where trying again can help.
pub fn refusal(fault: &Fault, findings_left_out: u64, zh: bool) -> Response {
    refusal_with(fault, problem(fault, findings_left_out, zh).to_bytes())
}

/// The refusal of a method that an address does not support; `allowed` are those that it does.
pub fn method_not_allowed(allowed: &'static str, zh: bool) -> Response {
    let fault = Fault::new(FaultCode::MethodNotAllowed).detail(format!("可用方法：{allowed}"), format!("use {allowed}"));
    let mut response = refusal(&fault, 0, zh);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A fault with a problem body that was made already.
pub fn refusal_with(fault: &Fault, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(fault.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, PROBLEM_TYPE, body);
    let seconds = match fault.retry {
        Retry::AfterSeconds(seconds) => Some(seconds),
        Retry::Later if matches!(fault.code.status(), 429 | 503) => Some(1),
        Retry::Later if fault.code == FaultCode::RepeatInFlight => Some(1),
        _ => None,
    };
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A line that is closed in stages (RFC 9112, section 9.6): whoever is refused in the middle of a body
/// goes on sending, and bytes that nobody reads would reset the line before the refusal is read.
struct Lingering {
    line: TcpStream,
    until: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_read(cx, into)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.line).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    /// Closes our side, then reads on until the peer closes its own or [`LINGER_MAX`] is over.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { line, until } = &mut *self;
        let until = match until {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut *line).poll_shutdown(cx))?;
                until.insert(Box::pin(tokio::time::sleep(LINGER_MAX)))
            }
        };
        let mut bytes = [0; 8 * 1024];
        while until.as_mut().poll(cx).is_pending() {
            let mut into = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut *line).poll_read(cx, &mut into));
            if read.is_err() || into.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
