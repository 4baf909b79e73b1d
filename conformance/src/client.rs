//! A partner's side of the line: TLS with an identity or without, HTTP/1.1, HTTP/2, and bytes as
//! they stand.

use crate::BoxError;
use crate::identities::{Identities, Identity};
use crate::scenario::{Protocol, Then, TlsVersion};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::HOST;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Time for an answer. Nothing depends on it but how long a gateway that hangs is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Bytes of a body in one frame.
const FRAME_BYTES: usize = 64 * 1024;

/// A line to the gateway: bytes both ways, over TLS or plain.
pub type Line = Box<dyn Duplex>;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was answered.
    Answer(Answer),
    /// A TLS alert ended the connection; its name in RFC 8446.
    Alert(String),
    /// The connection ended without an answer, or none was awaited.
    Silence(String),
}

/// Whom to call, and as whom.
pub struct Dial<'i> {
    /// The gateway.
    pub address: SocketAddr,
    /// The identities.
    pub identities: &'i Identities,
    /// The caller; `none` shows no certificate.
    pub identity: &'i str,
    /// The one TLS version to offer, or both.
    pub tls: Option<TlsVersion>,
}

/// A request that is ready to be sent.
pub struct Call {
    /// The protocol.
    pub protocol: Protocol,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Whether its length is left unsaid.
    pub chunked: bool,
}

impl Dial<'_> {
    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When the request cannot be put together or the gateway cannot be reached.
    pub async fn call(&self, call: Call) -> Result<Outcome, BoxError> {
        let line = match self.line(Some(call.protocol)).await? {
            Ok(line) => line,
            Err(outcome) => return Ok(outcome),
        };
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, answer(self.address, line, call)).await;
        Ok(match answered {
            Err(_) => Outcome::Silence("no answer in time".to_owned()),
            Ok(Ok(answer)) => Outcome::Answer(answer),
            Ok(Err(error)) => ended(error.as_ref()),
        })
    }

    /// Sends bytes as they stand; the line comes back where it is to be held open.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub async fn send(&self, bytes: &[u8], then: Then) -> Result<(Outcome, Option<Line>), BoxError> {
        match self.line(Some(Protocol::Http1)).await? {
            Ok(line) => Ok(send_on(line, bytes, then).await),
            Err(outcome) => Ok((outcome, None)),
        }
    }

    /// Shakes hands and listens without a word: how the gateway turns a caller away.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub async fn listen(&self) -> Result<Outcome, BoxError> {
        // Without a protocol offered the gateway has nothing to say first.
        match self.line(None).await? {
            Ok(mut line) => Ok(wait(&mut line).await),
            Err(outcome) => Ok(outcome),
        }
    }

    async fn line(&self, protocol: Option<Protocol>) -> Result<Result<Line, Outcome>, BoxError> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        if self.tls == Some(TlsVersion::Plain) {
            return Ok(Ok(Box::new(stream)));
        }
        let mut config = config(self.identities, self.identities.find(self.identity)?, self.tls)?;
        config.alpn_protocols = protocol.map(|p| p.to_string().into_bytes()).into_iter().collect();
        match TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, stream).await {
            Ok(line) => Ok(Ok(Box::new(line))),
            Err(error) => Ok(Err(ended(&error))),
        }
    }
}

/// Sends bytes as they stand on a line that is there; it comes back where it is to be held open.
pub async fn send_on(mut line: Line, bytes: &[u8], then: Then) -> (Outcome, Option<Line>) {
    if let Err(error) = send(&mut line, bytes, then).await {
        return (ended(&error), None);
    }
    match then {
        Then::Hold => (Outcome::Silence("the line is held".to_owned()), Some(line)),
        Then::Cut => (Outcome::Silence("the line was cut".to_owned()), None),
        Then::Wait | Then::HalfClose => (wait(&mut line).await, None),
    }
}

fn config(identities: &Identities, identity: Option<&Identity>, tls: Option<TlsVersion>) -> Result<ClientConfig, BoxError> {
    let versions = match tls {
        None | Some(TlsVersion::Plain) => vec![&TLS13, &TLS12],
        Some(TlsVersion::Tls12) => vec![&TLS12],
        Some(TlsVersion::Tls13) => vec![&TLS13],
    };
    let mut roots = RootCertStore::empty();
    roots.add(identities.authority.clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions)?.with_root_certificates(roots);
    Ok(match identity {
        Some(identity) => builder.with_client_auth_cert(vec![identity.certificate.clone()], identity.key())?,
        None => builder.with_no_client_auth(),
    })
}

async fn answer(address: SocketAddr, line: Line, call: Call) -> Result<Answer, BoxError> {
    let mut request = Request::builder().method(call.method.as_str());
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    let body = Outgoing { rest: call.body, chunked: call.chunked };
    let line = TokioIo::new(line);
    let response = match call.protocol {
        Protocol::Http1 => {
            let request = request.version(Version::HTTP_11).uri(&call.path).header(HOST, format!("localhost:{}", address.port()));
            let (mut sender, connection) = hyper::client::conn::http1::handshake(line).await?;
            tokio::spawn(connection);
            sender.send_request(request.body(body)?).await?
        }
        Protocol::Http2 => {
            let request = request.version(Version::HTTP_2).uri(format!("https://localhost:{}{}", address.port(), call.path));
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), line).await?;
            tokio::spawn(connection);
            sender.send_request(request.body(body)?).await?
        }
    };
    let (parts, body) = response.into_parts();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.collect().await?.to_bytes().to_vec(),
    })
}

async fn send(line: &mut Line, bytes: &[u8], then: Then) -> io::Result<()> {
    line.write_all(bytes).await?;
    line.flush().await?;
    if then == Then::HalfClose {
        line.shutdown().await?;
    }
    Ok(())
}

async fn wait(line: &mut Line) -> Outcome {
    match tokio::time::timeout(ANSWER_TIMEOUT, read(line)).await {
        Err(_) => Outcome::Silence("no answer in time".to_owned()),
        Ok(Ok(Some(answer))) => Outcome::Answer(answer),
        Ok(Ok(None)) => Outcome::Silence("the gateway closed the line".to_owned()),
        Ok(Err(error)) => ended(&error),
    }
}

/// Reads one HTTP/1.1 answer, passing over provisional ones.
async fn read(line: &mut Line) -> io::Result<Option<Answer>> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; FRAME_BYTES];
    loop {
        if let Some((mut answer, length)) = parse(&bytes) {
            let body_bytes: Option<usize> = answer.header("content-length").and_then(|v| v.parse().ok());
            if (100..200).contains(&answer.status) {
                bytes.drain(..length);
                continue;
            }
            if body_bytes.is_none_or(|bytes| answer.body.len() >= bytes) {
                // What follows is the answer to what follows the request.
                answer.body.truncate(body_bytes.unwrap_or(0));
                return Ok(Some(answer));
            }
        }
        let read = line.read(&mut piece).await?;
        if read == 0 || bytes.len() > ANSWER_BYTES_MAX {
            return Ok(parse(&bytes).map(|(answer, _)| answer));
        }
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
}

/// The answer that begins these bytes, with as much of its body as is there, and its head's length.
fn parse(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some((Answer { status, headers, body: bytes.get(end..)?.to_vec() }, end))
}

/// How a connection ended, as far as the error says.
fn ended(error: &(dyn Error + 'static)) -> Outcome {
    let mut at = Some(error);
    while let Some(error) = at {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).and_then(|e| e.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = inside {
            return Outcome::Alert(alert_name(*alert));
        }
        at = error.source();
    }
    Outcome::Silence(error.to_string())
}

/// The names of RFC 8446, section 6.2, of the alerts that speak of certificates.
fn alert_name(alert: AlertDescription) -> String {
    match u8::from(alert) {
        40 => "handshake_failure".to_owned(),
        42 => "bad_certificate".to_owned(),
        43 => "unsupported_certificate".to_owned(),
        44 => "certificate_revoked".to_owned(),
        45 => "certificate_expired".to_owned(),
        46 => "certificate_unknown".to_owned(),
        48 => "unknown_ca".to_owned(),
        49 => "access_denied".to_owned(),
        70 => "protocol_version".to_owned(),
        116 => "certificate_required".to_owned(),
        number => format!("alert {number}"),
    }
}

/// A body in frames, its length said or not.
struct Outgoing {
    rest: Bytes,
    chunked: bool,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(FRAME_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked { SizeHint::default() } else { SizeHint::with_exact(self.rest.len() as u64) }
    }
}
