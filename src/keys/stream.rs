//! A file under a passphrase: written and read in chunks, so that its length does not matter.
//!
//! The key is argon2id (RFC 9106) of the passphrase. Each chunk is sealed with AES-256-GCM; its nonce is its number and
//! whether it is the last, so that chunks cannot be left out, repeated, put elsewhere or cut off unnoticed. Salt and key
//! are new for each file, so no nonce occurs twice under a key.
//!
//! A file is a line of JSON with the parameters, which all chunks authenticate, and then for each chunk a byte that is 1
//! for the last, the length as 4 bytes (big-endian), and what was sealed.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::secret::fill_random;

/// Bytes of a chunk before it is sealed.
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// No line of parameters is longer.
const MAX_LINE: u64 = 1024;
/// What a file may ask for (KiB): whoever brings it along must not be able to use up the memory.
const MAX_MEMORY: u32 = 1024 * 1024;
const MAX_ITERATIONS: u32 = 16;

/// How the key follows from the passphrase.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parameters {
    /// KiB
    argon2id_memory: u32,
    argon2id_iterations: u32,
    salt: String,
}

impl Parameters {
    fn key(&self, passphrase: &str) -> io::Result<LessSafeKey> {
        let malformed = || invalid("its first lines were changed");
        if self.argon2id_memory > MAX_MEMORY || self.argon2id_iterations > MAX_ITERATIONS {
            return Err(malformed());
        }
        let salt = URL_SAFE_NO_PAD.decode(&self.salt).map_err(|_| malformed())?;
        let params =
            Params::new(self.argon2id_memory, self.argon2id_iterations, 1, Some(32)).map_err(|_| malformed())?;
        let mut key = Zeroizing::new([0u8; 32]);
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(passphrase.as_bytes(), &salt, &mut *key).map_err(|_| malformed())?;
        let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| malformed())?;
        Ok(LessSafeKey::new(key))
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_owned())
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0u8; NONCE_LEN];
    let (head, tail) = nonce.split_at_mut(NONCE_LEN - 8);
    if let Some(first) = head.first_mut() {
        *first = u8::from(last);
    }
    tail.copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Seals what is written to it.
pub struct SealedWriter<W: Write> {
    out: W,
    key: LessSafeKey,
    line: Vec<u8>,
    chunk: Vec<u8>,
    number: u64,
}

impl<W: Write> SealedWriter<W> {
    /// A writer under this passphrase; takes a quarter of a second.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(mut out: W, passphrase: &str) -> io::Result<SealedWriter<W>> {
        let mut salt = [0u8; 16];
        fill_random(&mut salt);
        let salt = URL_SAFE_NO_PAD.encode(salt);
        let parameters = Parameters { argon2id_memory: 65_536, argon2id_iterations: 3, salt };
        let mut line = serde_json::to_vec(&parameters)?;
        line.push(b'\n');
        out.write_all(&line)?;
        Ok(SealedWriter {
            out,
            key: parameters.key(passphrase)?,
            line,
            chunk: Vec::with_capacity(CHUNK + TAG),
            number: 0,
        })
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let sealed =
            self.key.seal_in_place_append_tag(nonce(self.number, last), Aad::from(&self.line), &mut self.chunk);
        sealed.map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        self.out.write_all(&[u8::from(last)])?;
        self.out.write_all(&u32::try_from(self.chunk.len()).unwrap_or(0).to_be_bytes())?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        self.number += 1;
        Ok(())
    }

    /// Ends the file. Without this it is one that was cut off.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.chunk.len() == CHUNK {
            self.seal(false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what [`SealedWriter`] has written.
pub struct SealedReader<R: BufRead> {
    input: R,
    key: LessSafeKey,
    line: Vec<u8>,
    chunk: Zeroizing<Vec<u8>>,
    at: usize,
    number: u64,
    last: bool,
}

impl<R: BufRead> SealedReader<R> {
    /// A reader under this passphrase; takes a quarter of a second.
    ///
    /// # Errors
    /// It cannot be read, or does not begin as it should.
    pub fn new(mut input: R, passphrase: &str) -> io::Result<SealedReader<R>> {
        let mut line = Vec::new();
        (&mut input).take(MAX_LINE).read_until(b'\n', &mut line)?;
        let parameters: Parameters =
            serde_json::from_slice(&line).map_err(|_| invalid("its first lines were changed"))?;
        let key = parameters.key(passphrase)?;
        Ok(SealedReader { input, key, line, chunk: Zeroizing::new(Vec::new()), at: 0, number: 0, last: false })
    }

    fn open(&mut self) -> io::Result<()> {
        let cut_off = |error: io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => invalid("its end is missing"),
            _ => error,
        };
        let mut head = [0u8; 5];
        self.input.read_exact(&mut head).map_err(cut_off)?;
        let [last, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        let changed = || match self.number {
            0 => invalid("the passphrase is wrong, or its beginning was changed"),
            number => invalid(&format!("chunk {number} of it was changed")),
        };
        if last > 1 || !(TAG..=CHUNK + TAG).contains(&length) {
            return Err(changed());
        }
        self.chunk.resize(length, 0);
        self.input.read_exact(&mut self.chunk).map_err(cut_off)?;
        let opened = self.key.open_in_place(nonce(self.number, last == 1), Aad::from(&self.line), &mut self.chunk);
        let length = opened.map_err(|_| changed())?.len();
        self.chunk.truncate(length);
        (self.at, self.last) = (0, last == 1);
        self.number += 1;
        if self.last && !self.input.fill_buf()?.is_empty() {
            return Err(invalid("something was appended to it"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for SealedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.last {
                return Ok(0);
            }
            self.open()?;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..taken), rest.get(..taken)) {
            into.copy_from_slice(rest);
        }
        self.at += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut writer = SealedWriter::new(Vec::new(), "a passphrase").unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn opened(sealed: &[u8], passphrase: &str) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        let mut reader = SealedReader::new(sealed, passphrase).map_err(|e| e.to_string())?;
        reader.read_to_end(&mut plain).map_err(|e| e.to_string())?;
        Ok(plain)
    }

    #[test]
    fn what_is_sealed_is_read_again_whatever_its_length() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain: Vec<u8> = (0..length).map(|n| n as u8).collect();
            assert_eq!(opened(&sealed(&plain), "a passphrase").unwrap(), plain, "{length}");
        }
    }

    #[test]
    fn what_was_changed_cut_off_or_put_elsewhere_is_refused_in_plain_words() {
        let whole = sealed(&[7; 2 * CHUNK + 100]);
        assert!(opened(&whole, "another").unwrap_err().contains("the passphrase is wrong"));
        let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let chunk = 5 + CHUNK + TAG;
        let refused = |file: &[u8], words: &str| {
            let said = opened(file, "a passphrase").unwrap_err();
            assert!(said.contains(words), "{words}: {said}");
        };
        // each part of each chunk, and the line
        for (at, words) in [
            (line + 1, "beginning"),
            (line + 10, "beginning"),
            (line + chunk + 10, "chunk 1"),
            (line + 2 * chunk + 30, "chunk 2"),
        ] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            refused(&changed, words);
        }
        let mut changed = whole.clone();
        changed[line + chunk] = 1;
        refused(&changed, "chunk 1");
        for length in [line, line + 3, line + chunk - 1, line + chunk, whole.len() - 1] {
            refused(&whole[..length], "its end is missing");
        }
        refused(&[&whole[..], b"x"].concat(), "appended");
        let exchanged = [
            &whole[..line],
            &whole[line + chunk..line + 2 * chunk],
            &whole[line..line + chunk],
            &whole[line + 2 * chunk..],
        ];
        refused(&exchanged.concat(), "beginning");
        let left_out = [&whole[..line + chunk], &whole[line + 2 * chunk..]];
        refused(&left_out.concat(), "chunk 1");
        refused(
            b"{\"argon2idMemory\":99999999,\"argon2idIterations\":1,\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA\"}\n",
            "first lines",
        );
        refused(b"x\n", "first lines");
    }
}
