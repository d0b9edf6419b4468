//! HTTP/1.1 as raw as it gets: one connection, one request at a time, a buffer that is used again. The generator shares
//! the cores with the server, so what it does not spend the server can.

use std::{io, net::SocketAddr};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that is kept.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; it lies in the connection's buffer until the next request.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// Status line and headers.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let head = std::str::from_utf8(self.head).unwrap_or_default();
        head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "))
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as text; empty where it is none.
    pub fn text(&self) -> &'a str {
        std::str::from_utf8(self.body).unwrap_or_default()
    }

    /// The value of a member of a JSON body that is a text without escapes.
    pub fn member(&self, name: &str) -> Option<&'a str> {
        self.text().split_once(&format!("\"{name}\":\""))?.1.split_once('"').map(|(value, _)| value)
    }

    /// Bytes of head and body.
    pub fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; 16 * 1024] })
    }

    /// Sends a request and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let (mut end, mut head, mut whole) = (0, 0, usize::MAX);
        while end < whole {
            if end == self.buffer.len() {
                self.buffer.resize(end * 2, 0);
            }
            let read = self.stream.read(&mut self.buffer[end..]).await?;
            if read == 0 {
                bail!("the server hung up");
            }
            let from = end.saturating_sub(3);
            end += read;
            if head == 0
                && let Some(at) = find(&self.buffer[from..end], b"\r\n\r\n")
            {
                head = from + at + 4;
                whole = head + length(&self.buffer[..head])?;
            }
        }
        let status = self.buffer.get(9..12).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        let status = status.context("no status")?;
        Ok(Answer { status, head: &self.buffer[..head], body: &self.buffer[head..whole] })
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The length of the body that follows this head.
fn length(head: &[u8]) -> anyhow::Result<usize> {
    const NAME: &[u8] = b"content-length:";
    for line in head.split(|byte| *byte == b'\n') {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return Ok(std::str::from_utf8(&line[NAME.len()..])?.trim().parse()?);
        }
        if line.len() > 18 && line[..18].eq_ignore_ascii_case(b"transfer-encoding:") {
            bail!("expected an answer with a length");
        }
    }
    // 204 and 304 have none
    Ok(0)
}

/// The bytes of a request; a body makes it a form unless a header says otherwise.
pub fn request(method: &str, target: &str, host: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if method != "GET" {
        if !headers.iter().any(|(name, _)| *name == "Content-Type") {
            text.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// `Authorization: Basic` of a client (RFC 6749 §2.3.1); ids and secrets here need no encoding.
pub fn basic(id: &str, secret: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for chunk in format!("{id}:{secret}").as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let sign = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

/// A form's fields, encoded.
pub fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
                _ => text.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_base64() {
        assert_eq!(basic("a", "b"), "Basic YTpi");
        assert_eq!(basic("ab", "b"), "Basic YWI6Yg==");
        assert_eq!(basic("ab", "bc"), "Basic YWI6YmM=");
    }

    #[test]
    fn a_form_is_encoded() {
        assert_eq!(form(&[("a", "b c"), ("d", "é")]), "a=b%20c&d=%C3%A9");
    }
}
