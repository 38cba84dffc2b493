//! Invariant: the database itself refuses states that cannot be.

use crate::support::Fixture;

/// Runs a statement against a job that is `processing`, with one claimed task.
fn refused(statement: &str) -> String {
    let f = Fixture::new();
    f.submit();
    let run = f.worker();
    f.claim(&run);
    match f.connect().try_run(statement) {
        Ok(()) => panic!("the database took: {statement}"),
        Err(error) => error.to_lowercase(),
    }
}

#[test]
fn a_job_never_goes_back() {
    assert!(
        refused("UPDATE jobs SET status = 'pending', started_at = NULL")
            .contains("illegal job transition")
    );
    let ended = "UPDATE jobs SET status = 'failed', finished_at = 1, error_code = 'x';";
    assert!(
        refused(&format!(
            "{ended} UPDATE jobs SET status = 'processing', finished_at = NULL, error_code = NULL"
        ))
        .contains("illegal job transition")
    );
}

#[test]
fn no_job_completes_without_its_result() {
    assert!(
        refused("UPDATE jobs SET status = 'completed', finished_at = 1")
            .contains("illegal job transition")
    );
}

#[test]
fn a_status_comes_with_its_columns() {
    assert!(refused("UPDATE jobs SET status = 'failed', finished_at = 1").contains("check"));
    assert!(refused("UPDATE jobs SET status = 'failed', error_code = 'x'").contains("check"));
    assert!(refused("UPDATE jobs SET status = 'cancelled'").contains("illegal"));
    assert!(refused("UPDATE jobs SET retrieved_at = 1").contains("check"));
}

#[test]
fn a_claim_is_not_taken_over() {
    assert!(
        refused("UPDATE tasks SET claim_id = (SELECT id FROM jobs)")
            .contains("illegal task transition")
    );
    assert!(refused("UPDATE tasks SET status = 'ready'").contains("check"));
    assert!(
        refused("UPDATE tasks SET status = 'done', claim_id = NULL, run_id = NULL")
            .contains("check")
    );
}
