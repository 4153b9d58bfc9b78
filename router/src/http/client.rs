//! Where a request comes from, and what of it travels on to subgraphs.

use crate::config::Network;
use crate::telemetry::REQUEST_ID;
use crate::telemetry::trace::{TRACEPARENT, TRACESTATE};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Sent on as they are: who asks, by which request, in which trace (W3C Trace Context).
const FORWARDED: [HeaderName; 4] = [header::USER_AGENT, REQUEST_ID, TRACEPARENT, TRACESTATE];

/// How many more there may be: what a fetch adds of its own need not make each copy of the map grow.
const ADDED: usize = 6;

/// A longer value does not travel on: it would go out with every fetch, and few servers take heads as large as ours.
pub(crate) const MAX_FORWARDED: usize = 1024;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) socket: SocketAddr,
    /// Its address as subgraphs are told it, written once for all requests of the connection.
    written: Option<HeaderValue>,
}

impl Peer {
    pub(crate) fn new(socket: SocketAddr) -> Self {
        Self { socket, written: written(socket.ip().to_canonical()) }
    }
}

/// The sender of a request, as far as the network tells.
pub(crate) struct Client {
    /// Its address, when it is known.
    pub(crate) address: Option<IpAddr>,
    /// The headers to send along to subgraphs, but for `authorization`.
    pub(crate) forward: HeaderMap,
}

impl Client {
    /// Reads it from the headers of a request.
    pub(crate) fn of(headers: &HeaderMap, peer: Option<&Peer>, network: &Network) -> Self {
        let (address, written) = match forwarded_address(headers, network.trusted_proxies) {
            Some(address) => (Some(address), written(address)),
            None => (peer.map(|peer| peer.socket.ip().to_canonical()), peer.and_then(|peer| peer.written.clone())),
        };
        let mut forward = HeaderMap::with_capacity(FORWARDED.len() + ADDED);
        for name in FORWARDED {
            if let Some(value) = headers.get(&name).filter(|value| value.len() <= MAX_FORWARDED) {
                forward.insert(name, value.clone());
            }
        }
        if let Some(value) = written {
            forward.insert(X_FORWARDED_FOR, value);
        }
        Self { address, forward }
    }

    /// The same with the headers of these names sent along too.
    pub(crate) fn sending(mut self, names: &[HeaderName], headers: &HeaderMap) -> Self {
        for name in names {
            for value in headers.get_all(name).iter().filter(|value| value.len() <= MAX_FORWARDED) {
                self.forward.append(name, value.clone());
            }
        }
        self
    }
}

fn written(address: IpAddr) -> Option<HeaderValue> {
    HeaderValue::try_from(address.to_string()).ok()
}

/// The address that the outermost of the trusted proxies saw. Entries further left are the client's own words.
fn forwarded_address(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    if trusted_proxies == 0 {
        return None;
    }
    let lines = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let position = chain.len().checked_sub(trusted_proxies)?;
    let entry = chain.get(position)?;
    let address = entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_say_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("10.0.0.1, 10.0.0.2"));
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("[2001:db8::1]:443"));
        let address = |trusted| forwarded_address(&headers, trusted).map(|address| address.to_string());
        assert_eq!(address(0), None);
        assert_eq!(address(1).as_deref(), Some("2001:db8::1"));
        assert_eq!(address(2).as_deref(), Some("10.0.0.2"));
        assert_eq!(address(3).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(4), None);
    }
}
