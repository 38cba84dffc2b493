//! A connection whose calls block. Statements can be sent ahead: their answers are read together with that of a later call, so that
//! several statements cost one round trip.

use std::future::{Future, poll_fn, ready};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::join;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, Row, Socket, Statement};

use super::row::Bound;
use crate::StoreError;

/// A connection, and the statements that were sent ahead on it.
pub(super) struct Link {
    client: Arc<Client>,
    /// Reads and writes the socket, only while a call waits. `None` once the connection is lost.
    driver: Option<Driver>,
    runtime: Runtime,
    ahead: Vec<Ahead>,
}

type Driver = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
type Answer = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

/// A statement whose answer is not read yet.
struct Ahead {
    answer: Answer,
    check: Check,
}

/// Why a call failed.
pub(super) enum LinkError {
    /// The server refused a statement, or the connection was lost.
    Statement(Error),
    /// A statement that does this has not changed the row that has to be there.
    NoRow(&'static str),
}

impl From<Error> for LinkError {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

impl From<LinkError> for StoreError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Statement(error) => error.into(),
            LinkError::NoRow(action) => Self::Contradiction { action },
        }
    }
}

/// What the answer of a statement that was sent ahead has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// No error. A commit may be sent behind it, because the server refuses to commit after an error.
    Succeeds,
    /// No error, before a commit is sent: it begins the transaction.
    Begins,
    /// No error, and [`divides_by_changed_rows`] is the statement: the server refuses to commit unless it changed one row. The text
    /// is what the statement does.
    ChangesOne(&'static str),
}

impl Link {
    /// Connects.
    pub(super) fn open<T>(config: &Config, tls: T) -> Result<Self, Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime without threads of its own starts");
        let (client, connection) = runtime.block_on(config.connect(tls))?;
        Ok(Self {
            client: Arc::new(client),
            driver: Some(Box::pin(connection)),
            runtime,
            ahead: Vec::new(),
        })
    }

    /// Whether the connection was lost. It is noticed in a call.
    pub(super) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Sends statements without parameters ahead.
    pub(super) fn send_text(&mut self, text: String, check: Check) {
        let client = Arc::clone(&self.client);
        self.send(
            async move { client.batch_execute(&text).await.map(|()| 0) },
            check,
        );
    }

    /// Sends a statement ahead.
    pub(super) fn send_statement(&mut self, statement: Statement, bound: Vec<Bound>, check: Check) {
        let client = Arc::clone(&self.client);
        self.send(
            async move { client.execute_raw(&statement, bound).await },
            check,
        );
    }

    fn send(
        &mut self,
        answer: impl Future<Output = Result<u64, Error>> + Send + 'static,
        check: Check,
    ) {
        let mut answer: Answer = Box::pin(answer);
        // The first poll puts the message into the queue of the connection.
        let polled = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(outcome) = polled {
            answer = Box::pin(ready(outcome));
        }
        self.ahead.push(Ahead { answer, check });
    }

    /// Waits for the statements that were sent ahead, if a commit must not be sent before their answers.
    pub(super) fn settle(&mut self) -> Result<(), LinkError> {
        if self.ahead.iter().any(|sent| sent.check == Check::Begins) {
            return self.call(|_| ready(Ok(())));
        }
        Ok(())
    }

    /// Forgets the statements that were sent ahead. The server still runs them.
    pub(super) fn forget(&mut self) {
        self.ahead.clear();
    }

    pub(super) fn prepare(&mut self, text: &str) -> Result<Statement, LinkError> {
        self.call(|client| async move { client.prepare(text).await })
    }

    pub(super) fn run_text(&mut self, text: &str) -> Result<(), LinkError> {
        self.call(|client| async move { client.batch_execute(text).await })
    }

    pub(super) fn execute(
        &mut self,
        statement: &Statement,
        bound: Vec<Bound>,
    ) -> Result<u64, LinkError> {
        self.call(|client| async move { client.execute_raw(statement, bound).await })
    }

    pub(super) fn query(
        &mut self,
        statement: &Statement,
        bound: &[Bound],
    ) -> Result<Vec<Row>, LinkError> {
        let parameters: Vec<_> = bound.iter().map(Bound::as_parameter).collect();
        self.call(|client| async move { client.query(statement, &parameters).await })
    }

    /// Sends a call behind the statements that were sent ahead, and waits for all of them. The first error is returned, because the
    /// later ones follow from it.
    pub(super) fn call<T, C>(&mut self, call: impl FnOnce(Arc<Client>) -> C) -> Result<T, LinkError>
    where
        C: Future<Output = Result<T, Error>>,
    {
        let ahead = mem::take(&mut self.ahead);
        let both = join(call(Arc::clone(&self.client)), answers(ahead));
        let mut both = pin!(both);
        let driver = &mut self.driver;
        let (outcome, earlier) = self.runtime.block_on(poll_fn(|context| {
            // This sends what is new; then the driver writes it, and hands out the answers that have arrived.
            if let Poll::Ready(outcomes) = both.as_mut().poll(context) {
                return Poll::Ready(outcomes);
            }
            let is_lost = driver
                .as_mut()
                .is_some_and(|driver| driver.as_mut().poll(context).is_ready());
            if is_lost {
                *driver = None;
            }
            both.as_mut().poll(context)
        }));
        earlier?;
        Ok(outcome?)
    }
}

/// A statement that runs `change`, an UPDATE, and fails unless it changes one row.
pub(super) fn divides_by_changed_rows(change: &str) -> String {
    format!(
        "WITH changed AS ({change} RETURNING 1) SELECT 1 / CAST(count(*) = 1 AS int) FROM changed"
    )
}

/// Waits for statements that were sent ahead.
async fn answers(ahead: Vec<Ahead>) -> Result<(), LinkError> {
    for Ahead { answer, check } in ahead {
        match (answer.await, check) {
            (Err(error), Check::ChangesOne(action))
                if error.code() == Some(&SqlState::DIVISION_BY_ZERO) =>
            {
                return Err(LinkError::NoRow(action));
            }
            (answer, _) => answer?,
        };
    }
    Ok(())
}
