//! Root fields that read.

use super::{
    accounts, service,
    types::{self, UserFilter, UserSort},
    user_key,
};
use crate::account::{
    self,
    store::{Filter, Key, Sort},
};
use async_graphql::{Context, ID, Object, Result};
use hansa_kit::{
    Viewer,
    paging::{self, KeysetConnection, Page, TotalCount},
};

/// A page of users.
pub(crate) type UserConnection = KeysetConnection<Key, types::User>;

#[derive(Default)]
pub struct Users;

#[Object]
impl Users {
    /// The signed-in caller; null when nobody is signed in.
    async fn viewer(&self, context: &Context<'_>) -> Result<Option<types::Viewer>> {
        let Some(identity) = Viewer::in_context(context).identity() else { return Ok(None) };
        let account = accounts(context).load_one(identity.user_id).await?;
        Ok(account.map(|account| types::Viewer::of(account, identity)))
    }

    /// The user with this id; null when there is none.
    async fn user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<Option<types::User>> {
        let Some(key) = user_key(&id) else { return Ok(None) };
        Ok(accounts(context).load_one(key).await?.map(types::User))
    }

    /// The user with this username, whatever its case; null when there is none.
    async fn user_by_username(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The username.")] username: String,
    ) -> Result<Option<types::User>> {
        let account = account::service::by_username(service(context), &username).await?;
        Ok(account.map(types::User))
    }

    /// All users, for administrators; by username unless `sort` says otherwise.
    #[graphql(requires_scopes = "admin")]
    async fn users(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<UserFilter>,
        #[graphql(desc = "In which order.")] sort: Option<UserSort>,
        #[graphql(desc = "How many, at most 100.", default_with = "super::default_page()")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<Option<UserConnection>> {
        let (service, viewer) = (service(context), Viewer::in_context(context));
        let filter = Filter::try_from(filter.unwrap_or_default())?;
        let sort = Sort::from(sort.unwrap_or_default());
        let page = Page::new(first, after)?;
        let slice = account::service::list(service, viewer, &filter, sort, &page).await?;
        let total = TotalCount::when_selected(context, account::service::count(service, viewer, &filter)).await?;
        let key = |account: &_| Key::of(account, sort.field);
        Ok(Some(paging::connection(slice, page.after.is_some(), total, key, types::User)))
    }
}
