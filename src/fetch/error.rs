//! Why something could not be fetched.

use std::{error::Error, time::Duration};

use super::address::Unreachable;

/// Why something could not be fetched. For the operator's log: it tells about the inside of the network, so callers
/// never hand it to whoever named the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL is none that may be fetched.
    #[error("the URL may not be fetched: {0}")]
    Url(&'static str),
    /// The host has an address that may not be connected to.
    #[error(transparent)]
    Address(Unreachable),
    /// It took too long.
    #[error("there was no complete answer within {0:?}")]
    Timeout(Duration),
    /// The answer is too large.
    #[error("the answer has more than {max} bytes")]
    TooLarge {
        /// The most that would have been taken.
        max: usize,
    },
    /// The answer leads elsewhere.
    #[error("the answer is a redirect ({0}), which is not followed: register the URL that it leads to")]
    Redirect(u16),
    /// The answer is another than 200.
    #[error("the answer has the status {0} instead of 200")]
    Status(u16),
    /// The answer is not JSON.
    #[error("the answer is not JSON: {0}")]
    NotJson(String),
    /// The answer is JSON, but not a JWK Set.
    #[error("the answer is not a JWK Set: expected an object with an array 'keys'")]
    NotKeys,
    /// The name could not be resolved, or the connection failed.
    #[error("the request failed: {0}")]
    Connection(String),
}

impl FetchError {
    /// From the HTTP client's error, whose causes hold what the resolver's guard said.
    pub(super) fn from_client(error: reqwest::Error) -> FetchError {
        let mut text = String::new();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            if let Some(refused) = error.downcast_ref::<Unreachable>() {
                return FetchError::Address(refused.clone());
            }
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            cause = error.source();
        }
        FetchError::Connection(text)
    }
}
