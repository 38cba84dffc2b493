//! An upload in progress counts against the quota of its key, from its first byte to its end.

use std::io::Write as _;
use std::net::TcpStream;

use steno_e2e::{Settings, eventually, fixture};
use steno_models::ProblemCode;

use crate::keys;

#[test]
fn an_upload_in_progress_takes_room_until_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-keys");
    let key = keys::add(&file, "alice");
    let service = Settings::with_scripted_workers(0)
        .in_data_folder()
        .set("STENO_API_KEYS_FILE", file.to_str().unwrap())
        .set("STENO_KEY_MAX_BYTES", "1MB")
        .start();
    let alice = service.client.with_key(&key);
    let clip = fixture("clip.opus");
    alice.submit(&clip, "");

    // Announces nearly the whole quota of the key, and sends no body.
    let mut connection = TcpStream::connect(service.address()).unwrap();
    let head = format!(
        "POST /transcribe HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: audio/wav\r\nContent-Length: 990000\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(b"RIFF").unwrap();
    let database = rusqlite::Connection::open(service.data().join("steno.db")).unwrap();
    eventually("the upload has begun", || {
        let count = "SELECT count(*) FROM uploads";
        let begun = database.query_row(count, [], |row| row.get::<_, i64>(0));
        (begun.unwrap() == 1).then_some(())
    });
    let refused = alice.upload(&clip, "");
    assert_eq!(
        (refused.status, refused.problem().code),
        (429, ProblemCode::QuotaExceeded)
    );

    drop(connection);
    eventually("the bytes of the upload are free again", || {
        alice.upload(&clip, "").accepted()
    });
}
