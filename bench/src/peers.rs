//! What a team would use instead, started for a measurement in a folder of its own and ended with it.
//!
//! They come from packages: on Debian `postgresql` and `redis-server`. Their settings stand here, where they are read by whoever
//! doubts that the comparison is fair.

use crate::journal::BODY_BYTES;
use portolan::fault::BoxError;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a peer that starts.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where Debian has PostgreSQL's programs, by version.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";
/// Sets of Redis that are asked for at a time, for each client.
const SETS: usize = 2_000;

/// A PostgreSQL that runs, until this is dropped.
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    server: Server,
}

/// A Redis that runs, until this is dropped.
pub struct Redis {
    socket: PathBuf,
    _server: Server,
}

struct Server(Child);

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// Programs that are not installed, or fail.
    pub fn start(folder: &Path) -> Result<Self, BoxError> {
        let missing = "PostgreSQL is not installed; on Debian: apt-get install postgresql";
        let versions = fs::read_dir(POSTGRES_VERSIONS).map_err(|_| missing)?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
        let programs = versions.filter(|bin| bin.join("initdb").exists()).max().ok_or(missing)?;
        fs::create_dir(folder)?;
        let owner = owner()?;
        if let Some((user, group)) = owner {
            chown(folder, Some(user), Some(group))?;
        }
        let as_owner = |name: &str| {
            let mut command = Command::new(programs.join(name));
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command.current_dir(folder);
            command
        };
        done(as_owner("initdb").arg("-D").arg(folder.join("data")).args(["-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale"]))?;
        let mut server = as_owner("postgres");
        server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-c", "listen_addresses="]);
        server.args(["-c", "shared_buffers=256MB", "-c", "max_connections=600", "-c", "max_wal_size=4GB"]);
        let postgres = Self { folder: folder.to_owned(), programs: programs.clone(), server: Server::start(&mut server)? };
        let table = "CREATE TABLE accepted (id uuid PRIMARY KEY, digest bytea NOT NULL UNIQUE, body text NOT NULL)";
        postgres.server.ready(|| done(postgres.client("psql").args(["-q", "-c", "SELECT 1"])).is_ok())?;
        done(postgres.client("psql").args(["-q", "-c", table]))?;
        let body = "x".repeat(BODY_BYTES);
        let insert =
            format!("INSERT INTO accepted SELECT id, sha256(id::text::bytea), '{body}' FROM (SELECT gen_random_uuid() AS id) new;\n");
        fs::write(folder.join("insert.sql"), insert)?;
        Ok(postgres)
    }

    /// Inserts in a second, each committed, by so many clients.
    ///
    /// # Errors
    /// `pgbench` failed.
    pub fn inserts(&self, clients: usize, span: Duration) -> Result<f64, BoxError> {
        let (clients, threads) = (clients.to_string(), clients.min(2).to_string());
        let mut command = self.client("pgbench");
        command.args(["-n", "-M", "prepared", "-c", &clients, "-j", &threads, "-T", &span.as_secs().max(1).to_string()]);
        let output = done(command.arg("-f").arg(self.folder.join("insert.sql")))?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.ok_or_else(|| format!("pgbench told no rate: {told}").into())
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.env("PGHOST", &self.folder).env("PGUSER", "bench").env("PGDATABASE", "postgres");
        command
    }
}

impl Redis {
    /// Starts one.
    ///
    /// # Errors
    /// Programs that are not installed, or fail.
    pub fn start(folder: &Path) -> Result<Self, BoxError> {
        fs::create_dir(folder)?;
        let socket = folder.join("socket");
        let mut server = Command::new("redis-server");
        server.args(["--port", "0", "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxclients", "600"]);
        server.arg("--dir").arg(folder).arg("--unixsocket").arg(&socket);
        let server =
            Server::start(&mut server).map_err(|error| format!("redis-server: {error}; on Debian: apt-get install redis-server"))?;
        server.ready(|| socket.exists())?;
        Ok(Self { socket, _server: server })
    }

    /// Sets in a second, each synced, by so many clients.
    ///
    /// # Errors
    /// `redis-benchmark` failed.
    pub fn sets(&self, clients: usize, span: Duration) -> Result<f64, BoxError> {
        let (begun, mut rates) = (Instant::now(), Vec::new());
        while begun.elapsed() < span {
            let mut command = Command::new("redis-benchmark");
            command.arg("-s").arg(&self.socket).args(["-t", "set", "--csv", "-r", "1000000000"]);
            command.args(["-c", &clients.to_string(), "-n", &(SETS * clients.clamp(1, 16)).to_string(), "-d", &BODY_BYTES.to_string()]);
            let told = String::from_utf8_lossy(&done(&mut command)?.stdout).into_owned();
            let rate = told.lines().find_map(|line| line.strip_prefix("\"SET\",\"")?.split('"').next()?.parse::<f64>().ok());
            rates.push(rate.ok_or_else(|| format!("redis-benchmark told no rate: {told}"))?);
        }
        // Each has as many sets: the rate of all of them is the harmonic mean.
        Ok(rates.len() as f64 / rates.iter().map(|rate| 1.0 / rate).sum::<f64>())
    }
}

impl Server {
    fn start(command: &mut Command) -> Result<Self, BoxError> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?))
    }

    fn ready(&self, is_ready: impl Fn() -> bool) -> Result<(), BoxError> {
        let begun = Instant::now();
        while !is_ready() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("process {} does not get ready", self.0.id()).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What it holds is thrown away with its folder. SIGINT ends PostgreSQL with all its processes.
        let told = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        if told.is_ok_and(|status| status.success()) {
            let _ = self.0.wait();
        }
    }
}

/// PostgreSQL refuses to run as root: the user that its package has made runs it then.
fn owner() -> Result<Option<(u32, u32)>, BoxError> {
    if !is_root()? {
        return Ok(None);
    }
    let id = |flag: &str| -> Result<u32, BoxError> {
        Ok(String::from_utf8(done(Command::new("id").args([flag, "postgres"]))?.stdout)?.trim().parse()?)
    };
    Ok(Some((id("-u")?, id("-g")?)))
}

fn is_root() -> Result<bool, BoxError> {
    Ok(String::from_utf8(done(Command::new("id").arg("-u"))?.stdout)?.trim() == "0")
}

/// Runs a program to its end.
fn done(command: &mut Command) -> Result<Output, BoxError> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!("{}: {}", command.get_program().to_string_lossy(), String::from_utf8_lossy(&output.stderr)).into()),
    }
}
