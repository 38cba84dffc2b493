//! The page at `/` in a real Chromium (`tests/browser/page.mjs`). Without a Chromium these tests say so and pass.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use steno_e2e::{Service, Settings, chromium, fixture, foreign_client};

use crate::keys::service_for;

/// Where Node finds the scenarios beside their packages.
fn program() -> Option<PathBuf> {
    let folder = foreign_client("node_modules")?.with_file_name("browser");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["page.mjs", "exchange.mjs", "features.mjs", "support.mjs"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("browser")
            .join(name);
        // Tests run side by side: a file must never be there in part.
        let part = tempfile::NamedTempFile::new_in(&folder).unwrap();
        std::fs::copy(source, part.path()).unwrap();
        part.persist(folder.join(name)).unwrap();
    }
    Some(folder.join("page.mjs"))
}

/// Runs a scenario against a service. It may ask to stop and start the api, and to start a worker.
fn check(service: &mut Service, scenario: &str, more: &Value) {
    let (Some(browser), Some(program)) = (chromium(), program()) else {
        return;
    };
    let shots = program.with_file_name("shots").join(scenario);
    let mut settings = json!({
        "url": format!("http://{}/", service.address()),
        "browser": browser,
        "shots": shots,
        "recording": fixture("minute.opus"),
        "clip": fixture("clip.opus"),
    });
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }

    let mut node = Command::new("node")
        .arg(program)
        .args([scenario, &settings.to_string()])
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = node.stdin.take().unwrap();
    let lines = BufReader::new(node.stdout.take().unwrap()).lines();
    for line in lines.map(Result::unwrap) {
        match line.as_str() {
            "ask: stop" => drop(service.api.take().map(|mut api| api.terminate())),
            "ask: start" => service.start_api(),
            "ask: worker" => service.start_worker(),
            other => {
                println!("{other}");
                continue;
            }
        }
        writeln!(answers, "done").unwrap();
    }
    let output = node.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{scenario} (pictures in {}):\n{}",
        shots.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_person_gets_from_a_recording_to_edited_subtitles_and_leaves_nothing_behind() {
    check(
        &mut Settings::with_workers(1).start(),
        "whole_way",
        &json!({}),
    );
}

#[test]
fn the_page_is_small_and_loads_nothing_but_its_own_files() {
    check(
        &mut Settings::with_workers(0).start(),
        "transfer",
        &json!({}),
    );
}

#[test]
fn the_page_works_with_the_keyboard_alone() {
    check(
        &mut Settings::with_workers(1).start(),
        "keyboard",
        &json!({}),
    );
}

#[test]
fn the_page_fits_a_phone_and_texts_from_right_to_left() {
    check(&mut Settings::with_workers(1).start(), "phone", &json!({}));
}

#[test]
fn the_page_shows_what_the_server_refuses_and_why() {
    let mut service = Settings::with_scripted_workers(1)
        .set("STENO_MAX_UPLOAD_BYTES", "100kB")
        .start();
    check(
        &mut service,
        "refused",
        &json!({"recording": fixture("sample.flac"), "junk": fixture("manifest.tsv")}),
    );
}

#[test]
fn the_page_goes_on_after_a_restart_of_the_server() {
    check(
        &mut Settings::with_workers(0).start(),
        "restart",
        &json!({}),
    );
}

#[test]
fn the_page_asks_for_an_api_key_and_says_if_it_is_wrong() {
    let (mut service, _folder, keys) = service_for(1, &["page"]);
    check(&mut service, "key", &json!({"key": keys[0]}));
}

#[test]
fn the_page_remembers_an_api_key_only_if_its_user_wants_that() {
    let (mut service, _folder, keys) = service_for(1, &["page"]);
    check(&mut service, "remembered_key", &json!({"key": keys[0]}));
}

#[test]
fn the_page_says_that_a_job_was_deleted() {
    check(
        &mut Settings::with_scripted_workers(0).start(),
        "gone",
        &json!({}),
    );
}

#[test]
fn the_page_scrolls_ten_thousand_segments() {
    check(&mut Settings::with_workers(0).start(), "long", &json!({}));
}

#[test]
fn the_page_shows_subtitles_over_a_video() {
    let video = json!({"clip": fixture("clip_video.mp4")});
    check(&mut Settings::with_workers(1).start(), "video", &video);
}

#[test]
fn the_page_records_from_the_microphone() {
    check(&mut Settings::with_workers(1).start(), "record", &json!({}));
}

#[test]
fn the_page_takes_folders_and_uploads_three_recordings_at_a_time() {
    check(
        &mut Settings::with_scripted_workers(0).start(),
        "folders",
        &json!({}),
    );
}

#[test]
fn the_page_sends_the_options_and_remembers_the_general_ones() {
    check(
        &mut Settings::with_scripted_workers(0).start(),
        "options",
        &json!({}),
    );
}

#[test]
fn every_download_of_the_page_equals_the_rendering_of_the_api() {
    check(
        &mut Settings::with_workers(1).start(),
        "exports",
        &json!({}),
    );
}

#[test]
fn the_page_plays_at_every_speed_and_marks_what_is_spoken() {
    check(
        &mut Settings::with_scripted_workers(1).start(),
        "player",
        &json!({}),
    );
}

#[test]
fn the_page_keeps_recordings_only_if_its_user_wants_that() {
    check(
        &mut Settings::with_scripted_workers(1).start(),
        "memory",
        &json!({}),
    );
}

#[test]
fn the_page_repeats_an_upload_that_failed() {
    check(
        &mut Settings::with_scripted_workers(1).start(),
        "upload_failure",
        &json!({}),
    );
}

#[test]
fn the_page_resumes_events_after_the_last_one() {
    let mut service = Settings::with_scripted_workers(1).start();
    check(&mut service, "resume", &json!({}));
}

#[test]
fn the_page_says_that_a_job_has_expired() {
    let service = Settings::with_scripted_workers(0)
        .set("STENO_TTL", "20s")
        .set("STENO_SWEEP_INTERVAL", "1s");
    check(&mut service.start(), "expired", &json!({}));
}

#[test]
fn the_page_stays_responsive_while_a_long_text_comes() {
    check(
        &mut Settings::with_workers(0).start(),
        "long_live",
        &json!({}),
    );
}

#[test]
fn the_page_takes_dropped_and_pasted_files() {
    check(
        &mut Settings::with_scripted_workers(1).start(),
        "drop_and_paste",
        &json!({}),
    );
}

#[test]
fn the_page_takes_addresses_of_recordings() {
    check(
        &mut Settings::with_scripted_workers(1)
            .with_courier()
            .set("STENO_OUTBOUND_ALLOW", "127.0.0.0/8")
            .start(),
        "address",
        &json!({}),
    );
}

#[test]
fn the_page_copies_and_prints_the_whole_text() {
    check(
        &mut Settings::with_workers(1).start(),
        "copy_and_print",
        &json!({}),
    );
}

#[test]
fn the_page_shows_speakers_and_exports_their_new_names() {
    check(
        &mut Settings::with_workers(0).start(),
        "speakers",
        &json!({}),
    );
}

#[test]
fn the_page_polls_where_no_events_get_through() {
    check(
        &mut Settings::with_scripted_workers(1).start(),
        "polling",
        &json!({}),
    );
}

#[test]
fn the_built_page_is_that_of_its_sources() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    let Some(tools) = foreign_client("page-tools") else {
        return;
    };
    let output = Command::new("node")
        .arg(web.join("build.mjs"))
        .arg("--check")
        .env("STENO_PAGE_TOOLS", &tools)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
