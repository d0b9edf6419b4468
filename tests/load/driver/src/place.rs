//! Programs that are measured: where their data is, how they are started, and what the kernel says of them.

use std::{
    collections::HashMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Sub,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::http::{Connection, request};

/// Data of a server, its configuration, and the address that it has.
pub struct Place {
    /// What it is called in messages.
    pub name: String,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// `localhost:PORT`.
    pub host: String,
    /// Where it listens.
    pub address: SocketAddr,
    program: PathBuf,
    directory: PathBuf,
}

/// What the fill command told of its data.
#[derive(Default)]
pub struct Credentials {
    /// Ids of clients with their secrets.
    pub clients: Vec<(String, String)>,
    /// Emails of people with their passwords.
    pub people: Vec<(String, String)>,
    lists: HashMap<String, Vec<String>>,
}

impl Credentials {
    fn read(path: &Path) -> anyhow::Result<Credentials> {
        let mut read = Credentials::default();
        for line in fs::read_to_string(path)?.lines() {
            let mut words = line.split('\t').map(str::to_owned);
            match (words.next().as_deref(), words.next(), words.next()) {
                (Some("client"), Some(id), Some(secret)) => read.clients.push((id, secret)),
                (Some("person"), Some(email), Some(password)) => read.people.push((email, password)),
                (Some(kind), Some(value), None) => read.lists.entry(kind.to_owned()).or_default().push(value),
                _ => bail!("{}: expected lines of two or three words", path.display()),
            }
        }
        Ok(read)
    }

    /// All of `principal`, `jwt`, `opaque` or `refresh`.
    pub fn all(&self, kind: &str) -> &[String] {
        self.lists.get(kind).map_or(&[], Vec::as_slice)
    }

    /// A client's `Authorization` header.
    pub fn basic(&self, id: &str) -> anyhow::Result<String> {
        let (id, secret) = self.clients.iter().find(|(known, _)| known == id).with_context(|| id.to_owned())?;
        Ok(crate::http::basic(id, secret))
    }
}

/// What is the same for all programs of a run.
#[derive(Clone)]
pub struct Setting {
    /// The server.
    pub keyward: PathBuf,
    /// The program with the commands of `keyward dev`; the same, unless an older server is measured.
    pub tools: PathBuf,
    /// Where data may lie.
    pub scratch: PathBuf,
    /// What servers log: a level.
    pub log: String,
    /// Databases that are ready, by the names of their places, as URLs that end with `/`.
    pub postgres: Option<String>,
}

impl Place {
    /// Makes an empty place. `postgres`: in the database of that name of the PostgreSQL server.
    pub fn new(setting: &Setting, name: &str, postgres: bool) -> anyhow::Result<Place> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        drop(listener);
        let directory = setting.scratch.join(if postgres { format!("{name}-postgres") } else { name.to_owned() });
        fs::create_dir_all(&directory)?;
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        let host = format!("localhost:{}", address.port());
        let mut config = format!(
            "listen = [\"{address}\"]\nissuer = \"http://{host}\"\ndata_dir = \"{data}\"\n",
            data = directory.display()
        );
        if let Some(url) = setting.postgres.as_ref().filter(|_| postgres) {
            let key = "a master key of load tests, whose data nobody keeps";
            config.push_str(&format!("database_url = \"{url}{name}\"\nmaster_key = \"{key}\"\ndatabase_pool = 16\n"));
        }
        config.push_str(&format!("[log]\nlevel = \"{}\"\n", setting.log));
        config.push_str("[keys]\nsigning_algorithms = [\"RS256\", \"ES256\", \"EdDSA\"]\n");
        // tokens are made before, and used until the end
        config.push_str("[tokens]\naccess_token_lifetime = \"24h\"\n");
        // a floor would hide what a login costs, and everybody here comes from one address
        config.push_str("[passwords]\nanswer_floor = \"0s\"\nhash_queue = 1000\nhash_deadline = \"60s\"\n");
        config.push_str("[login]\nfree_attempts = 1000\nfree_attempts_address = 100000\n");
        let path = directory.join("keyward.toml");
        fs::write(&path, config)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Place {
            name: directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            database: if postgres { "postgres" } else { "sqlite" },
            host,
            address,
            program: setting.keyward.clone(),
            directory,
        })
    }

    /// A place of the same kind for another program.
    pub fn program(mut self, program: &Path) -> Place {
        program.clone_into(&mut self.program);
        self
    }

    /// A place whose server believes to be that of another one: requests to either are the same bytes.
    pub fn named(mut self, other: &Place) -> anyhow::Result<Place> {
        let path = self.directory.join("keyward.toml");
        let config = fs::read_to_string(&path)?;
        let issuer = |host: &str| format!("issuer = \"http://{host}\"");
        fs::write(&path, config.replace(&issuer(&self.host), &issuer(&other.host)))?;
        self.host.clone_from(&other.host);
        Ok(self)
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).arg("--config").arg(self.directory.join("keyward.toml"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYWARD_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Fills it. What it holds then.
    pub fn fill(&self, setting: &Setting, args: &[&str]) -> anyhow::Result<Credentials> {
        let credentials = self.directory.join("credentials");
        let path = credentials.to_string_lossy().into_owned();
        let begun = Instant::now();
        let all = [&["dev", "fill", "--credentials", &path], args].concat();
        let filled = self.command(&setting.tools, &all).stdout(Stdio::null()).status()?;
        ensure!(filled.success(), "{} could not be filled: {}", self.name, args.join(" "));
        eprintln!("filled {} in {:.0} s: {}", self.name, begun.elapsed().as_secs_f64(), args.join(" "));
        let read = Credentials::read(&credentials)?;
        fs::remove_file(credentials)?;
        Ok(read)
    }

    /// Runs a command of `keyward dev` that answers with JSON.
    pub fn ask(&self, setting: &Setting, args: &[&str]) -> anyhow::Result<Value> {
        let output = self.command(&setting.tools, args).stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "{} failed", args.join(" "));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Starts the server, and waits until it answers.
    pub async fn serve(&self) -> anyhow::Result<Server> {
        self.start(&["serve"]).await
    }

    /// Starts a program of this place that serves, and waits until it answers.
    pub async fn start(&self, args: &[&str]) -> anyhow::Result<Server> {
        let log = File::create(self.directory.join("log"))?;
        let mut command = self.command(&self.program, args);
        let begun = Instant::now();
        let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let (pid, address) = (child.id(), self.address);
        let mut server = Server { child, pid, address, host: self.host.clone(), log: self.directory.join("log") };
        let ask = request("GET", "/health/ready", &self.host, &[], "");
        while begun.elapsed() < Duration::from_secs(60) {
            if let Some(status) = server.child.try_wait()? {
                let log = fs::read_to_string(&server.log).unwrap_or_default();
                bail!("{} ended at once: {status}\n{log}", self.name);
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.exchange(&ask).await.is_ok_and(|answer| answer.status == 200)
            {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("{} did not answer within a minute", self.name)
    }

    /// Writes a file into the place.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.directory.join(name);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

/// A program that serves. It ends with this.
pub struct Server {
    child: Child,
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it is called by.
    pub host: String,
    /// What it wrote.
    pub log: PathBuf,
}

/// CPU that was used, user and system, in µs; to 10 ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// Of the whole process,
    pub all: u64,
    /// and of it, of the threads that hash passwords.
    pub hashing: u64,
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu { all: self.all - before.all, hashing: self.hashing - before.hashing }
    }
}

/// What the `stat` file of a process or a thread says that it used.
fn used(stat: &str) -> u64 {
    // proc(5): the name may have blanks, and ends with the last parenthesis; utime is field 14, stime 15
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // USER_HZ is 100 wherever Linux runs
    ticks * 10_000
}

impl Server {
    /// The CPU that it has used.
    pub fn cpu(&self) -> Cpu {
        let process = format!("/proc/{}", self.pid);
        let tasks = fs::read_dir(format!("{process}/task")).into_iter().flatten().flatten();
        let stats = tasks.map(|task| fs::read_to_string(task.path().join("stat")).unwrap_or_default());
        let hashing = stats.filter(|stat| stat.contains("(keyward-hasher)")).map(|stat| used(&stat)).sum();
        Cpu { all: used(&fs::read_to_string(format!("{process}/stat")).unwrap_or_default()), hashing }
    }

    /// The memory that it holds, in KiB.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// What of it is no part of a file, such as the program itself.
    pub fn own_memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
    }

    /// Ends it as an operator does, and waits.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.pid.to_string()).status()?;
        // one that counts what it executes writes much down
        for _ in 0..6000 {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("a server did not stop within a minute")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
