//! One call of the gateway: a line of its own, the request, and the whole answer.

use crate::certs::files;
use crate::delivery::push::{Line, Place, TransportError, dial, shake_hands_tls, why_closed, with_causes};
use crate::delivery::retry::RetryAfter;
use crate::domain::Digest;
use crate::fault::FaultCode;
use crate::http::PROTOCOLS;
use base64::Engine;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HOST, HeaderMap, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use indicatif::ProgressBar;
use jiff::Timestamp;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Time for a connection and its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Time in which some byte must go out, or the answer come in.
const STALL_TIMEOUT: Duration = Duration::from_secs(300);
/// Time for a gateway to say that it does not admit us.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes of the body that go out at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// The fault behind an alert of the gateway's, as far as an alert tells it.
fn code_of(alert: AlertDescription) -> Option<FaultCode> {
    match alert {
        AlertDescription::CertificateRequired => Some(FaultCode::CertificateMissing),
        AlertDescription::CertificateExpired => Some(FaultCode::CertificateExpired),
        AlertDescription::CertificateRevoked => Some(FaultCode::CertificateRevoked),
        AlertDescription::AccessDenied => Some(FaultCode::CertificateUnlisted),
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::UnsupportedCertificate => {
            Some(FaultCode::CertificateUntrusted)
        }
        _ => None,
    }
}

/// `Content-Digest` of these bytes (RFC 9530).
pub fn content_digest(digest: Digest) -> String {
    format!("sha-256=:{}:", base64::engine::general_purpose::STANDARD.encode(digest.0))
}

/// A gateway's address, and what its caller is known by: arguments that every calling command takes.
#[derive(Debug, clap::Args)]
pub struct Access {
    /// The gateway's address, https://HOST:PORT
    #[arg(long, value_name = "URL")]
    url: String,
    /// Your certificate with its chain, PEM
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Its private key, PEM; only its owner may read it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The authority that the gateway's certificate must come from, PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
}

impl Access {
    /// The caller that these describe.
    ///
    /// # Errors
    /// What is wrong with the address or with a file.
    pub fn caller(&self) -> Result<Caller, String> {
        Caller::new(&self.url, &self.cert, &self.key, &self.ca)
    }
}

/// A file that goes as the body, and the bar that shows how far it is.
pub struct Upload<'f> {
    /// Where its bytes lie.
    pub path: &'f Path,
    /// How many they are.
    pub bytes: u64,
    /// Moves as they go.
    pub bar: ProgressBar,
}

/// Calls one gateway with one certificate.
pub struct Caller {
    place: Place,
    tls: Arc<ClientConfig>,
}

/// What the gateway answered.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Whether the same request may fare better later, and how long the gateway wants to be left alone.
    pub fn again(&self) -> Option<Duration> {
        let retryable = serde_json::from_slice::<serde_json::Value>(&self.body).ok().and_then(|body| body.get("retryable")?.as_bool());
        let temporary = retryable.unwrap_or(matches!(self.status, 408 | 425 | 429 | 502 | 503 | 504));
        let field = self.headers.get(RETRY_AFTER).and_then(|value| RetryAfter::parse(value.to_str().ok()?));
        (temporary && self.status >= 400).then(|| field.map_or(Duration::ZERO, |field| field.wait_from(Timestamp::now())))
    }
}

type CallBody = UnsyncBoxBody<Bytes, io::Error>;

impl Caller {
    /// A caller with its identity, and the authority of the gateway's certificate.
    ///
    /// # Errors
    /// What is wrong with the address or with a file.
    fn new(url: &str, certificates: &Path, key: &Path, authority: &Path) -> Result<Self, String> {
        let named = |file: &Path| {
            let file = file.display().to_string();
            move |why: String| format!("{file}: {why}")
        };
        let place = Place::of(url).map_err(|e| told(&e))?;
        let mut roots = RootCertStore::empty();
        for certificate in files::read_certificates(authority).map_err(named(authority))? {
            roots.add(certificate).map_err(|e| named(authority)(format!("not an authority's certificate: {e}")))?;
        }
        let chain = files::read_certificates(certificates).map_err(named(certificates))?;
        let private = files::read_private_key(key).map_err(named(key))?;
        let mut tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private)
            .map_err(|e| format!("{} and {} cannot be used together: {e}", certificates.display(), key.display()))?;
        tls.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { place, tls: Arc::new(tls) })
    }

    /// Calls, and reads the answer to its end.
    ///
    /// # Errors
    /// Whatever kept an answer from coming back.
    pub async fn call(&self, method: Method, path: &str, headers: &HeaderMap, body: Option<Upload<'_>>) -> Result<Reply, TransportError> {
        let moved = Arc::new(AtomicU64::new(0));
        let body = match body {
            Some(upload) => FileBody::open(upload, Arc::clone(&moved)).await.map_err(unusable)?.boxed_unsync(),
            None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        };
        watched(&moved, self.exchange(method, path, headers, body)).await
    }

    /// Calls with a small body, and reads the answer to its end.
    ///
    /// # Errors
    /// Whatever kept an answer from coming back.
    pub async fn call_with(&self, method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Result<Reply, TransportError> {
        let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
        watched(&AtomicU64::new(0), self.exchange(method, path, headers, body)).await
    }

    async fn exchange(&self, method: Method, path: &str, headers: &HeaderMap, body: CallBody) -> Result<Reply, TransportError> {
        let dialed = tokio::time::timeout(CONNECT_TIMEOUT, dial::<CallBody>(self.tls.clone(), &self.place)).await;
        let (mut line, driver) = dialed.map_err(|_| TransportError::Timeout)??;
        let request = self.request(method, path, headers, body, matches!(line, Line::Http2(_)))?;
        let response = match &mut line {
            Line::Http1(sender) => sender.send_request(request).await,
            Line::Http2(sender) => sender.send_request(request).await,
        };
        match response {
            Ok(response) => read(response).await,
            Err(error) => {
                let why = if error.is_canceled() { why_closed(driver).await } else { with_causes(&error) };
                Err(self.not_admitted().await.unwrap_or(TransportError::Broken(why)))
            }
        }
    }

    /// Why the gateway does not admit this certificate, if it does not. In TLS 1.3 it says so only
    /// after the handshake, and a request that is being written then may only see a broken pipe: so
    /// this listens to a connection on which nothing is written.
    async fn not_admitted(&self) -> Option<TransportError> {
        let mut stream = shake_hands_tls(self.tls.clone(), &self.place).await.ok()?;
        let heard = tokio::time::timeout(LISTEN_TIMEOUT, stream.read_u8()).await.ok()?.err()?;
        match heard.get_ref()?.downcast_ref::<rustls::Error>()? {
            rustls::Error::AlertReceived(alert) => {
                let see = code_of(*alert).map_or(String::new(), |code| format!("; see `portolan explain {}`", code.as_str()));
                Some(TransportError::Unusable(format!("the gateway did not admit this certificate: {alert:?}{see}")))
            }
            _ => None,
        }
    }

    /// The request; HTTP/1.1 names the host in a field of its own, HTTP/2 in the address.
    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: CallBody,
        http2: bool,
    ) -> Result<Request<CallBody>, TransportError> {
        let path = format!("{}{path}", self.place.uri.path().trim_end_matches('/'));
        let uri: Uri = match (http2, self.place.uri.authority()) {
            (true, Some(authority)) => format!("https://{authority}{path}").parse(),
            _ => path.parse(),
        }
        .map_err(unusable)?;
        let mut request = Request::builder().method(method).uri(uri).body(body).map_err(unusable)?;
        *request.headers_mut() = headers.clone();
        if !http2 {
            request.headers_mut().insert(HOST, self.place.authority.clone());
        }
        Ok(request)
    }
}

/// A transport's error as the caller understands it.
pub fn told(error: &TransportError) -> String {
    match error {
        TransportError::Unreachable(why) => format!("the gateway cannot be reached: {why}"),
        TransportError::Timeout => "the gateway did not answer in time".to_owned(),
        TransportError::Untrusted(why) => format!("the gateway's certificate does not prove that it is the gateway: {why}"),
        TransportError::Broken(why) => format!("the line broke: {why}"),
        TransportError::TooLarge => error.to_string(),
        TransportError::Unusable(why) => why.clone(),
    }
}

fn unusable(error: impl std::fmt::Display) -> TransportError {
    TransportError::Unusable(error.to_string())
}

async fn read(response: Response<Incoming>) -> Result<Reply, TransportError> {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|e| TransportError::Broken(with_causes(&e)))?;
        body.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if body.len() > ANSWER_BYTES_MAX {
            return Err(unusable(format!("the answer has more than {ANSWER_BYTES_MAX} bytes")));
        }
    }
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.freeze() })
}

/// Gives a call up once nothing has moved for [`STALL_TIMEOUT`].
async fn watched<T>(moved: &AtomicU64, call: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
    let mut call = std::pin::pin!(call);
    let mut seen = 0;
    loop {
        match tokio::time::timeout(STALL_TIMEOUT, &mut call).await {
            Ok(done) => return done,
            Err(_) if moved.load(Ordering::Relaxed) == seen => return Err(TransportError::Timeout),
            Err(_) => seen = moved.load(Ordering::Relaxed),
        }
    }
}

/// A file as a body: read as it is sent.
struct FileBody {
    file: File,
    piece: Vec<u8>,
    left: u64,
    bar: ProgressBar,
    moved: Arc<AtomicU64>,
}

impl FileBody {
    async fn open(upload: Upload<'_>, moved: Arc<AtomicU64>) -> io::Result<Self> {
        let file = File::open(upload.path).await?;
        Ok(Self { file, piece: vec![0; PIECE_BYTES], left: upload.bytes, bar: upload.bar, moved })
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = ReadBuf::new(&mut this.piece);
        ready!(Pin::new(&mut this.file).poll_read(context, &mut piece))?;
        let read = piece.filled();
        let bytes = read.len() as u64;
        if bytes == 0 || bytes > this.left {
            let changed = io::Error::new(io::ErrorKind::InvalidData, "the file was changed while it was sent");
            return Poll::Ready(Some(Err(changed)));
        }
        this.left -= bytes;
        this.bar.inc(bytes);
        this.moved.fetch_add(bytes, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(read)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
