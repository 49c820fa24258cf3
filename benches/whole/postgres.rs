//! A private PostgreSQL from the installed binaries.

use anyhow::{Context as _, Result, ensure};
use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// A server on loopback that ends when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Child,
    _folder: TempDir,
}

impl Server {
    /// Starts one; `None` where no PostgreSQL is installed.
    pub(crate) fn start() -> Result<Option<Self>> {
        let Some(binaries) = binaries() else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        if rustix::process::geteuid().is_root() {
            ensure!(Command::new("chown").arg("postgres").arg(&data).status()?.success(), "chown");
        }
        let mut initdb = as_postgres(&binaries.join("initdb"));
        let initdb = initdb.args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&data);
        ensure!(initdb.current_dir("/").stdout(Stdio::null()).status()?.success(), "initdb");
        let rules = std::fs::read_to_string(data.join("pg_hba.conf"))?;
        let rules = format!("host all bench 127.0.0.1/32 scram-sha-256\n{rules}");
        std::fs::write(data.join("pg_hba.conf"), rules)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            // What the server does by itself is not to be measured.
            "autovacuum=off",
            "max_wal_size=8GB",
            "shared_buffers=512MB",
        ];
        let mut command = as_postgres(&binaries.join("postgres"));
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        for setting in settings {
            command.args(["-c", setting]);
        }
        let process = command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Some(Self { port, process, _folder: folder }))
    }

    /// The address for a role without a password.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Connects, waiting for the server's start.
    pub(crate) async fn connect(&self) -> Result<sqlx::PgConnection> {
        use sqlx::Connection as _;
        for _ in 0..200 {
            if let Ok(connection) = sqlx::PgConnection::connect(&self.url()).await {
                return Ok(connection);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sqlx::PgConnection::connect(&self.url()).await.context("PostgreSQL does not start")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // setpriv replaces itself, so this is the server; immediate shutdown, nothing is worth keeping.
        let quit = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::QUIT,
        );
        if quit.is_ok() {
            let _ = self.process.wait();
        }
    }
}

fn as_postgres(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn binaries() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = installed.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
