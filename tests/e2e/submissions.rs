//! Submitting twice, listing, and the bounds of every option.

use steno_e2e::{Answer, Settings, eventually, fixture};
use steno_models::{JobAccepted, JobList, ProblemCode, Status};

fn accepted(answer: &Answer) -> JobAccepted {
    assert_eq!(answer.status, 202, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_submission_that_is_repeated_with_its_key_is_one_job() {
    let service = Settings::with_workers(0).start();
    let clip = std::fs::read(fixture("clip.opus")).unwrap();
    let submit = |query: &str, key: &str, body: &[u8]| {
        service.client.post_with(
            &format!("/transcribe?{query}"),
            &[("content-type", "audio/ogg"), ("idempotency-key", key)],
            body,
        )
    };

    let first = accepted(&submit("language=en", "call-1", &clip));
    let again = accepted(&submit("language=en", "call-1", &clip));
    assert_eq!(
        (again.job_id, again.created_at, again.position),
        (first.job_id, first.created_at, Some(1))
    );
    // With a bucket, an upload that is not needed is deleted after the answer.
    eventually("the second recording is deleted", || {
        (service.files() == [first.job_id.to_string()]).then_some(())
    });
    for refused in [
        submit("language=de", "call-1", &clip),
        submit("language=en", "call-1", &clip[1..]),
    ] {
        assert_eq!(
            (refused.status, refused.problem().code),
            (422, ProblemCode::IdempotencyKeyInUse)
        );
    }

    let other = accepted(&submit("language=en", "call-2", &clip));
    assert_ne!(other.job_id, first.job_id);
    for key in ["", "two words", &"x".repeat(256)] {
        let problem = submit("", key, &clip).problem();
        assert_eq!(
            (problem.status, problem.errors[0].pointer.as_str()),
            (422, "/Idempotency-Key"),
            "{key:?}"
        );
    }

    eventually("what was refused is deleted", || {
        (service.files().len() == 2).then_some(())
    });
}

#[test]
fn jobs_are_listed_newest_first_page_by_page() {
    let service = Settings::with_workers(1).start();
    let jobs: Vec<_> = (0..5)
        .map(|_| service.client.submit(&fixture("clip.opus"), "language=en"))
        .collect();
    for job in &jobs {
        service.client.wait(*job);
    }
    let list = |query: &str| {
        serde_json::from_slice::<JobList>(&service.client.get(&format!("/transcribe?{query}")).body)
            .unwrap()
    };
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = list(&format!("limit=2&status=completed{cursor}"));
        assert!(
            page.jobs
                .iter()
                .all(|job| job.status == Status::Completed && job.result.is_none())
        );
        found.extend(page.jobs.iter().map(|job| job.job_id));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }

    assert_eq!(found, jobs.iter().rev().copied().collect::<Vec<_>>());
    assert!(list("status=failed").jobs.is_empty());
    assert!(
        list("").jobs.iter().all(|job| job.retrieved_at.is_none()),
        "a list is no retrieval"
    );

    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "status=done",
        "cursor=x",
        "colour=red",
    ] {
        assert_eq!(
            service
                .client
                .get(&format!("/transcribe?{query}"))
                .problem()
                .status,
            422,
            "{query}"
        );
    }
}
