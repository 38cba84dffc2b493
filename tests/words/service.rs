//! The whole service: the answer that a client gets for each file.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use steno_e2e::{Client, Settings};

use crate::{Question, answer};

/// Slots of the worker, and clients that send files.
const SLOTS: usize = 2;

/// Sends every file, `SLOTS` at a time, and writes each job as the service describes it.
pub(crate) fn transcribe(mut questions: Vec<Question>) {
    let service = Settings::with_workers(1)
        .set("STENO_SLOTS", &SLOTS.to_string())
        .start();
    let began = Instant::now();

    // `pop` takes from the end.
    questions.reverse();
    let questions = Mutex::new(questions);
    thread::scope(|scope| {
        for _ in 0..SLOTS {
            scope.spawn(|| {
                while let Some(question) = next(&questions) {
                    answer(&transcribe_file(&service.client, &question));
                }
            });
        }
    });

    let worker = &service.workers[0];
    answer(&json!({
        "id": null,
        "wall_s": began.elapsed().as_secs_f64(),
        "worker_cpu_s": worker.cpu_seconds(),
        "decoder_cpu_s": worker.children_cpu_seconds(),
    }));
}

fn next(questions: &Mutex<Vec<Question>>) -> Option<Question> {
    questions.lock().unwrap().pop()
}

fn transcribe_file(client: &Client, question: &Question) -> Value {
    let query = match &question.language {
        Some(language) => format!("language={language}"),
        None => String::new(),
    };
    let uploaded = client.upload(&question.path, &query);

    let Some(job) = uploaded.accepted() else {
        return json!({"id": question.id, "error": uploaded.json()["code"]});
    };

    let ended = client.wait(job);
    let job = client.get(&format!("/transcribe/{}", ended.job_id)).json();
    json!({"id": question.id, "error": job["error"]["code"], "result": job["result"]})
}
