//! A real directory: Debian's slapd (OpenLDAP), as a process of its own on loopback, with a directory of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use keyward::config::Config;

/// Longer than a start takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// The password of everybody in the directory.
pub const DIRECTORY_PASSWORD: &str = "in the directory; it's \"quoted\"";
const BASE: &str = "dc=example,dc=org";

/// A running server, ended with this.
pub struct Slapd {
    child: Child,
    pub port: u16,
    pub tls_port: u16,
    _directory: tempfile::TempDir,
}

fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/smtp/tls")
}

fn program(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed; tests/run installs it (Debian's slapd)"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Slapd {
    /// A server with people in it.
    pub fn start() -> Slapd {
        let directory = tempfile::Builder::new().prefix("keyward-slapd-").tempdir().unwrap();
        let at = directory.path();
        fs::create_dir(at.join("db")).unwrap();
        let (tls, here) = (certificates(), at.display());
        let configuration = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
             pidfile {here}/slapd.pid\nargsfile {here}/slapd.args\n\
             TLSCertificateFile {tls}/certificate.pem\nTLSCertificateKeyFile {tls}/key.pem\n\
             database mdb\nmaxsize 16777216\nsuffix \"{BASE}\"\ndirectory {here}/db\n\
             access to attrs=userPassword by anonymous auth by * none\n\
             access to * by dn.exact=\"cn=keyward,{BASE}\" read by anonymous auth by * none\n",
            tls = tls.display(),
        );
        fs::write(at.join("slapd.conf"), configuration).unwrap();
        fs::write(at.join("people.ldif"), people()).unwrap();
        let added = Command::new(program("slapadd"))
            .args(["-q", "-f"])
            .arg(at.join("slapd.conf"))
            .arg("-l")
            .arg(at.join("people.ldif"))
            .output()
            .unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let (port, tls_port) = (free_port(), free_port());
        let child = Command::new(program("slapd"))
            .arg("-f")
            .arg(at.join("slapd.conf"))
            .args(["-h", &format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"), "-d", "0"])
            .stdin(Stdio::null())
            .stderr(fs::File::create(at.join("slapd.log")).unwrap())
            .spawn()
            .unwrap();
        let mut slapd = Slapd { child, port, tls_port, _directory: directory };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() || TcpStream::connect(("127.0.0.1", tls_port)).is_err() {
            assert!(slapd.child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE, "slapd does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        slapd
    }

    /// Has a server ask this directory, encrypted by STARTTLS.
    pub fn configure(&self, config: &mut Config) {
        config.ldap.url = Some(format!("ldap://localhost:{}", self.port));
        config.ldap.ca_certificates = Some(certificates().join("ca.pem"));
        config.ldap.base_dn = Some(BASE.to_owned());
        config.ldap.bind_dn = Some(format!("cn=keyward,{BASE}"));
        config.ldap.bind_password = Some(DIRECTORY_PASSWORD.into());
        // what a debug build needs on a busy machine
        config.ldap.timeout = Duration::from_secs(30);
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn people() -> String {
    let person = |place: &str, uid: &str, mails: &[&str]| {
        let mails: String = mails.iter().map(|mail| format!("mail: {mail}\n")).collect();
        format!(
            "dn: uid={uid},ou={place},{BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n{mails}\
             userPassword: {DIRECTORY_PASSWORD}\n\n"
        )
    };
    let unit = |name: &str| format!("dn: ou={name},{BASE}\nobjectClass: organizationalUnit\nou: {name}\n\n");
    [
        format!("dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n"),
        format!(
            "dn: cn=keyward,{BASE}\nobjectClass: simpleSecurityObject\nobjectClass: organizationalRole\ncn: keyward\n\
             userPassword: {DIRECTORY_PASSWORD}\n\n"
        ),
        unit("people"),
        unit("others"),
        person("people", "ada", &["ADA@example.com"]),
        person("people", "bob", &["bob@example.com"]),
        person("people", "nomail", &[]),
        person("people", "stranger", &["stranger@example.com"]),
        person("people", "two", &["ada@example.com", "bob@example.com"]),
        person("people", "twin", &["ada@example.com"]),
        person("others", "twin", &["ada@example.com"]),
    ]
    .concat()
}
