//! How slowly the body of a request may come: whoever sends one byte after the other would hold a connection for as long
//! as they like.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    middleware::Next,
    web::Bytes,
};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

/// What any body may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// For so many bytes that have come, it may take a second more.
const BYTES_PER_SECOND: u64 = 2048;

/// Lets handlers read the body only while it comes fast enough; to them, one that is too slow cannot be read.
pub(super) async fn bound<B: MessageBody>(mut req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let payload = req.take_payload();
    if !matches!(payload, Payload::None) {
        req.set_payload(Payload::Stream { payload: Box::pin(Bounded::new(payload)) });
    }
    next.call(req).await
}

struct Bounded {
    payload: Payload,
    received: u64,
    /// From the moment when something had to be waited for.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Bounded {
    fn new(payload: Payload) -> Bounded {
        Bounded { payload, received: 0, waiting: None }
    }
}

impl Stream for Bounded {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.payload).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            this.received = this.received.saturating_add(bytes.len() as u64);
        }
        if polled.is_ready() {
            return polled;
        }
        let patience = PATIENCE + Duration::from_secs(this.received / BYTES_PER_SECOND);
        let (since, late) = this.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + patience)))
        });
        late.as_mut().reset(*since + patience);
        late.as_mut().poll(cx).map(|()| {
            let slow = format!("expected {BYTES_PER_SECOND} bytes a second, got fewer for {} s", patience.as_secs());
            Some(Err(PayloadError::Io(io::Error::new(io::ErrorKind::TimedOut, slow))))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    /// What is read of a body that brings so many bytes every so often, and how long it took.
    async fn read(bytes: usize, chunks: usize, every: Duration) -> (usize, Option<PayloadError>, Duration) {
        let begun = Instant::now();
        let sent = stream::iter(0..chunks).then(move |at| async move {
            tokio::time::sleep_until(begun + every * u32::try_from(at).unwrap()).await;
            Ok(Bytes::from(vec![0; bytes]))
        });
        let mut body = Bounded::new(Payload::Stream { payload: Box::pin(sent) });
        let mut received = 0;
        while let Some(next) = body.next().await {
            match next {
                Ok(bytes) => received += bytes.len(),
                Err(error) => return (received, Some(error), begun.elapsed()),
            }
        }
        (received, None, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up() {
        let (received, error, took) = read(1, 10_000, Duration::from_secs(3)).await;
        assert_eq!((received, took.as_secs()), (7, 20));
        let told = error.unwrap().to_string();
        assert!(told.contains("expected 2048 bytes a second"), "{told}");
        let (received, error, took) = read(1536, 10_000, Duration::from_secs(3)).await;
        assert_eq!((received, error.is_some(), took.as_secs()), (9 * 1536, true, 26));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_at_once_or_by_a_slow_line_is_read() {
        assert!(matches!(read(100_000, 1, Duration::ZERO).await, (100_000, None, Duration::ZERO)));
        let (received, error, took) = read(4096, 1000, Duration::from_secs(1)).await;
        assert_eq!((received, error.is_none(), took.as_secs()), (4_096_000, true, 999));
        assert!(read(1, 19, Duration::from_secs(1)).await.1.is_none());
    }
}
