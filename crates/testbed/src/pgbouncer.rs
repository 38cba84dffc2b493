//! A pgbouncer in front of a test server.

use std::fs;
use std::net::TcpStream;

use tempfile::TempDir;

use crate::cleanup::Cleanup;
use crate::postgres::{PASSWORD, USER};
use crate::{Postgres, free_port, programs, skip, wait_until};

/// A connection pooler for all databases of a server.
pub struct Pgbouncer {
    port: u16,
    // Before `_folder`: the program must be gone when its folder is deleted.
    _cleanup: Cleanup,
    _folder: TempDir,
}

impl Pgbouncer {
    /// Starts pgbouncer with `pool_mode`, for example `transaction`. `None`, with a message, if it is not installed.
    pub fn start(server: &Postgres, pool_mode: &str) -> Option<Self> {
        let Some(program) = programs::find("pgbouncer") else {
            skip("pgbouncer is not installed (apt-get install pgbouncer)");
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("steno-pgbouncer-")
            .tempdir()
            .unwrap();
        programs::give_away(folder.path());

        let port = free_port();
        let at = folder.path().display();
        let upstream = server.port();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={upstream}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = plain\nauth_file = {at}/users\npool_mode = {pool_mode}\n\
             default_pool_size = 20\nmax_client_conn = 500\nlogfile = {at}/log\npidfile = {at}/pid\n"
        );
        for (name, content) in [
            ("pgbouncer.ini", text),
            ("users", format!("\"{USER}\" \"{PASSWORD}\"\n")),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            programs::give_away(&path);
        }

        programs::run(
            programs::unprivileged(&program)
                .args(["--daemon", "--quiet"])
                .arg(folder.path().join("pgbouncer.ini")),
        );
        let pooler = Self {
            port,
            _cleanup: Cleanup::of(&folder.path().join("pid"), folder.path()),
            _folder: folder,
        };
        wait_until("pgbouncer listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(pooler)
    }

    /// The address of a database through the pooler.
    pub fn url(&self, database: &str) -> String {
        let port = self.port;
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
    }
}
