//! moto, an S3 server by other authors than [`crate::S3`]'s: for checks that must not depend on one implementation.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::cleanup::Cleanup;
use crate::{free_port, skip, wait_until};

/// A running moto. It keeps its objects in memory.
pub struct Moto {
    server: Child,
    port: u16,
    // Ends the server if this process is killed.
    _cleanup: Cleanup,
    _folder: TempDir,
}

impl Moto {
    /// Starts moto. `None`, with a message, if `scripts/ensure-servers.sh` could not install it.
    pub fn start() -> Option<Self> {
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/servers/moto/bin/moto_server");
        if !program.exists() {
            skip("moto is not installed; scripts/ensure-servers.sh installs it");
            return None;
        }

        let port = free_port();
        let server = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let folder = TempDir::new().unwrap();
        let pid_file = folder.path().join("pid");
        fs::write(&pid_file, server.id().to_string()).unwrap();
        let moto = Self {
            server,
            port,
            _cleanup: Cleanup::of(&pid_file, folder.path()),
            _folder: folder,
        };
        wait_until("moto answers", || {
            ureq::get(&moto.endpoint()).call().is_ok()
        });
        Some(moto)
    }

    /// The address of the server, without a bucket.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes an empty bucket. moto accepts any access key and secret.
    pub fn create_bucket(&self, name: &str) {
        let url = format!("{}/{name}", self.endpoint());
        let authorization = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request";
        ureq::put(&url)
            .header("Authorization", authorization)
            .send_empty()
            .unwrap();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}
