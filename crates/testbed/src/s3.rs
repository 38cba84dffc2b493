//! An S3 server in this process: `s3s` over a folder.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::{DeleteObjectInput, DeleteObjectsInput};
use s3s::path::S3Path;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Request, S3Result};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::cleanup::Cleanup;

/// A running server.
pub struct S3 {
    address: SocketAddr,
    service: S3Service,
    requests: Requests,
    runtime: Mutex<Option<Runtime>>,
    _cleanup: Cleanup,
    folder: TempDir,
}

/// Number of requests by HTTP method.
type Requests = Arc<Mutex<BTreeMap<String, u64>>>;

impl S3 {
    /// The access key of each test server.
    pub const ACCESS_KEY: &'static str = "TESTACCESSKEY";
    /// Its secret.
    pub const SECRET_KEY: &'static str = "a-test-secret-key";
    /// The access key of a courier, with the same secret and the rights of docs/OPERATIONS.md for the prefix `steno`.
    pub const COURIER_ACCESS_KEY: &'static str = "COURIERACCESSKEY";
    /// Its region.
    pub const REGION: &'static str = "us-east-1";

    /// Starts a server without buckets, for this machine alone.
    pub fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    /// The same for test hosts as well (see [`crate::Host`]).
    pub fn start_for_hosts() -> Self {
        Self::start_at(Ipv4Addr::UNSPECIFIED)
    }

    /// The server that all tests of one test binary share, each with a bucket of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn start_at(address: Ipv4Addr) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("steno-s3-")
            .tempdir()
            .unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        let mut keys = SimpleAuth::from_single(Self::ACCESS_KEY, Self::SECRET_KEY);
        keys.register(Self::COURIER_ACCESS_KEY.to_owned(), Self::SECRET_KEY.into());
        builder.set_auth(keys);
        builder.set_access(Rights {
            folder: folder.path().to_owned(),
        });

        let mut server = Self {
            address: SocketAddr::from((address, 0)),
            service: builder.build(),
            requests: Requests::default(),
            runtime: Mutex::new(None),
            _cleanup: Cleanup::of_folder(folder.path()),
            folder,
        };
        server.address = server.listen();
        server
    }

    /// A new, empty bucket.
    pub fn create_bucket(&self) -> String {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", CREATED.fetch_add(1, Ordering::Relaxed));
        fs::create_dir(self.folder.path().join(&name)).unwrap();
        name
    }

    /// The address of the server, without a bucket.
    pub fn endpoint(&self) -> String {
        self.endpoint_at(Ipv4Addr::LOCALHOST.into())
    }

    /// The same as another host sees this machine (see [`crate::Host`]).
    pub fn endpoint_at(&self, address: IpAddr) -> String {
        format!("http://{address}:{}", self.address.port())
    }

    /// The settings that AWS's own clients read from the environment.
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", Self::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", Self::SECRET_KEY.to_owned()),
            ("AWS_REGION", Self::REGION.to_owned()),
        ])
    }

    /// The folder that holds the objects of all buckets, the parts of unfinished uploads, and metadata, as files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The keys of the objects in `bucket`, sorted.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let root = self.folder.path().join(bucket);
        let mut keys: Vec<String> = files_below(&root)
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect();
        keys.sort();
        keys
    }

    /// The files that contain `needle`: objects, unfinished uploads, metadata.
    pub fn files_with(&self, needle: &[u8]) -> Vec<PathBuf> {
        files_with(self.folder.path(), needle)
    }

    /// How many requests of each HTTP method were received.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().unwrap().clone()
    }

    /// Ends all connections and refuses new ones. Requests in progress get no answer.
    pub fn stop(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }

    /// Accepts connections again at the same address.
    pub fn start_again(&self) {
        self.listen();
    }

    /// Binds the address and serves it. Returns the bound address.
    fn listen(&self) -> SocketAddr {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3")
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind(self.address)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, self.service.clone(), self.requests.clone()));

        *self.runtime.lock().unwrap() = Some(runtime);
        address
    }
}

/// What the keys are allowed to do.
struct Rights {
    /// The folder of the server.
    folder: PathBuf,
}

#[async_trait::async_trait]
impl S3Access for Rights {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let key = context.credentials().map(|key| key.access_key.as_str());
        let is_allowed = match key {
            Some(S3::ACCESS_KEY) => true,
            Some(S3::COURIER_ACCESS_KEY) => may_courier(context.s3_op().name(), context.s3_path()),
            _ => false,
        };
        allow_if(is_allowed)
    }

    /// Answers 404 for an object that is not there, as Google's storage does. Amazon's and moto answer 204.
    async fn delete_object(&self, request: &mut S3Request<DeleteObjectInput>) -> S3Result<()> {
        let DeleteObjectInput { bucket, key, .. } = &request.input;
        if self.folder.join(bucket).join(key).exists() {
            return Ok(());
        }
        Err(s3s::s3_error!(NoSuchKey, "there is no such object"))
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        let key = request.credentials.as_ref().map(|key| &*key.access_key);
        let mut objects = request.input.delete.objects.iter();
        allow_if(key != Some(S3::COURIER_ACCESS_KEY) || objects.all(|object| is_audio(&object.key)))
    }
}

fn allow_if(is_allowed: bool) -> S3Result<()> {
    if is_allowed {
        Ok(())
    } else {
        Err(s3s::s3_error!(AccessDenied, "this key may not do that"))
    }
}

fn may_courier(operation: &str, path: &S3Path) -> bool {
    let S3Path::Object { key, .. } = path else {
        // The keys of the objects are in the body: `Rights::delete_objects` checks them.
        return operation == "DeleteObjects";
    };
    match operation {
        "GetObject" => &**key == "steno/queue",
        "PutObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload"
        | "DeleteObject" => is_audio(key),
        _ => false,
    }
}

/// Whether the courier may write and delete this object.
fn is_audio(key: &str) -> bool {
    key.starts_with("steno/audio/")
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(listener: TcpListener, service: S3Service, requests: Requests) {
    loop {
        // A client that is gone before it is accepted is no reason to stop.
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        socket.set_nodelay(true).ok();

        let (service, requests) = (service.clone(), requests.clone());
        let counted = service_fn(move |request: hyper::Request<Incoming>| {
            let method = request.method().to_string();
            *requests.lock().unwrap().entry(method).or_default() += 1;
            Service::call(&service, request)
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), counted),
        );
    }
}

/// The files below `folder` that contain `needle`. Files may be deleted meanwhile.
pub fn files_with(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut files = files_below(folder);
    files.retain(|path| {
        // Sockets cannot be read.
        let content = fs::read(path).unwrap_or_default();
        content.windows(needle.len()).any(|part| part == needle)
    });
    files
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut pending = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = pending.pop() {
        // A folder may be deleted meanwhile.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}
