//! Listeners that are handed over by whoever starts the process, as systemd does for a socket unit:
//! what connects while the bridge restarts waits in the kernel until it runs again. The only file
//! that knows sd-listen-fds.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::config::Settings;

/// The names that a socket unit gives its sockets by `FileDescriptorName=`.
const PUBLIC: &str = "public";
const ADMIN: &str = "admin";

/// The listeners that the process was started with; what is absent, it opens itself.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The public one.
    pub public: Option<TcpListener>,
    /// The admin listener.
    pub admin: Option<TcpListener>,
}

/// Why what was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// The variables that announce sockets hold something else.
    #[error(
        "LISTEN_PID and LISTEN_FDS announce sockets but are no numbers; unset both, or start the bridge by systemd"
    )]
    Environment,
    /// A socket that the bridge has no use for.
    #[error(
        "a socket named {0:?} is handed over, but the bridge takes `public` and `admin`; \
         write FileDescriptorName=public into its socket unit"
    )]
    Unknown(String),
    /// A listener is one socket.
    #[error("more than one socket named `{0}` is handed over; keep one ListenStream= for it")]
    Twice(&'static str),
    /// It is something else.
    #[error(
        "what is handed over as `{0}` is no TCP socket that listens; write ListenStream= with an address and a port"
    )]
    NoListener(&'static str),
    /// What the configuration is held against would not be what is open.
    #[error(
        "the socket handed over as `{name}` is at {address}, which others can reach, but `{key}` is {configured}; \
         write the socket's address there, so that what such a listener needs is checked, or put the socket on loopback"
    )]
    Exposed {
        /// The socket's name.
        name: &'static str,
        /// Where it is.
        address: SocketAddr,
        /// The key that it stands in for.
        key: &'static str,
        /// What the key says.
        configured: SocketAddr,
    },
}

impl Inherited {
    /// Takes what was handed over. To be called once, before anything else is opened: descriptors are
    /// known by their numbers alone.
    ///
    /// # Errors
    /// When that is something else than a `public` and an `admin` listener.
    pub fn take() -> Result<Self, InheritError> {
        let mut taken = Self::default();
        let mut announced = sd_listen_fds::get().map_err(|_| InheritError::Environment)?.into_iter();
        let used =
            announced.try_for_each(|(name, descriptor)| taken.put(name.unwrap_or_default(), descriptor.into_std()));
        // What was announced and is not there must not be closed; the process ends with an error.
        std::mem::forget(announced);
        used.map(|()| taken)
    }

    fn put(&mut self, name: String, descriptor: OwnedFd) -> Result<(), InheritError> {
        let (name, place) = match name.as_str() {
            PUBLIC => (PUBLIC, &mut self.public),
            ADMIN => (ADMIN, &mut self.admin),
            _ => return Err(InheritError::Unknown(name)),
        };
        match place.replace(listener(name, descriptor)?) {
            Some(_) => Err(InheritError::Twice(name)),
            None => Ok(()),
        }
    }

    /// Holds them against the addresses that the configuration names, which stay unused; the log says
    /// where they differ.
    ///
    /// # Errors
    /// When one can be reached by others and the configured one could not: what is allowed on loopback
    /// alone would be open to all.
    pub fn beside(self, settings: &Settings) -> Result<Self, InheritError> {
        for (name, listener, key, configured) in [
            (PUBLIC, &self.public, "listen", settings.listen),
            (ADMIN, &self.admin, "admin.listen", settings.admin.listen),
        ] {
            let Some(listener) = listener else { continue };
            let address = listener.local_addr().map_err(|_| InheritError::NoListener(name))?;
            if configured.ip().is_loopback() && !address.ip().to_canonical().is_loopback() {
                return Err(InheritError::Exposed { name, address, key, configured });
            }
            if address != configured {
                tracing::warn!(%address, key, %configured, "the socket that was handed over is used, not the configured address");
            }
        }
        Ok(self)
    }
}

fn listener(name: &'static str, descriptor: OwnedFd) -> Result<TcpListener, InheritError> {
    if !listens(&descriptor).unwrap_or(false) {
        // Nor must this one, for the same reason.
        std::mem::forget(descriptor);
        return Err(InheritError::NoListener(name));
    }
    // It is nobody's whom this process starts.
    fcntl_setfd(&descriptor, FdFlags::CLOEXEC).map_err(|_| InheritError::NoListener(name))?;
    Ok(descriptor.into())
}

fn listens(descriptor: impl AsFd) -> rustix::io::Result<bool> {
    let family = sockopt::socket_domain(&descriptor)?;
    let is_tcp = [AddressFamily::INET, AddressFamily::INET6].contains(&family)
        && sockopt::socket_type(&descriptor)? == SocketType::STREAM;
    Ok(is_tcp && sockopt::socket_acceptconn(&descriptor)?)
}
