//! The thread of a session: connects, handles commands and notifications until the connection is
//! lost, then reconnects.

use std::error::Error;
use std::future::Future;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_postgres::Notification;

use super::connection::{Connect, ConnectError, Open};
use super::state::State;
use crate::runs::absence::{Absent, Suspects};
use crate::signal::message::WakeMessage;

/// Pause between two polls: reads the clock, checks the connection, and lets callers check for
/// changes that no message announced.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Time that messages wait, so that later ones are sent with them.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// A statement that takes longer is taken for a lost connection.
const STATEMENT_LIMIT: Duration = Duration::from_secs(5);
/// Longest pause between two tries to connect.
const MAX_BACKOFF: Duration = Duration::from_secs(1);
const MIN_BACKOFF: Duration = Duration::from_millis(25);

/// What callers ask of the thread. Without a connection, replies are dropped.
#[derive(Debug)]
pub(super) enum Command {
    /// There are messages to send.
    Flush,
    /// Poll now.
    Poll,
    /// There is a new listener.
    Listen {
        reply: SyncSender<()>,
    },
    ExtendLease {
        run_id: String,
        lease_until: i64,
        reply: SyncSender<bool>,
    },
    ForgetProof {
        run_id: String,
    },
    Suspects {
        now_ms: i64,
        reply: SyncSender<Suspects>,
    },
    AbsentProcesses {
        processes: Vec<String>,
        reply: SyncSender<Absent>,
    },
    /// Send what waits, and end.
    Close,
}

/// How serving a connection ended.
enum Ended {
    Lost,
    Closed,
}

/// Runs until [`Command::Close`]. Reports the outcome of the first try to connect.
pub(super) fn run(
    connect: &dyn Connect,
    state: &State,
    mut commands: UnboundedReceiver<Command>,
    is_open: &SyncSender<Result<(), ConnectError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = is_open.send(Err(ConnectError::Thread(error)));
            return;
        }
    };
    runtime.block_on(async {
        let first = match open(connect, state).await {
            Ok(open) => open,
            Err(error) => {
                let _ = is_open.send(Err(ConnectError::Database(error)));
                return;
            }
        };
        let _ = is_open.send(Ok(()));

        let mut connection = first;
        while let Ended::Lost = serve(connection, state, &mut commands).await {
            state.note_loss();
            match reconnect(connect, state, &mut commands).await {
                Some(open) => connection = open,
                None => return,
            }
        }
    });
}

/// Opens a connection with its lock, its channels and the time.
async fn open(connect: &dyn Connect, state: &State) -> Result<Open, tokio_postgres::Error> {
    let open = connect.connect().await?;
    open.begin(state, connect.lease()).await?;
    open.poll(state).await?;
    state.note_connection();
    Ok(open)
}

/// Tries until there is a connection. `None` if the session is closed meanwhile.
async fn reconnect(
    connect: &dyn Connect,
    state: &State,
    commands: &mut UnboundedReceiver<Command>,
) -> Option<Open> {
    let began = Instant::now();
    let mut backoff = MIN_BACKOFF;
    let mut is_logged = false;
    loop {
        match timeout(STATEMENT_LIMIT * 2, open(connect, state)).await {
            Ok(Ok(open)) => {
                tracing::info!(
                    "the session with the database is back after {} ms",
                    began.elapsed().as_millis()
                );
                return Some(open);
            }
            Ok(Err(error)) if !is_logged => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "cannot reconnect to the database; trying again"
                );
                is_logged = true;
            }
            Ok(Err(_)) | Err(_) => {}
        }

        // Pauses differ, so that not all processes reconnect at the same moment.
        let pause = backoff.mul_f64(0.5 + fastrand::f64() / 2.0);
        backoff = (backoff * 2).min(MAX_BACKOFF);
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => break,
                command = commands.recv() => match command {
                    None | Some(Command::Close) => return None,
                    // Its reply is dropped with it, and messages stay in the outbox.
                    Some(_) => {}
                },
            }
        }
    }
}

/// Serves until the connection is lost or the session closed.
async fn serve(mut open: Open, state: &State, commands: &mut UnboundedReceiver<Command>) -> Ended {
    let mut poll = poll_timer();
    // Messages that waited for the connection.
    let mut flush_at = (!state.outbox.is_empty()).then(Instant::now);
    loop {
        let wait_for_flush = async {
            match flush_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            notification = open.notifications.recv() => match notification {
                Some(notification) => {
                    deliver(state, &notification);
                    Some(())
                }
                None => None,
            },
            () = wait_for_flush => {
                flush_at = None;
                within_limit(open.flush(state)).await
            }
            _ = poll.tick() => {
                let polled = within_limit(open.poll(state)).await;
                state.note_poll();
                polled
            }
            command = commands.recv() => match command {
                None | Some(Command::Close) => {
                    let _ = within_limit(open.flush(state)).await;
                    return Ended::Closed;
                }
                Some(Command::Flush) => {
                    flush_at.get_or_insert_with(|| Instant::now() + DEBOUNCE);
                    Some(())
                }
                Some(command) => execute(&open, state, command).await,
            },
        };
        if outcome.is_none() {
            return Ended::Lost;
        }
    }
}

fn poll_timer() -> Interval {
    let mut timer = interval(POLL_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.reset();
    timer
}

/// Runs a statement for a caller. `None` if the connection is lost.
async fn execute(open: &Open, state: &State, command: Command) -> Option<()> {
    match command {
        Command::ExtendLease {
            run_id,
            lease_until,
            reply,
        } => {
            let is_registered = within_limit(open.extend_lease(&run_id, lease_until)).await?;
            let _ = reply.send(is_registered);
        }
        Command::ForgetProof { run_id } => within_limit(open.forget_proof(&run_id)).await?,
        Command::Suspects { now_ms, reply } => {
            let suspects = within_limit(open.suspects(now_ms)).await?;
            let _ = reply.send(suspects);
        }
        Command::AbsentProcesses { processes, reply } => {
            let absent = within_limit(open.absent_processes(&processes)).await?;
            let _ = reply.send(absent);
        }
        Command::Listen { reply } => {
            within_limit(open.listen(state)).await?;
            let _ = reply.send(());
        }
        Command::Poll => within_limit(open.poll(state)).await?,
        Command::Flush | Command::Close => {}
    }
    Some(())
}

/// The outcome of a statement. `None` if it fails or takes too long; the connection is then given
/// up.
async fn within_limit<T>(
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Option<T> {
    match timeout(STATEMENT_LIMIT, statement).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::warn!(
                error = &error as &dyn Error,
                "a statement of the session failed; reconnecting"
            );
            None
        }
        Err(_) => {
            tracing::warn!(
                "the database has not answered for {} s; reconnecting",
                STATEMENT_LIMIT.as_secs()
            );
            None
        }
    }
}

fn deliver(state: &State, notification: &Notification) {
    if let Some(message) = WakeMessage::parse(notification.payload()) {
        state.deliver(message);
    }
}
