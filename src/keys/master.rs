//! The master key: everything that must stay secret in the database is sealed under keys derived from it.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    keys::{
        error::MasterKeyError,
        sealer::{Sealer, derive},
    },
    model::secret::{fill_random, random_text},
};

/// Separates keys derived here from what anybody else derives from the same secret.
const SALT: &[u8] = b"keyward master key";
/// The shortest configured secret.
const MIN_SECRET_CHARS: usize = 32;
/// What stands before the key of a file where it is configured.
const RAW: &str = "keyward-master-key:";
/// No master key file is longer.
const MAX_FILE_LEN: u64 = 1024;

/// 256 secret bits. They cannot be printed, and are overwritten in memory when the last clone goes.
#[derive(Clone)]
pub struct MasterKey(Arc<Zeroizing<[u8; 32]>>);

impl MasterKey {
    /// Reads the master key's file, or makes it with a new random key where there is none.
    ///
    /// A new file appears under its name only when it is complete and on disk, so neither a crash nor a second process
    /// that starts at the same time sees or replaces half a key. A file that others can read is refused.
    pub fn open_file(path: &Path) -> Result<MasterKey, MasterKeyError> {
        let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
        let file = match fs::File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_file(path).and_then(|()| fs::File::open(path)).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN as usize));
        file.take(MAX_FILE_LEN).read_to_end(&mut text).map_err(failed)?;
        let decoded = URL_SAFE_NO_PAD.decode(text.trim_ascii()).ok().map(Zeroizing::new);
        let bytes = decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        let bytes = bytes.ok_or_else(|| MasterKeyError::Malformed { path: path.to_owned() })?;
        Ok(MasterKey(Arc::new(Zeroizing::new(bytes))))
    }

    /// The master key that follows from a configured secret: at least 32 characters, which must have been chosen by a
    /// machine, since nothing here slows down guessing. White space around it does not count. After `keyward-master-key:`
    /// it is what a master key's file holds, so that data can move to where the key is configured.
    pub fn from_secret(text: &str) -> Result<MasterKey, MasterKeyError> {
        let text = text.trim();
        if let Some(raw) = text.strip_prefix(RAW) {
            let decoded = URL_SAFE_NO_PAD.decode(raw.trim()).ok().map(Zeroizing::new);
            let bytes = decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
            return Ok(MasterKey(Arc::new(Zeroizing::new(bytes.ok_or(MasterKeyError::Raw)?))));
        }
        match text.chars().count() {
            got if got < MIN_SECRET_CHARS => Err(MasterKeyError::TooShort { got }),
            _ => Ok(MasterKey(Arc::new(derive(SALT, text.as_bytes(), &[b"keyward/1/from-secret"])))),
        }
    }

    /// Tells master keys apart without telling anything about them: safe to store and to show.
    pub fn fingerprint(&self) -> String {
        let derived = derive(SALT, &**self.0, &[b"keyward/1/fingerprint"]);
        URL_SAFE_NO_PAD.encode(derived.get(..16).unwrap_or_default())
    }

    /// Seals and opens values of one purpose. Each kind of value has its own purpose, so that none passes for another.
    pub fn sealer(&self, purpose: &'static str) -> Sealer {
        Sealer::new(derive(SALT, &**self.0, &[b"keyward/1/seal/", purpose.as_bytes()]))
    }

    /// HMAC-SHA256 over `parts` under a key of this purpose. Where one part ends and the next begins counts.
    pub fn mac(&self, purpose: &'static str, parts: &[&[u8]]) -> [u8; 32] {
        let key = derive(SALT, &**self.0, &[b"keyward/1/mac/", purpose.as_bytes()]);
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*key));
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0u8; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// As [`MasterKey::mac`], as 43 characters of base64url.
    pub fn mac_text(&self, purpose: &'static str, parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, parts))
    }

    /// Whether `presented` is what [`MasterKey::mac_text`] gives, in time that does not depend on where they differ.
    pub fn mac_matches(&self, purpose: &'static str, parts: &[&[u8]], presented: &str) -> bool {
        verify_slices_are_equal(self.mac_text(purpose, parts).as_bytes(), presented.as_bytes()).is_ok()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Makes the file with a new random key; where another process was faster, its file stays.
fn create_file(path: &Path) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    fill_random(&mut *bytes);
    let line = Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(*bytes)));

    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft: PathBuf = directory.join(format!(".master-key-{}", random_text::<12>()));
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    // A hard link, unlike a rename, never replaces what is there.
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked.and_then(|()| fs::File::open(directory)?.sync_all()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_made_once_private_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let made = MasterKey::open_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(made.fingerprint(), MasterKey::open_file(&path).unwrap().fingerprint());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left behind");

        let other = MasterKey::open_file(&directory.path().join("other.key")).unwrap();
        assert_ne!(made.fingerprint(), other.fingerprint());
    }

    #[test]
    fn processes_that_start_together_agree_on_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let fingerprints: Vec<String> = std::thread::scope(|scope| {
            let open = || MasterKey::open_file(&path).unwrap().fingerprint();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
    }

    #[test]
    fn a_file_that_others_can_open_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        MasterKey::open_file(&path).unwrap();
        for mode in [0o640, 0o604, 0o644, 0o620, 0o666, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = MasterKey::open_file(&path).unwrap_err();
            assert!(matches!(error, MasterKeyError::Exposed { mode: got, .. } if got == mode), "{mode:o}: {error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            MasterKey::open_file(&path).unwrap();
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let good = URL_SAFE_NO_PAD.encode([7u8; 32]);
        let bad = [
            String::new(),
            "\n".into(),
            good[..42].into(),
            format!("{good}A"),
            format!("{good}="),
            format!("{good}\n{good}"),
            "x".repeat(2000),
            "\0".repeat(43),
        ];
        for text in bad {
            fs::write(&path, &text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = MasterKey::open_file(&path).unwrap_err();
            assert!(matches!(error, MasterKeyError::Malformed { .. }), "{text:?}: {error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, format!("{good}\r\n")).unwrap();
        MasterKey::open_file(&path).unwrap();
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = MasterKey::open_file(Path::new("/nonexistent/master.key")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/master.key"), "{error}");
    }

    #[test]
    fn a_configured_secret_must_be_long() {
        let error = MasterKey::from_secret(&"x".repeat(31)).unwrap_err();
        assert!(matches!(error, MasterKeyError::TooShort { got: 31 }));
        assert!(MasterKey::from_secret(&format!("{}{}", " ".repeat(40), "x".repeat(31))).is_err());
        let key = MasterKey::from_secret(&"é".repeat(32)).unwrap();
        assert_eq!(key.fingerprint(), MasterKey::from_secret(&format!("{}\n", "é".repeat(32))).unwrap().fingerprint());
    }

    #[test]
    fn what_a_file_holds_can_be_configured() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let made = MasterKey::open_file(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let configured = MasterKey::from_secret(&format!("keyward-master-key:{text}")).unwrap();
        assert_eq!(configured.fingerprint(), made.fingerprint());
        assert_ne!(MasterKey::from_secret(&text).unwrap().fingerprint(), made.fingerprint());
        let error = MasterKey::from_secret(&format!("keyward-master-key:{}", &text[..42])).unwrap_err();
        assert!(matches!(error, MasterKeyError::Raw));
    }

    #[test]
    fn a_master_key_cannot_be_printed() {
        let key = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.sealer("x")), "MasterKey(…) Sealer(…)");
    }

    #[test]
    fn a_mac_depends_on_key_purpose_and_parts() {
        let key = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        let mac = key.mac_text("csrf", &[b"ab", b"c"]);
        assert!(key.mac_matches("csrf", &[b"ab", b"c"], &mac));
        assert!(!key.mac_matches("csrf", &[b"a", b"bc"], &mac));
        assert!(!key.mac_matches("csrf", &[b"ab", b"c", b""], &mac));
        assert!(!key.mac_matches("other", &[b"ab", b"c"], &mac));
        for wrong in ["", &mac[..42], &format!("{mac}A"), &mac.to_lowercase()] {
            assert!(!key.mac_matches("csrf", &[b"ab", b"c"], wrong));
        }
        let other = MasterKey::from_secret("another master secret for tests, 0123456789").unwrap();
        assert!(!other.mac_matches("csrf", &[b"ab", b"c"], &mac));
    }

    #[test]
    fn derived_values_stay_what_they_are() {
        // Computed elsewhere from RFC 5869, RFC 2104 and RFC 8452. Databases and cookies depend on them.
        let key = MasterKey::from_secret("a master secret for tests, 0123456789").unwrap();
        assert_eq!(key.fingerprint(), "nn-7ANOyeNyCUrOmXijq7Q");
        assert_eq!(key.mac_text("csrf", &[b"ab", b"c"]), "U3owqRdj1DTrBH1rRq_m6bFmsTPLa0J112s544_02t0");
        let sealed = "AQABAgMEBQYHCAkKC_EFN_wV8pk6KC4WpgatsbrA2yi66A";
        assert_eq!(**key.sealer("code").open_text(b"row 1", sealed).unwrap(), *b"plain");
    }
}
