//! Which server a command calls, from its arguments. Used by every command that is a client.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::{Args, ValueHint};
use steno_models::JobId;

use crate::client::Client;

/// The server that is called if none is named.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// The same as an address.
const DEFAULT_ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);
/// Longest time to connect to the default address.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Which server to call.
#[derive(Args, Debug)]
pub(crate) struct ServerArguments {
    /// The server; http:// may be left out [default: `http://127.0.0.1:8080`].
    #[arg(long, visible_alias = "server", env = "STENO_URL", value_hint = ValueHint::Url)]
    url: Option<String>,
    /// The API key, if the server asks for one. Better set in the environment: other users of this
    /// machine can see arguments.
    #[arg(long, env = "STENO_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

impl ServerArguments {
    /// The address of the server, as it was given.
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or(DEFAULT_URL)
    }

    /// A client of the server.
    pub(crate) fn client(&self) -> Client {
        // A key that was read from a file ends with a line break.
        let api_key = self
            .api_key
            .as_deref()
            .map(str::trim)
            .filter(|key| !key.is_empty());

        Client::new(self.url(), api_key)
    }

    /// Whether no server was named and none listens at the default address.
    pub(crate) fn is_absent(&self) -> bool {
        self.url.is_none() && refuses_connections(DEFAULT_ADDRESS.into())
    }

    /// The command that fetches a job's transcript from the same server. It leaves out the key,
    /// which other users of this machine could read.
    #[expect(
        clippy::disallowed_methods,
        reason = "the printed command leaves out what the variable sets"
    )]
    pub(crate) fn fetch_command(&self, job: &JobId, arguments: &str) -> String {
        let variable = std::env::var("STENO_URL")
            .ok()
            .filter(|url| !url.is_empty());
        let usual = variable.unwrap_or_else(|| DEFAULT_URL.to_owned());
        let url = if self.url() == usual {
            String::new()
        } else {
            format!("--url {}", self.url())
        };

        let words = ["steno fetch", &url, arguments, &job.to_string()].map(ToOwned::to_owned);
        words
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Whether no program listens at an address of this machine. Any other trouble with it is left to
/// the call, which reports it.
fn refuses_connections(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, CONNECT_LIMIT)
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_an_unnamed_server_can_be_absent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(!refuses_connections(address));
        drop(listener);
        assert!(refuses_connections(address));

        let named = ServerArguments {
            url: Some(format!("http://{address}")),
            api_key: None,
        };
        assert!(!named.is_absent());
    }
}
