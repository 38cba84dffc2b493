//! From a host name to its addresses.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// Addresses of a name, or why there are none.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Resolves host names. The tests have one of their own, to play hostile name servers.
pub trait Resolve: Send + Sync {
    /// All addresses of `name`. Called once for each request.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a>;
}

/// The system's resolver (getaddrinfo).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolved<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;

            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
