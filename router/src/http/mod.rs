//! GraphQL over HTTP, health.

use crate::Gateway;
use std::sync::Arc;

pub(crate) fn routes(gateway: Arc<Gateway>) -> axum::Router {
    axum::Router::new().with_state(gateway)
}
