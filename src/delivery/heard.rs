//! A line on which the other side is heard out.
//!
//! In TLS 1.3 a receiver that does not admit our certificate says so after the handshake and closes, while we are
//! writing already: writing then fails with no more than "broken pipe", and the alert lies unread before it. So a write
//! that fails is not told: what reading meets after it is told, and the failure itself only where that is nothing. An
//! answer that a receiver gave before it closed is read in the same way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that tells why it broke by what the other side said last.
pub(super) struct HeardOut<S> {
    stream: S,
    /// How writing failed. What is written afterwards goes nowhere.
    failure: Option<io::Error>,
}

impl<S> HeardOut<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, failure: None }
    }

    /// The outcome of a write, as `done` where it failed.
    fn kept<T>(&mut self, written: io::Result<T>, done: T) -> io::Result<T> {
        written.or_else(|failure| {
            self.failure = Some(failure);
            Ok(done)
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeardOut<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        match self.failure.take() {
            Some(failure) if into.filled().len() == before => Poll::Ready(Err(failure)),
            failure => {
                self.failure = failure;
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeardOut<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.as_mut().poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let all = parts.iter().map(|part| part.len()).sum();
        if self.failure.is_some() {
            return Poll::Ready(Ok(all));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, parts));
        Poll::Ready(self.kept(written, all))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failure.is_some() {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(self.kept(flushed, ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A line that the other side closed after these last words.
    struct Closed(io::Cursor<&'static [u8]>);

    impl AsyncRead for Closed {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, into)
        }
    }

    impl AsyncWrite for Closed {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn last_words_come_before_the_failure_to_write() {
        let mut line = HeardOut::new(Closed(io::Cursor::new(b"no")));
        line.write_all(b"a request").await.unwrap();
        line.flush().await.unwrap();
        let mut heard = Vec::new();
        let failure = line.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!((heard.as_slice(), failure.kind()), (b"no".as_slice(), io::ErrorKind::BrokenPipe));
        line.shutdown().await.unwrap();
    }
}
