//! The dashboard and the alert rules name series that a live service has, and Prometheus accepts them.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use steno_e2e::{Settings, fixture};

fn deployed(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(name)
}

/// Names of series in a text.
fn series(text: &str) -> Vec<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text
        .split(|c: char| !is_of_name(c))
        .filter(|word| word.starts_with("steno_"));
    words.map(ToOwned::to_owned).collect()
}

/// What a service exports that has done nothing yet but answer one call.
fn fresh_scrape() -> String {
    let service = Settings::with_workers(0).start();
    assert_eq!(service.client.get("/transcribe").status, 200);
    service.client.get("/metrics").text()
}

#[test]
fn everything_that_is_watched_is_exported_from_the_start() {
    let scrape = fresh_scrape();
    let exported = series(&scrape);
    for file in ["alerts.yml", "grafana.json"] {
        let watched = series(&fs::read_to_string(deployed(file)).unwrap());
        assert!(watched.len() > 5, "{file}");
        for name in watched {
            assert!(
                exported.contains(&name),
                "{file}: {name} is not in\n{scrape}"
            );
        }
    }
    for first in [
        "steno_deletions_total{reason=\"expired\"} 0",
        "steno_jobs_ended_total{how=\"engine_error\"} 0",
        "steno_jobs_ended_total{how=\"completed\"} 0",
        "steno_claims_total{kind=\"prepare\"} 0",
        "steno_postponed_total{reason=\"files\"} 0",
        "steno_crashes_total 0",
    ] {
        assert!(
            scrape.lines().any(|line| line == first),
            "{first} is not in\n{scrape}"
        );
    }
}

#[test]
fn counters_go_on_from_zero() {
    let service = Settings::with_scripted_workers(1).start();
    let job = service.client.submit(&fixture("clip.opus"), "language=en");
    service.client.wait_for_text(job);
    let scrape = service.client.get("/metrics").text();
    for line in [
        "steno_jobs_ended_total{how=\"completed\"} 1",
        "steno_claims_total{kind=\"prepare\"} 1",
    ] {
        assert!(
            scrape.lines().any(|found| found == line),
            "{line} is not in\n{scrape}"
        );
    }
}

/// A test of Prometheus' own for the formula of the dashboard: a tenth of a second of a slot for each second of speech.
fn real_time_factor_test() -> String {
    let dashboard: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(deployed("grafana.json")).unwrap()).unwrap();
    let text = dashboard.to_string();
    let formula =
        "sum(rate(steno_task_seconds_total[10m])) / sum(rate(steno_speech_seconds_total[10m]))";
    assert!(text.contains(formula), "the panel has another formula");
    format!(
        "tests:
  - interval: 1m
    input_series:
      - series: 'steno_task_seconds_total{{job=\"steno\",instance=\"a\",kind=\"prepare\"}}'
        values: '0+6x30'
      - series: 'steno_task_seconds_total{{job=\"steno\",instance=\"a\",kind=\"transcribe\"}}'
        values: '0+54x30'
      - series: 'steno_speech_seconds_total{{job=\"steno\",instance=\"a\"}}'
        values: '0+600x30'
    promql_expr_test:
      - expr: '{formula}'
        eval_time: 20m
        exp_samples:
          - labels: '{{}}'
            value: 0.1
"
    )
}

#[test]
fn prometheus_accepts_the_rules_and_a_live_scrape() {
    if Command::new("promtool").arg("--version").output().is_err() {
        // The test above has looked at the names; the syntax is Prometheus' own to judge.
        return eprintln!("promtool is not installed");
    }
    let rules = Command::new("promtool")
        .args(["check", "rules"])
        .arg(deployed("alerts.yml"))
        .output()
        .unwrap();
    assert!(
        rules.status.success(),
        "{}",
        String::from_utf8_lossy(&rules.stderr)
    );

    let folder = tempfile::tempdir().unwrap();
    let test = folder.path().join("test.yml");
    fs::write(&test, real_time_factor_test()).unwrap();
    let tested = Command::new("promtool")
        .args(["test", "rules"])
        .arg(&test)
        .output()
        .unwrap();
    assert!(
        tested.status.success(),
        "{}",
        String::from_utf8_lossy(&tested.stdout)
    );

    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(fresh_scrape().as_bytes())
        .unwrap();
    let checked = check.wait_with_output().unwrap();
    let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert!(checked.status.success(), "{said}");
}
