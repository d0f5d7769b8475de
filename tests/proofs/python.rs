//! Scripts of ours that run with what `tests/proofs/install` has put under `target/proofs`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file that was installed.
pub(crate) fn installed(name: &str) -> PathBuf {
    let path = home().join("target/proofs").join(name);
    assert!(path.exists(), "{name} is missing: tests/proofs/install installs it");
    path
}

/// Runs a script beside this file, gives it `input`, and reads the JSON that it prints.
pub(crate) fn run(script: &str, arguments: &[PathBuf], input: &Value) -> Value {
    let mut child = Command::new("python3")
        .env("PYTHONPATH", installed("python"))
        .arg(home().join("tests/proofs").join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed; tests/run installs it");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_string();
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writing.join().unwrap();
    assert!(output.status.success(), "{script} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}
