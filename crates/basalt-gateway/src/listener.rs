//! Where connections come from: a TCP port or a Unix socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 2048;

/// A bound listener.
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A socket in the file system; the file goes with the listener.
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// A Unix socket and its file.
#[cfg(unix)]
pub struct UnixSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
}

#[cfg(unix)]
impl Drop for UnixSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A connection outside any runtime.
pub(crate) enum Stream {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Listener {
    /// Binds a port; with `shares_port`, others may have it too (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn tcp(address: SocketAddr, shares_port: bool) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        if shares_port {
            #[cfg(unix)]
            socket.set_reuseport(true)?;
            #[cfg(not(unix))]
            return Err(io::Error::other("this operating system shares no ports"));
        }
        socket.bind(address)?;
        Ok(Self::Tcp(socket.listen(BACKLOG)?))
    }

    /// Binds a socket file with a mode. A socket that nobody listens on any more is replaced; any other file is left alone.
    ///
    /// # Errors
    /// The operating system's, and [`io::ErrorKind::AddrInUse`] when somebody listens or something else stands there.
    #[cfg(unix)]
    pub fn unix(path: &Path, mode: u32) -> io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        if let Ok(found) = std::fs::symlink_metadata(path) {
            let is_dead = found.file_type().is_socket()
                && std::os::unix::net::UnixStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
            if !is_dead {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "the socket's file is in use"));
            }
            std::fs::remove_file(path)?;
        }
        let listener = tokio::net::UnixListener::bind(path)?;
        let socket = UnixSocket { listener, path: path.to_owned() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(Self::Unix(socket))
    }

    /// Where it listens, for people: an address, or a file's path.
    pub fn place(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| "a closed port".to_owned(), |a| a.to_string()),
            #[cfg(unix)]
            Self::Unix(socket) => socket.path.display().to_string(),
        }
    }

    /// The next connection. Who connects through a file is on this machine.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, IpAddr)> {
        // Each leaves this runtime's poller; a core's takes it.
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream.into_std()?), peer.ip()))
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                Ok((Stream::Unix(stream.into_std()?), IpAddr::V4(Ipv4Addr::LOCALHOST)))
            }
        }
    }
}
