//! A receiver: a real server behind mutual TLS that answers as its script says and remembers what came.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use portolan::certs::Issued;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// One answer of a script.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status, these fields, this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The delivery is taken in, and nothing is ever answered.
    Silence,
    /// The delivery is taken in, and the line is cut.
    Cut,
    /// The delivery is taken in, and acknowledged once the test says so.
    Held,
}

impl Reply {
    /// A bare status.
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }
}

/// One attempt as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub fields: hyper::HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// A field's value; empty where it is missing.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What the server and the test share.
#[derive(Default)]
pub struct Shared {
    script: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    release: Notify,
}

/// A running receiver; dropping it closes its port and every connection.
pub struct Receiver {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// A server's certificate, whom it admits, and what it speaks.
pub struct Server<'a> {
    pub identity: &'a Issued,
    pub client_authority: &'a Path,
    pub protocol: &'static str,
}

impl Receiver {
    /// Listens on a port, 0 for any.
    pub async fn start(server: &Server<'_>, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        let acceptor = TlsAcceptor::from(Arc::new(tls(server)));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, acceptor, shared.clone()));
        Self { address, shared, _tasks: tasks }
    }

    /// What is to be answered, in order; afterwards everything is acknowledged with 204.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.script.lock().unwrap().extend(replies);
    }

    /// Every attempt so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Connections that finished their handshake.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Lets one held answer go.
    pub fn release(&self) {
        self.shared.release.notify_one();
    }
}

fn tls(server: &Server<'_>) -> rustls::ServerConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(server.client_authority).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let chain = CertificateDer::pem_file_iter(&server.identity.chain).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(server.identity.key.as_ref().unwrap()).unwrap();
    let mut config = rustls::ServerConfig::builder().with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![server.protocol.as_bytes().to_vec()];
    config
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let service = service_fn(|request| answer(shared.clone(), request));
            // A connection that the other side gives up is no failure of a test.
            let _ended = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(response(400, &[], "")) };
    shared.seen.lock().unwrap().push(Seen {
        path: head.uri.path_and_query().map_or("", |path| path.as_str()).to_owned(),
        fields: head.headers,
        body: body.to_bytes(),
    });
    let reply = shared.script.lock().unwrap().pop_front().unwrap_or(Reply::status(204));
    Ok(match reply {
        Reply::Answer(status, fields, body) => response(status, &fields, &body),
        Reply::Silence => std::future::pending().await,
        Reply::Cut => return Err(io::ErrorKind::ConnectionReset.into()),
        Reply::Held => {
            shared.release.notified().await;
            response(204, &[], "")
        }
    })
}

fn response(status: u16, fields: &[(&'static str, String)], body: &str) -> Response<Full<Bytes>> {
    let builder = fields.iter().fold(Response::builder().status(status), |builder, (name, value)| builder.header(*name, value));
    builder.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}
