//! Binding and running the server, from an open store to a clean end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle, available_parallelism};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use steno_runner::Upkeep;
use steno_store::{Clock, Quota, Store, StoreError};
use tokio::sync::watch;

use crate::auth::{ApiKeys, KeyLimits};
use crate::connection::{self, OpenConnections};
use crate::job_log::JobLogs;
use crate::job_watch::{self, JobWatch};
use crate::key_calls::KeyCalls;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::refusal_log::RefusalLog;
use crate::renders::Renders;
use crate::state::ApiState;
use crate::upload::FormMemory;
use crate::{Config, cors, janitor, middleware, routes};

/// Time to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Marks an error of a start that ends the same way until a person changes something.
#[derive(Debug, thiserror::Error)]
#[error("cannot start as it is set up")]
struct WrongSettings;

/// Whether a start that failed with `error` fails again until a person changes something.
pub fn needs_operator(error: &anyhow::Error) -> bool {
    error.is::<WrongSettings>()
        || error
            .downcast_ref::<StoreError>()
            .is_some_and(StoreError::needs_operator)
}

/// A server that is listening.
pub struct Server {
    http: actix_web::dev::Server,
    address: SocketAddr,
    keys: Arc<ApiKeys>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Deletes what became due while no process ran, then listens. Returns before the first request is accepted.
pub fn bind(config: Config, store: Arc<Store>, clock: Arc<dyn Clock>) -> anyhow::Result<Server> {
    let metrics = Metrics::new()?;
    let keys = ApiKeys::load(config.api_keys_file.clone(), key_limits(&config));
    let keys = Arc::new(keys.context(WrongSettings)?);
    let listener = listen(&config)?;
    let address = listener.local_addr()?;

    let (stop, stopping) = watch::channel(false);
    let state = ApiState {
        watch: Arc::new(JobWatch::default()),
        logs: JobLogs::default(),
        renders: Renders::default(),
        metrics,
        connections: OpenConnections::new(config.send_timeout),
        keys: Arc::clone(&keys),
        key_calls: KeyCalls::default(),
        form_memory: FormMemory::default(),
        refusals: Arc::new(RefusalLog::default()),
        stopping,
        config,
        store,
        clock,
    };
    let pulse = Pulse::new();
    let threads = start_threads(&state, &pulse)?;
    let http = serve(state, pulse, listener)?;

    Ok(Server {
        http,
        address,
        keys,
        stop,
        threads,
    })
}

fn key_limits(config: &Config) -> KeyLimits {
    KeyLimits {
        requests_per_second: config.key_requests_per_second,
        quota: Quota {
            jobs: config.key_max_jobs,
            stored_bytes: config.key_max_bytes,
        },
    }
}

/// Sweeps once, then starts the threads that work beside the calls.
fn start_threads(state: &ApiState, pulse: &Arc<Pulse>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let (store, clock, stopping) = (&state.store, &state.clock, &state.stopping);
    let interval = state.config.queue.sweep_interval;
    let upkeep = Upkeep::new(Arc::clone(store), Arc::clone(clock), interval);

    // On a thread of its own: calls to a database server block, which panics on a thread of the runtime.
    thread::scope(|scope| {
        let sweep = scope.spawn(|| janitor::sweep(&upkeep, &state.metrics));
        sweep.join()
    })
    .map_err(|_| anyhow::anyhow!("the first sweep panicked"))?;

    janitor::start_storage_scan(Arc::clone(store), Arc::clone(clock), stopping.clone());
    Ok(vec![
        job_watch::start(
            Arc::clone(store),
            Arc::clone(&state.watch),
            stopping.clone(),
        )?,
        janitor::start(
            upkeep,
            Arc::clone(&state.metrics),
            Arc::clone(&state.refusals),
            Arc::clone(pulse),
            stopping.clone(),
        ),
        // actix ends those whose next head has not begun; this is for the others.
        connection::start_watch(
            state.connections.clone(),
            state.config.max_connections,
            state.config.keep_alive.saturating_add(HEAD_TIMEOUT),
            stopping.clone(),
        ),
    ])
}

/// The HTTP server at `listener`, with a thread for each core.
fn serve(
    state: ApiState,
    pulse: Arc<Pulse>,
    listener: TcpListener,
) -> anyhow::Result<actix_web::dev::Server> {
    let state = web::Data::new(state);
    let config = &state.config;
    let connections = state.connections.clone();
    let workers = available_parallelism().map_or(2, NonZeroUsize::get);
    let drain_seconds = config.drain_timeout.as_secs_f64().ceil() as u64;
    // Some connections beyond the limit are accepted too, to answer them with the reason for the refusal.
    let most_connections = config.max_connections + config.max_connections / 8 + 64;

    let for_workers = state.clone();
    let server = HttpServer::new(move || {
        pulse.join();
        let config = &for_workers.config;
        let has_keys = config.api_keys_file.is_some();
        App::new()
            .app_data(for_workers.clone())
            .wrap(from_fn(middleware::around))
            .wrap(cors::allow(config.cors_origins.clone(), has_keys))
            .wrap(from_fn(cors::explain_refusals))
            .configure(|app| routes::configure(app, config.docs))
    })
    .workers(workers)
    .max_connections(most_connections.div_ceil(workers))
    .on_connect(move |connection, data| connections.remember(connection, data))
    .keep_alive(config.keep_alive)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(drain_seconds)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

/// The socket that the service manager has passed, else one at the address of the settings.
fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    if let Some(listener) = ListenFd::from_env()
        .take_tcp_listener(0)
        .context("the passed socket cannot be used")?
    {
        listener.set_nonblocking(true)?;
        if let Some(problem) = config.problem_of_address(listener.local_addr()?) {
            let problem =
                anyhow::anyhow!("{problem} (the socket was passed by the service manager)");
            return Err(problem.context(WrongSettings));
        }
        return Ok(listener);
    }

    let bind = config.bind;

    listen_at(bind).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; choose another with STENO_BIND"
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address; correct STENO_BIND"
            }
            io::ErrorKind::PermissionDenied => {
                "this port needs privileges; choose one above 1023 with STENO_BIND"
            }
            _ => "correct STENO_BIND",
        };
        let is_permanent = error.kind() == io::ErrorKind::PermissionDenied;
        let error = anyhow::anyhow!("cannot listen on {bind} ({error}): {hint}");
        if is_permanent {
            error.context(WrongSettings)
        } else {
            error
        }
    })
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of the process before this one may still be ending.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

impl Server {
    /// The address it listens on; the port is a real one even if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads the file of API keys again each time the returned function is called.
    pub fn reload_keys(&self) -> impl Fn() + 'static {
        let keys = Arc::clone(&self.keys);
        move || keys.reload()
    }

    /// Serves until `shutdown` resolves, then lets calls in progress end: waiting clients are answered at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.http.handle();
        let stop = self.stop;
        let serving = self.http;
        let ending = async move {
            shutdown.await;
            stop.send_replace(true);
            handle.stop(true).await;
        };
        let (served, ()) = tokio::join!(serving, ending);
        for thread in self.threads {
            // A thread that panicked has said so in the log.
            let _ = thread.join();
        }
        served
    }
}
