//! Binding and running the server, from an open store to a clean end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use steno_store::{Clock, Store};
use tokio::sync::watch;

use crate::auth::ApiKeys;
use crate::job_watch::{self, JobWatch};
use crate::metrics::Metrics;
use crate::state::ApiState;
use crate::{Config, connection, janitor, middleware, openapi, routes};

/// Time to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for calls in progress to end after a stop.
const SHUTDOWN_TIMEOUT_S: u64 = 15;

/// A server that is listening.
pub struct Server {
    http: actix_web::dev::Server,
    address: SocketAddr,
    keys: Arc<ApiKeys>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Sweeps what fell due while nobody was there, then listens. Returns before the first call is taken.
pub fn bind(config: Config, store: Arc<Store>, clock: Arc<dyn Clock>) -> anyhow::Result<Server> {
    let metrics = Metrics::new()?;
    let keys = Arc::new(ApiKeys::load(config.api_keys_file.clone())?);
    janitor::sweep(&store, &*clock);
    let (stop, stopping) = watch::channel(false);
    let jobs = Arc::new(JobWatch::default());
    let threads = vec![
        job_watch::start(Arc::clone(&store), Arc::clone(&jobs), stopping.clone())?,
        janitor::start(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            config.queue.sweep_interval,
            stopping.clone(),
        ),
    ];
    let bind = config.bind;
    let state =
        web::Data::new(ApiState::new(config, store, jobs, Arc::clone(&keys), Arc::clone(&metrics), stopping, clock));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(middleware::around))
            .configure(openapi::configure)
            .configure(routes::configure)
    })
    .on_connect(connection::remember)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
    .disable_signals()
    .bind(bind)
    .map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there; choose another with STENO_BIND",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address; correct STENO_BIND",
            io::ErrorKind::PermissionDenied => "this port needs privileges; choose one above 1023 with STENO_BIND",
            _ => "correct STENO_BIND",
        };
        anyhow::anyhow!("cannot listen on {bind} ({error}): {hint}")
    })?;
    let address = server.addrs().first().copied().unwrap_or(bind);
    Ok(Server { http: server.run(), address, keys, stop, threads })
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
