//! The body of an answer: whole in memory, or told piece by piece as there is something to tell.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The body of an answer.
pub enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// Pieces as they come; it ends when their sender is dropped, and the sender learns when nobody reads any more.
    Pieces(mpsc::Receiver<Bytes>),
}

impl Body {
    /// What is in memory; nothing of what comes in pieces.
    pub fn into_whole(self) -> Full<Bytes> {
        match self {
            Self::Whole(whole) => whole,
            Self::Pieces(_) => Full::default(),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        Self::Whole(Full::new(bytes.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(Frame::data).map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
