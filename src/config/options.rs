//! The table of options: the one place where an option is defined. Its documentation here is what the reference
//! prints; its type, default and limits are what is enforced.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;

use super::{
    database::DatabaseUrl,
    duration::{days, hours, millis, minutes, seconds},
    table::options,
};
use crate::model::{auth_module::AuthModule, key::SigningAlgorithm};

options! {
    top {
        /// The addresses to listen on. With `127.0.0.1` the same port of `[::1]` is tried as well, because browsers
        /// may mean either by `localhost`.
        listen: Vec<SocketAddr> = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))];

        /// The URL by which clients and browsers reach this server, and the `iss` of every token. It must be https
        /// unless its host is loopback, and has no `/` at its end. Must be set when `listen` is not loopback.
        issuer: Option<String> = None,
            shown "`http://localhost:` and the port of `listen`; `https://` with a certificate";

        /// The directory of the embedded database and of the master key that was made for it.
        data_dir: PathBuf = PathBuf::from("./keyward-data");

        /// The database: `sqlite://path/to/file` or `postgres://user:password@host/database`.
        database_url: Option<DatabaseUrl> = None, shown "`keyward.db` in `data_dir`";

        /// The most connections that are kept to a PostgreSQL server.
        database_pool: u32 = 10, within 1..=1000;

        /// How long a PostgreSQL server may be silent before requests that wait for it are answered with 503.
        database_patience: Duration = seconds(1), within millis(100)..=seconds(10);

        /// The reverse proxies, as networks or addresses, whose `X-Forwarded-*` and `X-Request-Id` headers are believed.
        trusted_proxies: Vec<IpNet> = Vec::new();

        /// The certificate chain (PEM) to serve https with; only together with `tls_key`. Both are looked at every five
        /// seconds: a renewed certificate needs no restart.
        tls_certificate: Option<PathBuf> = None, shown "not set: plain http";

        /// The certificate's private key (PEM).
        tls_key: Option<PathBuf> = None;

        /// What stored private keys are encrypted under, at least 32 characters. All servers of one database share
        /// it. Must be set with PostgreSQL.
        master_key: Option<SecretString> = None, shown "made at the first start, in `data_dir`";

        /// How many threads answer requests, from 1 to 1024.
        workers: Option<usize> = None, shown "the number of cores";

        /// How long a server that was told to stop by SIGTERM still takes requests, so that a balancer sees that it is not
        /// ready any more before it closes its listeners.
        shutdown_delay: Duration = seconds(1), within seconds(0)..=minutes(10);

        /// How long a stopping server waits for the requests that it has begun, and then for the SMTP server's word on
        /// mails that are under way.
        shutdown_timeout: Duration = seconds(30), within seconds(0)..=minutes(10);
    }

    /// The keys that tokens are signed with.
    [keys] Keys {
        /// The algorithms that there is a key for. `RS256` must be among them (OpenID Connect Core §15.1).
        signing_algorithms: Vec<SigningAlgorithm> = vec![SigningAlgorithm::RS256, SigningAlgorithm::ES256];

        /// How long others may cache the published keys, and so how long a new key is published before it signs.
        jwks_max_age: Duration = minutes(5), within seconds(1)..=days(1);
    }

    /// How long tokens and their kin live.
    [tokens] Tokens {
        /// The life of an access token.
        access_token_lifetime: Duration = minutes(10), within seconds(1)..=hours(24);

        /// The life of an ID token.
        id_token_lifetime: Duration = minutes(10), within seconds(1)..=hours(24);

        /// The life of an authorization code (RFC 6749 §4.1.2: at most ten minutes).
        authorization_code_lifetime: Duration = seconds(60), within seconds(1)..=minutes(10);

        /// A refresh token that is not used for so long ends its grant.
        refresh_idle: Duration = days(30), within seconds(1)..=days(3650);

        /// No grant lives longer than this, however often it is refreshed.
        refresh_absolute: Duration = days(180), within seconds(1)..=days(3650);

        /// For how long a used refresh token, presented once more by its own authenticated client, yields the same
        /// successor again instead of ending the grant. `0s`: never.
        refresh_replay_window: Duration = seconds(30), within seconds(0)..=minutes(5);

        /// The same for clients that cannot authenticate.
        refresh_replay_window_public: Duration = seconds(10), within seconds(0)..=minutes(5);

        /// The life of a personal access token for which no end is asked; no longer than the longest life.
        personal_access_token_lifetime: Duration = days(90), within minutes(1)..=days(3650);

        /// The longest life that a personal access token can be given.
        personal_access_token_max_lifetime: Duration = days(365), within minutes(1)..=days(3650);

        /// How long a person may take to answer the login and consent pages.
        authorization_request_lifetime: Duration = hours(1), within minutes(1)..=hours(24);
    }

    /// How long a person stays signed in.
    [sessions] Sessions {
        /// A session of somebody who chose to stay signed in ends when it is not used for so long.
        idle: Duration = hours(24), within minutes(1)..=days(3650);

        /// And it ends after this time in any case.
        absolute: Duration = days(30), within minutes(1)..=days(3650);

        /// A session of somebody who did not choose so ends with the browser, and after this time.
        browser: Duration = hours(12), within minutes(1)..=days(3650);
    }

    /// Passwords: how they are stored, and which are accepted.
    [passwords] Passwords {
        /// The memory of one argon2id hash in KiB; at least 8 for each lane (RFC 9106 §3.1).
        argon2_memory_kib: u32 = 19_456, within 8..=4_194_304;

        /// The passes of one argon2id hash.
        argon2_iterations: u32 = 2, within 1..=100;

        /// The lanes of one argon2id hash.
        argon2_parallelism: u32 = 1, within 1..=64;

        /// How many threads compute hashes, from 1 to 1024.
        hash_threads: Option<usize> = None, shown "the number of cores";

        /// How many hashes may wait for a thread; beyond that a login is answered with 503.
        hash_queue: usize = 32, within 1..=100_000;

        /// How long a hash may wait for a thread before its login is answered with 503.
        hash_deadline: Duration = seconds(5), within millis(100)..=minutes(1);

        /// The fewest characters of a chosen password.
        min_length: usize = 8, within 1..=256;

        /// The least estimated strength of a chosen password, on the scale of zxcvbn.
        min_strength: u8 = 2, within 0..=4;

        /// How long a temporary password can be used.
        temporary_lifetime: Duration = hours(72), within minutes(1)..=days(365);

        /// The least time until a login is answered, so that the time does not tell whether an account exists.
        answer_floor: Duration = millis(250), within seconds(0)..=seconds(10);
    }

    /// What slows down the guessing of passwords.
    [login] Login {
        /// The failed logins of one account before the next one has to wait.
        free_attempts: u32 = 5, within 1..=1000;

        /// The failed logins from one address before the next one has to wait.
        free_attempts_address: u32 = 30, within 1..=100_000;

        /// The first wait; each further failure doubles it.
        first_delay: Duration = seconds(1), within millis(100)..=hours(1);

        /// The longest wait.
        max_delay: Duration = minutes(15), within seconds(1)..=hours(24);

        /// Failures are forgotten after this time without another one.
        forget_after: Duration = hours(24), within minutes(1)..=days(30);
    }

    /// An owner and a client that are made at the first start, for installations without hands.
    [bootstrap] Bootstrap {
        /// The email address of the first owner; only together with `owner_password`.
        owner_email: Option<String> = None;

        /// The first owner's password, at least 32 characters.
        owner_password: Option<SecretString> = None;

        /// The identifier of a client with the rights of an owner; only together with `client_secret`.
        client_id: Option<String> = None;

        /// That client's secret, at least 32 characters.
        client_secret: Option<SecretString> = None;
    }

    /// What this server fetches from others, such as the key sets of clients.
    [fetch] Fetch {
        /// How long one fetch may take.
        timeout: Duration = seconds(5), within millis(100)..=minutes(1);

        /// The most bytes that an answer may have.
        max_bytes: usize = 262_144, within 1024..=16_777_216;

        /// The private and loopback networks that may be fetched from; all others of these kinds are refused.
        allowed_networks: Vec<IpNet> = Vec::new();
    }

    /// What is logged.
    [log] Log {
        /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,keyward::oauth=debug`.
        level: String = "info".to_owned();

        /// `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text;

        /// Whether each request that was answered has a line, at level `info`; health checks and style sheets have theirs
        /// at `debug` in any case.
        requests: bool = true;

        /// Whether lines may have what concerns people: addresses, paths as they were asked for, what requests said that
        /// were refused. Without it libraries are heard from `info` on only: below, they tell what passes through them,
        /// secrets included.
        personal_data: bool = false;
    }

    /// What is counted and measured, for Prometheus.
    [metrics] Metrics {
        /// The address at which `GET /metrics` is answered, such as `127.0.0.1:9464`: to whoever reaches it, without asking
        /// who that is, so it must not be a public one.
        listen: Option<SocketAddr> = None, shown "not set: nothing is shown";
    }

    /// An OpenTelemetry collector that is told of requests, as traces.
    [otlp] Otlp {
        /// Its address for OTLP over HTTP, such as `http://127.0.0.1:4318`; `/v1/traces` is added.
        endpoint: Option<String> = None, shown "not set: nobody is told";

        /// Headers for it, as `name=value`, separated by commas.
        headers: Option<SecretString> = None;

        /// Of how many of a hundred traces that begin here it is told. Where a trusted proxy has begun the trace, it has
        /// decided.
        sample_percent: u32 = 100, within 0..=100;

        /// What it knows this server as.
        service_name: String = "keyward".to_owned();
    }

    /// How administrators' programs work with the server.
    [iam] Iam {
        /// Existing objects are changed and deleted only under a precondition (`If-Match`); without one the answer is 428.
        require_if_match: bool = false;

        /// How long events stay in the audit log. Once a day what is older goes, and a signed record of it stays.
        audit_retention: Duration = days(400), within days(1)..=days(36_500);

        /// Whether `/resources/docs` shows the API and lets people try it, as the built-in client `keyward-docs`. The
        /// description itself is at `/resources/openapi.json` in any case.
        docs: bool = true;
    }

    /// Outgoing mail. Without `mail.host` and `mail.directory` the server sends none, and says so to who asks it to.
    [mail] Mail {
        /// The SMTP server that takes the mail, by name or address.
        host: Option<String> = None;

        /// Its port, from 1 to 65535.
        port: Option<u32> = None, shown "587 with `starttls`, 465 with `tls`, 25 with `none`";

        /// How the connection is encrypted: `tls` from the first byte on, `starttls` before anything is said, or `none`.
        /// A server that does not offer it gets no mail. `none` is only for loopback, unless `mail.allow_unencrypted`.
        security: MailSecurity = MailSecurity::StartTls;

        /// Allows `none` with a server that is not on loopback: mails, and a password, can be read on their way.
        allow_unencrypted: bool = false;

        /// Certificate authorities (PEM) to trust besides those that browsers trust, for a server of one's own.
        ca_certificates: Option<PathBuf> = None;

        /// The name to authenticate with; only together with `mail.password`.
        user: Option<String> = None;

        /// The password to authenticate with.
        password: Option<SecretString> = None;

        /// The address that mails come from. Must be set for mail to be sent.
        from: Option<String> = None;

        /// The name that mails come from.
        from_name: Option<String> = None, shown "`branding.name`";

        /// The domains, besides that of `mail.from`, from which callers of the API may send.
        from_domains: Vec<String> = Vec::new();

        /// For development: mails become `.eml` files in this directory and go nowhere.
        directory: Option<PathBuf> = None;

        /// How many mails leave in a minute, from all servers of one database together.
        rate: u32 = 600, within 1..=60_000;

        /// To how many recipients one caller of the API may write in a minute.
        caller_rate: u32 = 120, within 1..=60_000;

        /// How long after a failed attempt the next one follows, up to a quarter longer: one for each retry, at most three.
        retry_delays: Vec<Duration> = vec![minutes(1), minutes(15), hours(4)];

        /// How long the SMTP server may take until it is ready for a mail: connection, encryption, authentication,
        /// addresses.
        timeout: Duration = minutes(1), within millis(100)..=minutes(10);

        /// How long the SMTP server may take to accept what it was given (RFC 5321 §4.5.3.2.6: ten minutes, because who
        /// gives up earlier may send a mail twice).
        acceptance_timeout: Duration = minutes(10), within millis(100)..=hours(1);

        /// How many connections one server keeps to the SMTP server.
        connections: usize = 2, within 1..=64;

        /// The most bytes that the texts of one mail may have together.
        max_bytes: usize = 262_144, within 1024..=4_194_304;

        /// How long it can be looked up what became of a mail.
        retention: Duration = days(90), within hours(1)..=days(3650);

        /// People who sign in with a browser that they have not used before are told by mail.
        sign_in_notices: bool = true;
    }

    /// The login of One Identity Manager's application server, for programs that know it.
    [appserver] Appserver {
        /// Whether it is there.
        enabled: bool = true;

        /// The path below the issuer's under which it is.
        base_path: String = "/AppServer".to_owned();

        /// The authentication modules that are activated, in the order in which they are listed. One that needs what is
        /// not configured (a directory, a header) is not listed.
        modules: Vec<AuthModule> = AuthModule::USUAL.to_vec();

        /// The module that programs preselect.
        default_module: Option<AuthModule> = None,
            shown "`DialogUser`, or the first module where that is not listed";

        /// What programs may leave out of authentication strings: for each module one such string, as
        /// `Module=OAuth;ClientId=shop;RedirectUri=https://shop.example.org/`. Nothing that is secret.
        initial_data: Vec<String> = Vec::new();

        /// The header in which a proxy names whom it has authenticated, such as `X-Remote-User`; only together with
        /// `appserver.header_proxies`.
        header: Option<String> = None;

        /// What stands in it: `email`, or the principal's `id`.
        header_field: HeaderField = HeaderField::Email;

        /// The proxies, as networks or addresses, that are believed whom they name: nobody else's header is. They must
        /// not let a client's own header through.
        header_proxies: Vec<IpNet> = Vec::new();
    }

    /// A directory (LDAP) whose passwords the directory modules of `[appserver]` check.
    [ldap] Ldap {
        /// Its address: `ldaps://` is encrypted from the first byte on, `ldap://` as `ldap.starttls` says.
        url: Option<String> = None;

        /// Whether a connection to `ldap://` is encrypted before anything is said. `false` is only for loopback, unless
        /// `ldap.allow_unencrypted`.
        starttls: bool = true;

        /// Allows unencrypted connections to a server that is not on loopback: passwords can be read on their way.
        allow_unencrypted: bool = false;

        /// Certificate authorities (PEM) to trust besides those that browsers trust, for a server of one's own.
        ca_certificates: Option<PathBuf> = None;

        /// The account that looks people up; only together with `ldap.bind_password`.
        bind_dn: Option<String> = None, shown "not set: they are looked up anonymously";

        /// That account's password.
        bind_password: Option<SecretString> = None;

        /// Below which entry people are looked up. Must be set with `ldap.url`.
        base_dn: Option<String> = None;

        /// By which filter (RFC 4515) a person's entry is found; `{user}` is what was typed.
        user_filter: String = "(|(sAMAccountName={user})(userPrincipalName={user})(uid={user}))".to_owned();

        /// The attribute with the email of the principal whom the entry means. People must not be able to change their
        /// own in the directory.
        mail_attribute: String = "mail".to_owned();

        /// How long the directory may take to say who somebody is, all in all.
        timeout: Duration = seconds(5), within millis(100)..=minutes(1);

        /// How many people it is asked about at the same time.
        connections: usize = 16, within 1..=1000;
    }

    /// What a request may cost.
    [limits] Limits {
        /// The most bytes of a form or a JSON body.
        body_bytes: usize = 65_536, within 1024..=16_777_216;
    }

    /// What people see.
    [branding] Branding {
        /// What the pages call this place.
        name: String = "Keyward".to_owned();
    }
}

/// By what a principal is found that a proxy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderField {
    /// The email, without regard to case.
    Email,
    /// The id.
    Id,
}

impl FromStr for HeaderField {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "email" => Ok(HeaderField::Email),
            "id" => Ok(HeaderField::Id),
            _ => Err(()),
        }
    }
}

impl fmt::Display for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeaderField::Email => "email",
            HeaderField::Id => "id",
        })
    }
}

/// How the connection to the SMTP server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// In the clear, then encrypted before anything is said (RFC 3207); required, not tried.
    StartTls,
    /// From the first byte on (RFC 8314 §3.3).
    Tls,
    /// Not at all.
    None,
}

impl MailSecurity {
    /// The port where servers usually listen for it.
    pub const fn usual_port(self) -> u16 {
        match self {
            MailSecurity::StartTls => 587,
            MailSecurity::Tls => 465,
            MailSecurity::None => 25,
        }
    }
}

impl FromStr for MailSecurity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "starttls" => Ok(MailSecurity::StartTls),
            "tls" => Ok(MailSecurity::Tls),
            "none" => Ok(MailSecurity::None),
            _ => Err(()),
        }
    }
}

impl fmt::Display for MailSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MailSecurity::StartTls => "starttls",
            MailSecurity::Tls => "tls",
            MailSecurity::None => "none",
        })
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(()),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}
