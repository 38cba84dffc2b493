//! Passes the commit to the programs, if it is known.

use std::process::Command;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo passes its results to build scripts in variables"
)]
fn main() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    // A packager may know it where there is no repository.
    println!("cargo::rerun-if-env-changed=STENO_COMMIT");
    let commit = std::env::var("STENO_COMMIT")
        .ok()
        .or_else(|| git(&["rev-parse", "--short=10", "HEAD"]));
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!(
        "cargo::rustc-env=STENO_COMMIT={}",
        commit.unwrap_or_else(|| "unknown".to_owned())
    );
}
