//! HTTP over TLS, the same for partners and operators: connections, their limits and their end.
//!
//! HTTP/1.1 and HTTP/2 by ALPN. A connection has a handshake time, a header time, a greatest age
//! and bounded buffers; how many there are is bounded too. What is asked of it is the [`Door`]'s.

pub mod query;

use crate::config::RequestLimits;
use crate::fault::problem::{PROBLEM_TYPE, problem};
use crate::fault::{Fault, FaultCode, Retry};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::pki_types::CertificateDer;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Requests open at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// Streams that a peer may reset before hyper has looked at them (CVE-2023-44487).
const RESET_STREAMS_MAX: usize = 20;
/// Bytes in flight to us on one HTTP/2 stream and connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Smallest header buffer that hyper takes.
const HEADER_BUFFER_BYTES_MIN: usize = 8 * 1024;
/// How often an idle HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Every answer of the gateway.
pub type Response = hyper::Response<Full<Bytes>>;

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
    /// A fault of identity; the connection is closed.
    fn caller(&self, from: IpAddr, chain: &[CertificateDer<'_>]) -> Result<Self::Caller, Fault>;

    /// A connection was turned away, or its handshake failed; for counters and logs.
    fn turned_away(&self, from: IpAddr, why: TurnedAway<'_>);

    /// Answers a request.
    async fn answer(self: Arc<Self>, caller: Arc<Self::Caller>, request: Request<Incoming>) -> Response;
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
    /// The caller is nobody.
    Unknown(&'e Fault),
}

/// Listens until `stop` says true; then open connections are asked to end, and are cut after the
/// shutdown time.
pub async fn listen<D: Door>(listener: TcpListener, door: Arc<D>, limits: RequestLimits, mut stop: watch::Receiver<bool>) {
    let limits = Arc::new(limits);
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, from)) => {
                if let Some(place) = place(&door, &places, from) {
                    connections.spawn(connection(stream, from, Arc::clone(&door), Arc::clone(&limits), stop.clone(), place));
                }
            }
            // Out of file descriptors or the like: others may be closed meanwhile.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.shutdown_timeout, ended).await.is_err() {
        tracing::warn!("connections were cut at the end of the shutdown time");
    }
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
    _place: OwnedSemaphorePermit,
) {
    let from = from.ip();
    let _ = stream.set_nodelay(true);
    let handshake = TlsAcceptor::from(door.server_config()).accept(stream);
    let stream = match tokio::time::timeout(limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return door.turned_away(from, TurnedAway::Handshake(&error)),
        Err(_) => return door.turned_away(from, TurnedAway::Slow),
    };
    let caller = match door.caller(from, stream.get_ref().1.peer_certificates().unwrap_or_default()) {
        Ok(caller) => Arc::new(caller),
        Err(fault) => return door.turned_away(from, TurnedAway::Unknown(&fault)),
    };
    let under_way = Arc::new(Semaphore::new(STREAMS_MAX as usize));
    let service = service_fn(move |request| {
        let answering = answering(Arc::clone(&door), Arc::clone(&caller), &under_way, request);
        async move { Ok::<_, Infallible>(answering.await.unwrap_or_else(|fault| refusal(&fault, 0, false))) }
    });
    let builder = builder(&limits);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
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
/// the last byte of a body read and not handed over yet; the body would be whole and not committed.
/// What is under way on one connection stays bounded although it outlives its stream.
fn answering<D: Door>(
    door: Arc<D>,
    caller: Arc<D::Caller>,
    under_way: &Arc<Semaphore>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Fault>> + use<D> {
    let place = Arc::clone(under_way).try_acquire_owned();
    let task = place.map(|place| {
        tokio::spawn(async move {
            let response = door.answer(caller, request).await;
            drop(place);
            response
        })
    });
    async move {
        let task = task.map_err(|_| Fault::new(FaultCode::TooManyRequests))?;
        task.await.map_err(|error| Fault::new(FaultCode::Internal).caused_by(error))
    }
}

fn builder(limits: &RequestLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max.max(HEADER_BUFFER_BYTES_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// An answer with a body.
pub fn answer(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
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
