//! The state that the stages share.

use crate::config::Config;
use crate::error::Error;
use crate::supergraph::{self, Live, Source};
use hansa_token::Verifier;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The router: its supergraph, its configuration, who checks its tokens.
pub struct Gateway {
    pub(crate) config: Config,
    pub(crate) supergraph: Arc<Live>,
    pub(crate) verifier: Option<Arc<Verifier>>,
    pub(crate) shutdown: CancellationToken,
}

impl Gateway {
    /// Starts keeping the supergraph up to date in the background, until `shutdown`. Needs a Tokio runtime.
    ///
    /// Without a verifier nobody is identified: `Authorization` travels on to the subgraphs unread, and fields that need
    /// a signed-in caller are denied.
    ///
    /// # Errors
    /// [`Error::Config`] for a configuration that cannot be used.
    pub fn start(
        config: Config,
        source: Source,
        verifier: Option<Arc<Verifier>>,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, Error> {
        let supergraph = Arc::new(Live::default());
        tokio::spawn(supergraph::keep(supergraph.clone(), source, config.supergraph.clone(), shutdown.clone()));
        Ok(Arc::new(Self { config, supergraph, verifier, shutdown }))
    }

    /// `/graphql` (POST, GET, event streams, sockets), `/health` and `/ready`.
    pub fn routes(self: &Arc<Self>) -> axum::Router {
        crate::http::routes(self.clone())
    }
}
