//! An authority and a certificate for a test server, made with `openssl`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs;

pub(crate) const SERVER_CERTIFICATE: &str = "server.pem";
pub(crate) const SERVER_KEY: &str = "server.key";

/// Writes certificate and key of the server into `folder`, and returns the certificate of their authority.
pub(crate) fn create(folder: &Path) -> PathBuf {
    let openssl = |arguments: &[&str]| {
        programs::run(Command::new("openssl").args(arguments).current_dir(folder));
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];

    let mut authority = vec!["req", "-x509", "-days", "2", "-subj", "/CN=Test authority"];
    authority.extend(key);
    authority.extend(["-keyout", "authority.key", "-out", "authority.pem"]);
    openssl(&authority);

    let mut request = vec!["req", "-subj", "/CN=localhost"];
    request.extend(key);
    request.extend(["-keyout", SERVER_KEY, "-out", "server.csr"]);
    openssl(&request);

    let names = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n";
    fs::write(folder.join("names"), names).unwrap();
    let mut sign = vec![
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        "server.csr",
        "-extfile",
        "names",
    ];
    sign.extend([
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-CAcreateserial",
    ]);
    sign.extend(["-out", SERVER_CERTIFICATE]);
    openssl(&sign);

    for name in [SERVER_CERTIFICATE, SERVER_KEY] {
        let path = folder.join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        programs::give_away(&path);
    }
    folder.join("authority.pem")
}
