//! A partner's line, byte by byte: HTTP/1.1 over mutual TLS, so that a test can be slow, stop in the
//! middle and hang up where it wants.

use portolan::certs::files;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An open connection.
pub struct Line {
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Line {
    /// Dials with a certificate. A caller that is refused may learn of it only when it reads.
    pub async fn dial(to: SocketAddr, authority: &Path, chain: &Path, key: &Path) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in files::read_certificates(authority).unwrap() {
            roots.add(certificate).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(files::read_certificates(chain).unwrap(), files::read_private_key(key).unwrap())
            .unwrap();
        let tcp = TcpStream::connect(to).await?;
        tcp.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::new(tls)).connect("localhost".try_into().unwrap(), tcp).await?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Says that nothing more will be sent, as a line does that breaks off; answers could still be read.
    pub async fn hang_up(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Sends a request and reads the answer.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        self.read().await
    }

    /// Reads the next answer. `100 Continue` is one too.
    pub async fn read(&mut self) -> io::Result<Answer> {
        let head = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect::<Vec<u8>>();
                break String::from_utf8(head).unwrap();
            }
            self.more().await?;
        };
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            self.more().await?;
        }
        Ok(Answer { status, headers, body: self.unread.drain(..length).collect() })
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of a problem; empty where the answer is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The exchange that was made.
    pub fn exchange(&self) -> String {
        assert_eq!(self.status, 202, "{}", String::from_utf8_lossy(&self.body));
        self.json()["exchange"].as_str().unwrap().to_owned()
    }
}

/// A request that reads something.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// The head of a submission whose body will have so many bytes. `fields` end with CRLF each.
pub fn head(flow: &str, bytes: usize, fields: &str) -> Vec<u8> {
    format!(
        "POST /v1/flows/{flow}/exchanges HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {bytes}\r\n{fields}\r\n"
    )
    .into_bytes()
}

/// A whole submission.
pub fn post(flow: &str, body: &str, fields: &str) -> Vec<u8> {
    [head(flow, body.len(), fields), body.as_bytes().to_vec()].concat()
}

/// Payment confirmations (synthetic) under a message id: so many, each with a reference of its own.
pub fn payments(message_id: &str, records: usize) -> String {
    let record = |number| {
        json!({
            "message_id": message_id, "account": { "number": "1100106100220000001" }, "servicer_reference": format!("{message_id}-{number}"),
            "amount": "100.00", "currency": "CNY", "credit_debit": "credit", "reversal": false, "status": "booked",
            "booking_date": "2026-10-12",
        })
    };
    (0..records).map(|number| format!("{}\n", record(number))).collect()
}
