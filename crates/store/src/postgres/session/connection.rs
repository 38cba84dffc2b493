//! Opening the direct connection, and the statements that run on it.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Notification, Socket};

use super::outbox::channel;
use super::state::State;
use crate::runs::absence::{Absent, Suspects};

/// Seats on the watch: as many processes look for dead ones each second, so that one of them may die.
const SEATS: [i64; 2] = [0x0073_7465_6e6f_0001, 0x0073_7465_6e6f_0002];
/// Time for a connection to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Idle time after which the server probes the connection, and pause between its probes.
const PROBE_AFTER_S: u64 = 10;
const PROBE_PAUSE_S: u64 = 5;

/// A statement of the session.
macro_rules! session_sql {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/postgres/session/sql/",
            $name,
            ".sql"
        ))
    };
}

/// Why the first connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The server refused it, cannot be reached, or a statement failed.
    #[error("cannot connect to the database")]
    Database(#[source] tokio_postgres::Error),
    /// The system refuses to start a thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The thread ended because of a bug.
    #[error("the thread of the database session ended")]
    Ended,
}

/// An open connection that the thread of a session uses.
pub(super) struct Open {
    pub(super) client: Client,
    /// Ends when the connection is lost.
    pub(super) notifications: UnboundedReceiver<Notification>,
}

type Opening<'a> = Pin<Box<dyn Future<Output = Result<Open, tokio_postgres::Error>> + Send + 'a>>;

/// Makes connections for a session.
pub(crate) trait Connect: Send + Sync {
    /// Connects, in the thread of the session.
    #[expect(
        private_interfaces,
        reason = "only this module implements and calls it"
    )]
    fn connect(&self) -> Opening<'_>;

    /// How long claims are valid without a heartbeat.
    fn lease(&self) -> Duration;
}

/// Connects directly to the server, not through a pooler that shares its connections.
pub(crate) struct Direct<T> {
    config: Config,
    tls: T,
    lease: Duration,
}

impl<T> Direct<T> {
    pub(crate) fn new(mut config: Config, tls: T, lease: Duration) -> Self {
        config
            .connect_timeout(CONNECT_LIMIT)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(PROBE_AFTER_S))
            .keepalives_interval(Duration::from_secs(PROBE_PAUSE_S))
            .keepalives_retries(3)
            .tcp_user_timeout(lease);
        Self { config, tls, lease }
    }
}

impl<T> Connect for Direct<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    #[expect(
        private_interfaces,
        reason = "only this module implements and calls it"
    )]
    fn connect(&self) -> Opening<'_> {
        Box::pin(async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            let (sender, notifications) = unbounded_channel();
            tokio::spawn(drive(connection, sender));
            Ok(Open {
                client,
                notifications,
            })
        })
    }

    fn lease(&self) -> Duration {
        self.lease
    }
}

/// Runs a connection until it is lost, and passes its notifications on.
async fn drive<S, T>(mut connection: Connection<S, T>, sender: UnboundedSender<Notification>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                if sender.send(notification).is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "lost the session with the database"
                );
                return;
            }
            None => return,
        }
    }
}

impl Open {
    /// Takes the lock of this process and listens.
    pub(super) async fn begin(
        &self,
        state: &State,
        lease: Duration,
    ) -> Result<(), tokio_postgres::Error> {
        let probes = lease.as_secs().saturating_sub(PROBE_AFTER_S) / PROBE_PAUSE_S + 1;
        let key = state.key.number();
        let (probes, limit_ms) = (probes.to_string(), lease.as_millis().to_string());
        self.client
            .query_typed(
                session_sql!("open_session"),
                &[
                    (&key, Type::INT8),
                    (&probes, Type::TEXT),
                    (&limit_ms, Type::TEXT),
                ],
            )
            .await?;
        self.listen(state).await
    }

    /// Listens on the channels of every listener.
    pub(super) async fn listen(&self, state: &State) -> Result<(), tokio_postgres::Error> {
        let channels: BTreeSet<_> = state.audiences().into_iter().map(channel).collect();
        for channel in channels {
            self.client
                .batch_execute(&format!("LISTEN {channel}"))
                .await?;
        }
        Ok(())
    }

    /// Reads the clock, and takes a seat on the watch if one is wanted and free.
    pub(super) async fn poll(&self, state: &State) -> Result<(), tokio_postgres::Error> {
        let wants_seat = state.wants_seat();
        let before_ms = state.host.now().boot_ms;
        let row = self
            .client
            .query_typed_one(
                session_sql!("poll_session"),
                &[
                    (&wants_seat, Type::BOOL),
                    (&SEATS[0], Type::INT8),
                    (&SEATS[1], Type::INT8),
                ],
            )
            .await?;
        let after_ms = state.host.now().boot_ms;

        state.set_clock(before_ms, row.try_get(0)?, after_ms);
        if row.try_get(1)? {
            state.take_seat();
        }
        Ok(())
    }

    /// Sends the waiting messages. Those that could not be sent wait again.
    pub(super) async fn flush(&self, state: &State) -> Result<(), tokio_postgres::Error> {
        let (channels, texts) = state.outbox.take();
        if texts.is_empty() {
            return Ok(());
        }
        let sent = self
            .client
            .query_typed(
                session_sql!("notify"),
                &[(&channels, Type::TEXT_ARRAY), (&texts, Type::TEXT_ARRAY)],
            )
            .await;
        if let Err(error) = sent {
            state.outbox.put_back(channels, texts);
            return Err(error);
        }
        Ok(())
    }

    /// Extends a lease. Returns whether the run is registered.
    pub(super) async fn extend_lease(
        &self,
        run_id: &str,
        lease_until: i64,
    ) -> Result<bool, tokio_postgres::Error> {
        let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
            &[(&run_id, Type::TEXT), (&lease_until, Type::INT8)];
        let rows = self
            .client
            .execute_typed(session_sql!("extend_lease"), parameters)
            .await?;
        Ok(rows > 0)
    }

    /// The process no longer proves that a run of it lives.
    pub(super) async fn forget_proof(&self, run_id: &str) -> Result<(), tokio_postgres::Error> {
        self.client
            .execute_typed(session_sql!("forget_proof"), &[(&run_id, Type::TEXT)])
            .await
            .map(drop)
    }

    /// The runs that may be dead.
    pub(super) async fn suspects(&self, now_ms: i64) -> Result<Suspects, tokio_postgres::Error> {
        let rows = self
            .client
            .query_typed(session_sql!("suspect_runs"), &[(&now_ms, Type::INT8)])
            .await?;

        let mut suspects = Suspects::default();
        for row in rows {
            let is_disconnected: bool = row.try_get(1)?;
            if is_disconnected {
                suspects.absent.add(row.try_get(0)?, row.try_get(2)?);
            } else {
                suspects.has_overdue = true;
            }
        }
        Ok(suspects)
    }

    /// Which of the processes have no connection.
    pub(super) async fn absent_processes(
        &self,
        processes: &[String],
    ) -> Result<Absent, tokio_postgres::Error> {
        let rows = self
            .client
            .query_typed(
                session_sql!("absent_processes"),
                &[(&processes, Type::TEXT_ARRAY)],
            )
            .await?;

        let mut absent = Absent::default();
        for row in rows {
            absent.add(row.try_get(0)?, row.try_get(1)?);
        }
        Ok(absent)
    }
}
