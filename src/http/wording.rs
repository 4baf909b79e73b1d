//! Words for the answers that hyper gives by itself.
//!
//! What is no HTTP/1.1 request never becomes one: hyper writes a status without a body and closes the
//! connection. [`Worded`] stands between hyper and the line, knows such an answer by its form, and has
//! the [`Door`](super::Door) answer in its place, so that it is a problem like any other, counted and logged.
//! HTTP/2 has no such answers: what is malformed there resets its stream.
//!
//! Limits: an answer of hyper's own is one write of at most [`OWN_ANSWER_BYTES_MAX`] bytes; a longer one is
//! passed on as it is.

use super::Response;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::{Body, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// Bytes of the longest answer that hyper writes by itself: a status line and three fields.
const OWN_ANSWER_BYTES_MAX: usize = 256;

/// A line whose other end hears a problem wherever hyper would answer by itself.
pub struct Worded<S, W> {
    line: S,
    words: W,
    /// What takes the place of hyper's answer, as far as it is not written yet.
    left: Bytes,
}

impl<S, W> Worded<S, W> {
    /// A line, and what makes the answer in place of one that has only this status.
    pub fn new(line: S, words: W) -> Self {
        Self { line, words, left: Bytes::new() }
    }
}

impl<S: Write + Unpin, W: Fn(StatusCode) -> Response + Unpin> Worded<S, W> {
    /// Writes what is left of an answer of ours.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.left.is_empty() {
            let written = ready!(Pin::new(&mut self.line).poll_write(cx, &self.left))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            drop(self.left.split_to(written));
        }
        Poll::Ready(Ok(()))
    }

    /// Takes an answer of hyper's own, and says so; anything else is left to be written.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        let own = own_answer(bytes);
        if let Some(status) = own {
            self.left = on_the_line((self.words)(status));
        }
        own.is_some()
    }
}

impl<S: Read + Unpin, W: Unpin> Read for Worded<S, W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_read(cx, into)
    }
}

impl<S: Write + Unpin, W: Fn(StatusCode) -> Response + Unpin> Write for Worded<S, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_left(cx))?;
        if self.takes(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.line).poll_write(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_left(cx))?;
        if let [only] = slices
            && self.takes(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        Pin::new(&mut self.line).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_left(cx))?;
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_left(cx))?;
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}

/// The status of an answer that hyper gives by itself. A refusal of the gateway's own always has a body
/// and says of what type; an answer of hyper's own has neither.
fn own_answer(bytes: &[u8]) -> Option<StatusCode> {
    if bytes.len() > OWN_ANSWER_BYTES_MAX || !bytes.starts_with(b"HTTP/1.") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let (line, fields) = head.split_once("\r\n")?;
    let status: StatusCode = line.split(' ').nth(1)?.parse().ok()?;
    let names = |name: &str| fields.lines().any(|field| field.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name)));
    (status.is_client_error() && names("content-length") && !names("content-type")).then_some(status)
}

/// An answer as HTTP/1.1 writes it; the connection ends with it.
fn on_the_line(response: Response) -> Bytes {
    let (head, body) = response.into_parts();
    let body = whole(body.into_whole());
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).into_bytes());
    bytes.extend(&body);
    bytes.into()
}

/// The bytes of a body that is in memory: it is always ready, in one piece.
fn whole(mut body: Full<Bytes>) -> Bytes {
    match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, status: Option<u16>) {
        assert_eq!(own_answer(written.as_bytes()).map(|s| s.as_u16()), status);
    }

    #[test]
    fn an_answer_of_hypers_own_is_known() {
        check(
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
            Some(400),
        );
        check("HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n", Some(431));
        check("HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\nContent-Length: 0\r\n\r\n", None);
        check("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", None);
        check("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}", None);
        check("HTTP/1.1 100 Continue\r\n\r\n", None);
        check("HTTP/1.1 nonsense\r\n\r\n", None);
        check("", None);
    }
}
