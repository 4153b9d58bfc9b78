//! The embedded mailbox: what was sent, to look at during development and in demonstrations.
//!
//! It keeps every message once by its Message-ID. Whoever serves these routes shows all mail to everybody who can reach
//! them: they are for loopback listeners.

use crate::Error;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use mail_parser::MessageParser;
use minijinja::{Environment, context};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DatabaseConnection, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{OnConflict, SelectStatement},
};
use serde::Serialize;
use std::sync::Arc;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "mailbox_message")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub message_id: String,
        #[sea_orm(column_type = "Text")]
        pub to: String,
        #[sea_orm(column_type = "Text")]
        pub subject: String,
        #[sea_orm(column_type = "Text")]
        pub text: String,
        #[sea_orm(column_type = "Text")]
        pub html: String,
        pub sent_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Most messages that are kept.
const KEPT: u64 = 1_000;
/// Nothing in a mail may run, load or navigate.
const MAIL_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'";

/// Puts a message (RFC 5322) into the mailbox, unless it is there already.
pub(crate) async fn receive(database: &DatabaseConnection, raw: &[u8]) -> Result<(), Error> {
    let mail = MessageParser::default().parse(raw).ok_or_else(|| Error::Config("a mail without headers".into()))?;
    let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default().to_owned();
    let row = entity::ActiveModel {
        id: Set(hansa_kit::ids::new()),
        message_id: Set(format!("<{}>", mail.message_id().unwrap_or_default())),
        to: Set(to),
        subject: Set(mail.subject().unwrap_or_default().to_owned()),
        text: Set(mail.body_text(0).unwrap_or_default().into_owned()),
        html: Set(mail.body_html(0).unwrap_or_default().into_owned()),
        sent_at: Set(Utc::now().trunc_subsecs(6)),
    };
    entity::Entity::insert(row)
        .on_conflict(OnConflict::column(entity::Column::MessageId).do_nothing().to_owned())
        .exec_without_returning(database)
        .await?;
    prune(database).await
}

/// Removes the messages with these Message-IDs.
pub(crate) async fn remove<C: ConnectionTrait>(database: &C, message_ids: SelectStatement) -> Result<(), DbErr> {
    let listed = entity::Column::MessageId.in_subquery(message_ids);
    entity::Entity::delete_many().filter(listed).exec(database).await?;
    Ok(())
}

async fn prune(database: &DatabaseConnection) -> Result<(), Error> {
    let oldest = entity::Entity::find().order_by_desc(entity::Column::Id).offset(KEPT).limit(1).one(database).await?;
    if let Some(oldest) = oldest {
        entity::Entity::delete_many().filter(entity::Column::Id.lte(oldest.id)).exec(database).await?;
    }
    Ok(())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: Uuid,
    message_id: String,
    to: String,
    subject: String,
    text: String,
    html: String,
    #[serde(serialize_with = "milliseconds")]
    sent_at: DateTime<Utc>,
}

fn milliseconds<S: serde::Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

impl From<entity::Model> for Message {
    fn from(row: entity::Model) -> Self {
        Self {
            id: row.id,
            message_id: row.message_id,
            to: row.to,
            subject: row.subject,
            text: row.text,
            html: row.html,
            sent_at: row.sent_at,
        }
    }
}

struct Mailbox {
    database: DatabaseConnection,
    pages: Environment<'static>,
}

/// `/mail` for people, `/mail/api/messages` for programs (oldest first).
///
/// # Errors
/// When a page's template does not compile, which a test rules out.
pub fn routes(database: DatabaseConnection) -> Result<Router, Error> {
    let mut pages = Environment::new();
    pages.add_template("mailbox.html", include_str!("../templates/mailbox.html"))?;
    pages.add_template("message.html", include_str!("../templates/message.html"))?;
    Ok(Router::new()
        .route("/mail", get(list))
        .route("/mail/{id}", get(message))
        .route("/mail/{id}/html", get(body))
        .route("/mail/api/messages", get(messages))
        .with_state(Arc::new(Mailbox { database, pages })))
}

async fn all(database: &DatabaseConnection) -> Result<Vec<Message>, Error> {
    let rows = entity::Entity::find().order_by_asc(entity::Column::Id).all(database).await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

async fn find(database: &DatabaseConnection, id: Uuid) -> Result<Option<Message>, Error> {
    Ok(entity::Entity::find_by_id(id).one(database).await?.map(Message::from))
}

async fn messages(State(mailbox): State<Arc<Mailbox>>) -> Response {
    match all(&mailbox.database).await {
        Ok(messages) => Json(messages).into_response(),
        Err(error) => fault(&error),
    }
}

async fn list(State(mailbox): State<Arc<Mailbox>>) -> Response {
    let page = async {
        let mut messages = all(&mailbox.database).await?;
        messages.reverse();
        Ok(mailbox.pages.get_template("mailbox.html")?.render(context! { messages })?)
    };
    html(page.await, PAGE_POLICY)
}

async fn message(State(mailbox): State<Arc<Mailbox>>, Path(id): Path<Uuid>) -> Response {
    match find(&mailbox.database, id).await {
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Ok(Some(message)) => {
            let page = mailbox.pages.get_template("message.html").and_then(|page| page.render(context! { message }));
            html(page.map_err(Error::from), PAGE_POLICY)
        }
        Err(error) => fault(&error),
    }
}

async fn body(State(mailbox): State<Arc<Mailbox>>, Path(id): Path<Uuid>) -> Response {
    match find(&mailbox.database, id).await {
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Ok(Some(message)) => html(Ok(message.html), MAIL_POLICY),
        Err(error) => fault(&error),
    }
}

fn html(page: Result<String, Error>, policy: &'static str) -> Response {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_SECURITY_POLICY, policy), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    match page {
        Ok(page) => (headers, Html(page)).into_response(),
        Err(error) => fault(&error),
    }
}

fn fault(error: &Error) -> Response {
    tracing::error!(%error, "the mailbox cannot be shown");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
