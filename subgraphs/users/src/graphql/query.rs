//! Root fields that read.

use super::{accounts, service, types, user_key, viewer};
use crate::account::{
    self, AccountStatus, Role, lookup_key,
    store::{Filter, Key, SortField},
};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use hansa_kit::{
    codes::Code,
    filter::{DateTimeRange, SortDirection},
    paging::{self, KeysetConnection, Page, TotalCount},
};
use sea_orm::Order;

/// What users can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserSortField {
    /// The username, whatever its case.
    Username,
    /// When the account was made.
    CreatedAt,
}

/// How users are ordered.
#[derive(InputObject)]
pub struct UserSort {
    /// By what.
    field: UserSortField,
    /// Which way.
    #[graphql(default_with = "SortDirection::Asc")]
    direction: SortDirection,
}

/// Which users are listed: those that meet every condition given.
#[derive(Default, InputObject)]
pub struct UserFilter {
    /// Part of the username or the e-mail address, whatever its case.
    search: Option<String>,
    /// A role that they have.
    role: Option<Role>,
    /// The state of their account.
    status: Option<AccountStatus>,
    /// When the account was made.
    created_at: Option<DateTimeRange>,
}

impl UserFilter {
    fn into_filter(self) -> Result<Filter> {
        let search = self.search.filter(|search| !search.is_empty());
        let search = search.map(|search| {
            lookup_key(&search).ok_or_else(|| Code::BadUserInput.error("`search` is no part of a name or an address"))
        });
        let span = self.created_at;
        Ok(Filter {
            search: search.transpose()?,
            role: self.role,
            status: self.status,
            created_from: span.and_then(|span| span.from),
            created_to: span.and_then(|span| span.to),
        })
    }
}

#[derive(Default)]
pub struct Users;

#[Object]
impl Users {
    /// The signed-in caller; null when nobody is signed in.
    async fn viewer(&self, context: &Context<'_>) -> Result<Option<types::Viewer>> {
        let Some(identity) = viewer(context).identity() else { return Ok(None) };
        let account = accounts(context).load_one(identity.user_id).await.map_err(super::fault)?;
        Ok(account.map(|account| types::Viewer::of(account, identity)))
    }

    /// The user with this id; null when there is none.
    async fn user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<Option<types::User>> {
        let Some(key) = user_key(&id) else { return Ok(None) };
        Ok(accounts(context).load_one(key).await.map_err(super::fault)?.map(types::User))
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
    ) -> Result<Option<KeysetConnection<Key, types::User>>> {
        let (service, viewer) = (service(context), viewer(context));
        let filter = filter.unwrap_or_default().into_filter()?;
        let (field, order) = order(sort);
        let page = Page::new(first, after)?;
        let slice = account::service::list(service, viewer, &filter, (field, order), &page).await?;
        let total = TotalCount::when_selected(context, account::service::count(service, viewer, &filter)).await?;
        let key = |account: &_| Key::of(account, field);
        Ok(Some(paging::connection(slice, page.after.is_some(), total, key, types::User)))
    }
}

fn order(sort: Option<UserSort>) -> (SortField, Order) {
    let Some(UserSort { field, direction }) = sort else { return (SortField::Username, Order::Asc) };
    let field = match field {
        UserSortField::Username => SortField::Username,
        UserSortField::CreatedAt => SortField::CreatedAt,
    };
    let order = match direction {
        SortDirection::Asc => Order::Asc,
        SortDirection::Desc => Order::Desc,
    };
    (field, order)
}
