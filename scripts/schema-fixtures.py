#!/usr/bin/env python3
"""Writes a small database of each released schema as SQL, for the upgrade test of the store.

Run it once for each release, before its migrations are released: scripts/schema-fixtures.py
It takes the migrations from migrations/sqlite, fills each schema with the rows that a queue in use has, and writes
crates/store/tests/fixtures/schema_NNNN.sql. Existing fixtures are left alone: they are what was released.
"""
import json
import pathlib
import sys
import uuid

try:
    from pysqlite3 import dbapi2 as sqlite3
except ImportError:
    import sqlite3

if sqlite3.sqlite_version_info < (3, 45):
    sys.exit("needs SQLite 3.45 or later: pip install pysqlite3-binary")

ROOT = pathlib.Path(__file__).resolve().parent.parent
MIGRATIONS = sorted((ROOT / "migrations/sqlite").glob("*.sql"))
FIRST_EDITION = ROOT / "migrations/repairs/0004_trust_first_edition.sql"
FIXTURES = ROOT / "crates/store/tests/fixtures"
NOW = 1_800_000_000_000
DAY = 86_400_000
SEGMENT = {"id": 0, "start": 0.0, "end": 1.0, "text": "one", "avg_logprob": -0.1, "compression_ratio": 1.0,
           "no_speech_prob": 0.1, "temperature": 0.0, "tokens": [1]}
RESULT = {"text": "done", "language": "en", "duration_seconds": 1.0, "model": "base", "segments": []}


def job_id(number):
    return bytes([number]) * 16


def fill(database):
    """A pending job, one with two spans of which one is done, and a completed one."""
    jobs = [("pending", None, None), ("processing", NOW, None), ("completed", NOW, NOW)]
    for seq, (status, started, finished) in enumerate(jobs, start=1):
        database.execute(
            "INSERT INTO jobs (seq, id, priority, due_at, created_at, ttl_deadline) VALUES (?, ?, 0, ?, ?, ?)",
            (seq, job_id(seq), NOW, NOW, NOW + DAY))
        database.execute(
            "INSERT INTO inputs (job, options, audio, audio_bytes, audio_sha256) VALUES (?, '{}', ?, 4, zeroblob(32))",
            (seq, str(uuid.UUID(bytes=job_id(seq)))))
        if started:
            database.execute(
                "UPDATE jobs SET status = 'processing', started_at = ?, attempts = 1, language = 'en' WHERE seq = ?",
                (started, seq))
        if finished:
            database.execute("INSERT INTO results (job, body) VALUES (?, ?)", (seq, json.dumps(RESULT)))
            database.execute("UPDATE jobs SET status = ?, finished_at = ? WHERE seq = ?", (status, finished, seq))
    database.execute("INSERT INTO tasks (job, kind, priority, due_at) VALUES (1, 'prepare', 0, ?)", (NOW,))
    database.execute(
        "UPDATE jobs SET spool = ?, duration_ms = 2000, speech_ms = 2000, done_ms = 1000 WHERE seq = 2",
        (f"{uuid.UUID(bytes=job_id(2))}.{'0' * 32}.pcm",))
    database.execute(
        "INSERT INTO workers (run_id, boot_id, lease_until, pid, slots, model, started_at) VALUES ('w', 'b', 0, 1, 1, 'base', ?)",
        (NOW,))
    for index in range(2):
        database.execute(
            "INSERT INTO tasks (job, kind, span_index, start_sample, end_sample, priority, due_at)"
            " VALUES (2, 'transcribe', ?, ?, ?, 0, ?)", (index, index * 16000, (index + 1) * 16000, NOW))
    database.execute("UPDATE tasks SET status = 'claimed', claim_id = zeroblob(16), run_id = 'w' WHERE span_index = 0")
    database.execute(
        "UPDATE tasks SET status = 'done', segments = ?, claim_id = NULL, run_id = NULL WHERE span_index = 0",
        (json.dumps([SEGMENT]),))
    database.execute("DELETE FROM workers")


def write(name, files):
    target = FIXTURES / f"schema_{name}.sql"
    if target.exists():
        return
    database = sqlite3.connect(":memory:", isolation_level=None)
    for file in files:
        database.executescript(file.read_text())
    fill(database)
    lines = ["BEGIN;"]
    schema = database.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    tables = [(name, sql) for kind, name, sql in schema if kind == "table" and name != "sqlite_sequence"]
    lines += [f"{sql};" for _, sql in tables]
    # sqlite_sequence last: the rows of the others change it.
    for name in [name for name, _ in tables] + ["sqlite_sequence"]:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
        values = ", ".join(f"quote({column})" for column in columns)
        if name == "sqlite_sequence":
            lines.append("DELETE FROM sqlite_sequence;")
        for row in database.execute(f"SELECT {values} FROM {name}"):
            lines.append(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(row)});")
    # Triggers last: they would change the rows.
    lines += [f"{sql};" for kind, _, sql in schema if kind in ("index", "trigger")]
    lines += ["COMMIT;", f"PRAGMA application_id = {0x5374656E};", f"PRAGMA user_version = {len(files)};", ""]
    target.write_text("\n".join(lines))
    print(target.relative_to(ROOT), target.stat().st_size, "bytes")


FIXTURES.mkdir(parents=True, exist_ok=True)
for known in range(1, len(MIGRATIONS) + 1):
    write(f"{known:04}", MIGRATIONS[:known])
write("0004_first_edition", MIGRATIONS[:3] + [FIRST_EDITION])
