//! Receiving a body: hashed, counted and spooled as it arrives, without a thread for a slow sender.

use crate::config::RequestLimits;
use crate::domain::Digest;
use crate::fault::{Fault, FaultCode};
use crate::spool::{Spool, SpoolWriter, Spooled};
use crate::translate::storage_fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::io::Write;
use std::time::Duration;

/// Bytes gathered before a write to a spool file is handed to a blocking thread.
const WRITE_BYTES: usize = 512 * 1024;

/// A whole body. No sender can slow it any more.
#[derive(Debug)]
pub struct ReceivedBody {
    /// The bytes.
    pub spooled: Spooled,
    /// Their digest.
    pub digest: Digest,
}

/// A `Content-Digest` field (RFC 9530), as far as it is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentDigest(Digest);

impl ContentDigest {
    /// Reads the field's `sha-256` member.
    ///
    /// # Errors
    /// No `sha-256` in it, or one that is no digest.
    pub fn parse(value: &str) -> Result<Self, Fault> {
        let member = value.split(',').find_map(|m| m.trim().strip_prefix("sha-256="));
        let Some(member) = member else { return Err(Fault::new(FaultCode::DigestUnsupported).detail("请使用 sha-256", "use sha-256")) };
        let malformed = || {
            Fault::new(FaultCode::HeaderInvalid)
                .detail("Content-Digest 的 sha-256 应为 :BASE64:", "sha-256 in Content-Digest must be :BASE64:")
        };
        let text = member.trim().strip_prefix(':').and_then(|m| m.strip_suffix(':')).ok_or_else(malformed)?;
        let bytes = STANDARD.decode(text).map_err(|_| malformed())?;
        Ok(Self(Digest(bytes.try_into().map_err(|_| malformed())?)))
    }
}

/// Receives a body to its end.
///
/// # Errors
/// Too large, too slow, broken off, or not what its `Content-Digest` says.
pub async fn receive<B>(
    mut body: B,
    limits: &RequestLimits,
    spool: &Spool,
    promised: Option<ContentDigest>,
    mut charge: impl FnMut(u64) -> Result<(), Fault>,
) -> Result<ReceivedBody, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let deadline = tokio::time::Instant::now() + limits.body_timeout;
    let mut writer = spool.writer();
    let mut waiting = BytesMut::new();
    let mut total = 0_u64;
    while let Some(data) = next(&mut body, limits.body_idle_timeout, deadline).await? {
        total += data.len() as u64;
        if total > limits.body_bytes_max {
            return Err(too_large(limits.body_bytes_max));
        }
        charge(data.len() as u64)?;
        if waiting.is_empty() && writer.stays_in_memory(data.len()) {
            writer.write_all(&data).map_err(storage_fault)?;
            continue;
        }
        waiting.extend_from_slice(&data);
        if waiting.len() >= WRITE_BYTES {
            writer = write(writer, waiting.split().freeze()).await?;
        }
    }
    if !waiting.is_empty() {
        writer = write(writer, waiting.freeze()).await?;
    }
    let (spooled, digest) = writer.finish().map_err(storage_fault)?;
    match promised {
        Some(ContentDigest(promised)) if promised != digest => Err(Fault::new(FaultCode::DigestMismatch)
            .detail(format!("收到的字节 SHA-256 为 {digest}"), format!("the SHA-256 of the bytes that arrived is {digest}"))),
        _ => Ok(ReceivedBody { spooled, digest }),
    }
}

/// The fault of a body larger than `bytes_max`.
pub fn too_large(bytes_max: u64) -> Fault {
    Fault::new(FaultCode::BodyTooLarge).detail(format!("报文上限为 {bytes_max} 字节"), format!("a body may have {bytes_max} bytes"))
}

async fn next<B>(body: &mut B, idle: Duration, deadline: tokio::time::Instant) -> Result<Option<Bytes>, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        let until = deadline.min(tokio::time::Instant::now() + idle);
        match tokio::time::timeout_at(until, body.frame()).await {
            Err(_) => return Err(Fault::new(FaultCode::RequestTimeout)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Fault::new(FaultCode::BodyInterrupted)),
            // Trailers carry nothing that the gateway reads.
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

async fn write(mut writer: SpoolWriter, data: Bytes) -> Result<SpoolWriter, Fault> {
    let written = tokio::task::spawn_blocking(move || writer.write_all(&data).map(|()| writer)).await;
    match written {
        Ok(result) => result.map_err(storage_fault),
        Err(error) => Err(Fault::new(FaultCode::Internal).caused_by(error)),
    }
}
