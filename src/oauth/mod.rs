//! The protocol face: what client programs talk to (RFC 6749, OpenID Connect).
