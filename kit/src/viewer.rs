//! Who asks.

use crate::{
    codes::{Code, Denied},
    ids,
};
use async_graphql::Context;
use hansa_token::Claims;
use std::sync::Arc;
use uuid::Uuid;

/// The TypeID prefix of users.
pub const USER_PREFIX: &str = "user";
/// The TypeID prefix of sessions.
pub const SESSION_PREFIX: &str = "session";

/// The caller of an operation.
#[derive(Clone, Debug, Default)]
pub enum Viewer {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A signed-in user.
    User(Identity),
}

static ANONYMOUS: Viewer = Viewer::Anonymous;

/// A signed-in user, as the access token says.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user.
    pub user_id: Uuid,
    /// The session that the token belongs to.
    pub session_id: Uuid,
    /// All that the token says.
    pub claims: Arc<Claims>,
}

impl Viewer {
    /// The viewer that verified claims speak of; `None` when their ids are not ours.
    pub fn of(claims: Arc<Claims>) -> Option<Self> {
        let user_id = ids::decode(USER_PREFIX, &claims.sub)?;
        let session_id = ids::decode(SESSION_PREFIX, &claims.sid)?;
        Some(Self::User(Identity { user_id, session_id, claims }))
    }

    /// Who sent the request: nobody in particular unless its data has a viewer.
    pub fn in_context<'a>(context: &Context<'a>) -> &'a Self {
        context.data_opt().unwrap_or(&ANONYMOUS)
    }

    /// The signed-in user, if any.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Anonymous => None,
            Self::User(identity) => Some(identity),
        }
    }

    /// The signed-in user's id, if any.
    pub fn user_id(&self) -> Option<Uuid> {
        self.identity().map(|identity| identity.user_id)
    }

    /// The signed-in user.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for an anonymous caller.
    pub fn require(&self) -> Result<&Identity, Denied> {
        self.identity().ok_or_else(|| Denied::new(Code::Unauthenticated, "sign in first"))
    }

    /// Whether this is the user `id`.
    pub fn is(&self, id: Uuid) -> bool {
        self.identity().is_some_and(|identity| identity.user_id == id)
    }

    /// Whether any of `scopes` was granted.
    pub fn has_any_scope(&self, scopes: &[&str]) -> bool {
        self.identity().is_some_and(|identity| scopes.iter().any(|scope| identity.claims.has_scope(scope)))
    }

    /// The signed-in user, who has any of `scopes`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for an anonymous caller, `FORBIDDEN` for one without any of the scopes.
    pub fn require_any_scope(&self, scopes: &[&str]) -> Result<&Identity, Denied> {
        let identity = self.require()?;
        if self.has_any_scope(scopes) {
            Ok(identity)
        } else {
            Err(Denied::new(Code::Forbidden, format!("this needs the scope {}", scopes.join(" or "))))
        }
    }
}

/// Where a request comes from, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// `User-Agent`, cut to a bearable length.
    pub user_agent: Option<String>,
    /// The client's address, as the router saw it.
    pub ip_address: Option<String>,
}
