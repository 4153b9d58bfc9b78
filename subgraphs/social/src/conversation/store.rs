//! Every query of conversations and their participants.

use super::domain::{Kind, OwnId, View};
use crate::{
    entity::{
        block,
        conversation::{self, Column, Entity, Model},
        message, participant,
    },
    pair::Pair,
};
use chrono::{DateTime, Utc};
use hansa_kit::{
    Error,
    filter::SortDirection,
    paging::{Page, Position, Slice, keyset},
};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait, IntoColumnRef, OnConflict, Query, SelectStatement, SimpleExpr, UnionType},
};
use std::collections::HashMap;

/// Whether the conversation in `column` is not a direct one of two people of whom one blocks the other, as a condition of a
/// query.
pub(crate) fn is_open(column: impl IntoColumnRef) -> SimpleExpr {
    let of = |column: Column| Expr::col((Entity, column));
    let is = |block: block::Column, person: Column| Expr::col((block::Entity, block)).eq(of(person));
    let either = Condition::any()
        .add(is(block::Column::BlockerId, Column::LowId).and(is(block::Column::BlockedId, Column::HighId)))
        .add(is(block::Column::BlockerId, Column::HighId).and(is(block::Column::BlockedId, Column::LowId)));
    let hidden = Query::select()
        .expr(Expr::val(1))
        .from(Entity)
        .inner_join(block::Entity, either)
        .and_where(of(Column::Id).equals(column))
        .to_owned();
    Expr::exists(hidden).not()
}

fn of(user: Uuid) -> Select<participant::Entity> {
    participant::Entity::find()
        .filter(participant::Column::UserId.eq(user))
        .filter(is_open((participant::Entity, participant::Column::ConversationId)))
}

/// The conversation as the user has it, even if a block hides it.
pub(crate) async fn find(database: &impl ConnectionTrait, (user, id): OwnId) -> Result<Option<View>, Error> {
    let found = participant::Entity::find_by_id((id, user)).find_also_related(Entity).one(database).await?;
    Ok(found.and_then(view))
}

/// Those of the conversations that their users have, as they have them.
pub(crate) async fn find_many(database: &impl ConnectionTrait, ids: &[OwnId]) -> Result<HashMap<OwnId, View>, Error> {
    // SQLite finds no index for pairs; that the user is the right one, the key of the result tells.
    let found = participant::Entity::find()
        .filter(participant::Column::ConversationId.is_in(ids.iter().map(|(_, id)| *id)))
        .filter(participant::Column::UserId.is_in(ids.iter().map(|(user, _)| *user)))
        .filter(is_open((participant::Entity, participant::Column::ConversationId)))
        .find_also_related(Entity)
        .all(database)
        .await?;
    Ok(found.into_iter().filter_map(view).map(|view| ((view.own.user_id, view.own.conversation_id), view)).collect())
}

fn view((own, conversation): (participant::Model, Option<Model>)) -> Option<View> {
    conversation.map(|conversation| View { conversation, own })
}

/// A page of the user's conversations, those first where something happened last.
pub(crate) async fn list(
    database: &impl ConnectionTrait,
    user: Uuid,
    page: &Page<Position>,
) -> Result<Slice<View>, Error> {
    let columns = &[participant::Column::ActiveAt, participant::Column::ConversationId];
    let after = page.after.map(Into::into);
    let rows = keyset(of(user), columns, SortDirection::Desc, after, page.limit)
        .find_also_related(Entity)
        .all(database)
        .await?;
    Ok(Slice::of(rows.into_iter().filter_map(view).collect(), page.limit))
}

/// How many conversations the user has.
pub(crate) async fn count(database: &impl ConnectionTrait, user: Uuid) -> Result<u64, Error> {
    Ok(of(user).count(database).await?)
}

/// How many messages the user has not read, over all conversations but those that are muted at `now`.
pub(crate) async fn count_unread(
    database: &impl ConnectionTrait,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    let is_loud = participant::Column::MutedUntil.is_null().or(participant::Column::MutedUntil.lte(now));
    let unread: Option<Option<i64>> = of(user)
        .select_only()
        // Postgres adds big integers to a decimal.
        .expr_as(participant::Column::UnreadCount.sum().cast_as("bigint"), "unread")
        .filter(participant::Column::UnreadCount.gt(0))
        .filter(is_loud)
        .into_tuple()
        .one(database)
        .await?;
    Ok(unread.flatten().unwrap_or(0))
}

/// Who is in these conversations, in the order in which they came; those of one time by their ids.
pub(crate) async fn participants(
    database: &impl ConnectionTrait,
    conversations: &[Uuid],
) -> Result<HashMap<Uuid, Vec<participant::Model>>, Error> {
    let rows = participant::Entity::find()
        .filter(participant::Column::ConversationId.is_in(conversations.iter().copied()))
        .order_by_asc(participant::Column::JoinedAt)
        .order_by_asc(participant::Column::UserId)
        .all(database)
        .await?;
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        found.entry(row.conversation_id).or_default().push(row);
    }
    Ok(found)
}

/// The ids of those who are in a conversation.
pub(crate) async fn participant_ids(database: &impl ConnectionTrait, conversation: Uuid) -> Result<Vec<Uuid>, Error> {
    let ids = participant::Entity::find()
        .select_only()
        .column(participant::Column::UserId)
        .filter(participant::Column::ConversationId.eq(conversation));
    Ok(ids.into_tuple().all(database).await?)
}

/// The direct conversation of two people.
pub(crate) async fn find_direct(
    database: &impl ConnectionTrait,
    Pair { low, high }: Pair,
) -> Result<Option<Model>, Error> {
    Ok(Entity::find().filter(Column::LowId.eq(low)).filter(Column::HighId.eq(high)).one(database).await?)
}

/// How many conversations somebody has begun since then.
pub(crate) async fn count_created(
    database: &impl ConnectionTrait,
    creator: Uuid,
    since: DateTime<Utc>,
) -> Result<u64, Error> {
    Ok(Entity::find().filter(Column::CreatorId.eq(creator)).filter(Column::CreatedAt.gt(since)).count(database).await?)
}

/// A conversation to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewConversation {
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) title: Option<String>,
    pub(crate) creator_id: Uuid,
    /// The two people of a direct conversation.
    pub(crate) pair: Option<Pair>,
    pub(crate) participants: Vec<Uuid>,
    pub(crate) now: DateTime<Utc>,
}

/// Adds a conversation with its participants; nothing when the pair has one.
pub(crate) async fn insert(transaction: &impl ConnectionTrait, new: NewConversation) -> Result<(), Error> {
    let NewConversation { id, now, .. } = new;
    let row = conversation::ActiveModel {
        id: Set(id),
        kind: Set(new.kind),
        title: Set(new.title),
        creator_id: Set(Some(new.creator_id)),
        low_id: Set(new.pair.map(|pair| pair.low)),
        high_id: Set(new.pair.map(|pair| pair.high)),
        head: Set(0),
        last_message_id: Set(None),
        created_at: Set(now),
    };
    let known = OnConflict::columns([Column::LowId, Column::HighId]).do_nothing().to_owned();
    if Entity::insert(row).on_conflict(known).exec_without_returning(transaction).await? == 0 {
        return Ok(());
    }
    let rows = new.participants.into_iter().map(|user| participant::ActiveModel {
        conversation_id: Set(id),
        user_id: Set(user),
        joined_at: Set(now),
        active_at: Set(now),
        wrote_at: Set(None),
        last_read_sequence: Set(0),
        last_read_message_id: Set(None),
        last_read_at: Set(None),
        muted_until: Set(None),
        unread_count: Set(0),
    });
    participant::Entity::insert_many(rows).exec_without_returning(transaction).await?;
    Ok(())
}

/// Makes room for a message and gives its sequence; `None` when the conversation is there no more. From here on no other
/// message comes, until the transaction ends.
pub(crate) async fn advance(transaction: &impl ConnectionTrait, id: Uuid, message: Uuid) -> Result<Option<i64>, Error> {
    let advanced = Entity::update_many()
        .col_expr(Column::Head, Expr::col(Column::Head).add(1))
        .col_expr(Column::LastMessageId, Expr::val(message))
        .filter(Column::Id.eq(id))
        .exec_with_returning(transaction)
        .await?;
    Ok(advanced.first().map(|conversation| conversation.head))
}

/// The conversation, in which nobody sends or deletes a message any more before the transaction ends, nor leaves.
pub(crate) async fn lock(transaction: &impl ConnectionTrait, id: Uuid) -> Result<Option<Model>, Error> {
    Ok(Entity::find_by_id(id).lock_exclusive().one(transaction).await?)
}

/// Takes a user out of a conversation; their place in it, or `None` when they had none.
pub(crate) async fn leave(transaction: &impl ConnectionTrait, own: OwnId) -> Result<Option<participant::Model>, Error> {
    let place = hold_own(transaction, own).await?;
    if let Some(participant::Model { conversation_id, user_id, .. }) = place {
        participant::Entity::delete_by_id((conversation_id, user_id)).exec(transaction).await?;
    }
    Ok(place)
}

/// Deletes those of the conversations that nobody is in any more, with their messages.
pub(crate) async fn delete_empty(transaction: &impl ConnectionTrait, ids: &[Uuid]) -> Result<(), Error> {
    let is_empty = |column: SimpleExpr| {
        let present = Query::select()
            .expr(Expr::val(1))
            .from(participant::Entity)
            .and_where(Expr::col((participant::Entity, participant::Column::ConversationId)).eq(column))
            .to_owned();
        Expr::exists(present).not()
    };
    message::Entity::delete_many()
        .filter(message::Column::ConversationId.is_in(ids.iter().copied()))
        .filter(is_empty(Expr::col((message::Entity, message::Column::ConversationId))))
        .exec(transaction)
        .await?;
    Entity::delete_many()
        .filter(Column::Id.is_in(ids.iter().copied()))
        .filter(is_empty(Expr::col((Entity, Column::Id))))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Counts a new message of `sender` for all participants, and gives them.
pub(crate) async fn count_message(
    transaction: &impl ConnectionTrait,
    conversation: Uuid,
    sender: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<participant::Model>, Error> {
    use participant::Column;
    let is_sender = || Expr::col(Column::UserId).eq(sender);
    let unread = Expr::case(is_sender(), Expr::col(Column::UnreadCount)).finally(Expr::col(Column::UnreadCount).add(1));
    let wrote_at = Expr::case(is_sender(), Expr::val(now)).finally(Expr::col(Column::WroteAt));
    Ok(participant::Entity::update_many()
        .col_expr(Column::UnreadCount, unread.into())
        .col_expr(Column::WroteAt, wrote_at.into())
        .col_expr(Column::ActiveAt, Expr::val(now))
        .filter(Column::ConversationId.eq(conversation))
        .exec_with_returning(transaction)
        .await?)
}

/// Counts a message no more, for those who have not read it.
pub(crate) async fn discount_message(
    transaction: &impl ConnectionTrait,
    conversation: Uuid,
    sender: Uuid,
    sequence: i64,
) -> Result<(), Error> {
    use participant::Column;
    participant::Entity::update_many()
        .col_expr(Column::UnreadCount, Expr::col(Column::UnreadCount).sub(1))
        .filter(Column::ConversationId.eq(conversation))
        .filter(Column::UserId.ne(sender))
        .filter(Column::LastReadSequence.lt(sequence))
        .exec(transaction)
        .await?;
    Ok(())
}

/// The user's place in a conversation. Until the transaction ends, nobody else changes it: what is counted then is counted
/// with all that was committed, and what others add or take is added to it or taken from it.
pub(crate) async fn hold_own(
    transaction: &impl ConnectionTrait,
    (user, id): OwnId,
) -> Result<Option<participant::Model>, Error> {
    Ok(participant::Entity::find_by_id((id, user)).lock_exclusive().one(transaction).await?)
}

/// Moves the mark of what the user has read, and counts what is unread behind it.
pub(crate) async fn mark_read(
    transaction: &impl ConnectionTrait,
    (user, id): OwnId,
    message: Uuid,
    sequence: i64,
    now: DateTime<Utc>,
) -> Result<Option<participant::Model>, Error> {
    use participant::Column;
    let unread = SimpleExpr::SubQuery(None, Box::new(unread(Expr::val(sequence)).into()));
    let updated = participant::Entity::update_many()
        .col_expr(Column::LastReadSequence, Expr::val(sequence))
        .col_expr(Column::LastReadMessageId, Expr::val(message))
        .col_expr(Column::LastReadAt, Expr::val(now))
        .col_expr(Column::UnreadCount, unread)
        .filter(Column::ConversationId.eq(id))
        .filter(Column::UserId.eq(user))
        .exec_with_returning(transaction)
        .await?;
    Ok(updated.into_iter().next())
}

/// How many messages of others behind `sequence` are not deleted in the participant's conversation.
fn unread(sequence: SimpleExpr) -> SelectStatement {
    use message::{Column, Entity};
    let is_others = Expr::col((Entity, Column::SenderId))
        .is_null()
        .or(Expr::col((Entity, Column::SenderId)).ne(Expr::col((participant::Entity, participant::Column::UserId))));
    Query::select()
        .expr(Expr::col((Entity, Column::Id)).count())
        .from(Entity)
        .and_where(
            Expr::col((Entity, Column::ConversationId))
                .equals((participant::Entity, participant::Column::ConversationId)),
        )
        .and_where(Expr::col((Entity, Column::Sequence)).gt(sequence))
        .and_where(Expr::col((Entity, Column::DeletedAt)).is_null())
        .and_where(is_others)
        .to_owned()
}

/// Mutes a conversation for the user until then; not at all by `None`.
pub(crate) async fn mute(
    transaction: &impl ConnectionTrait,
    (user, id): OwnId,
    until: Option<DateTime<Utc>>,
) -> Result<Option<participant::Model>, Error> {
    let updated = participant::Entity::update_many()
        .col_expr(participant::Column::MutedUntil, Expr::val(until))
        .filter(participant::Column::ConversationId.eq(id))
        .filter(participant::Column::UserId.eq(user))
        .exec_with_returning(transaction)
        .await?;
    Ok(updated.into_iter().next())
}

/// The ids of the conversations that a user is in, as a query.
fn ids_of(user: Uuid) -> SelectStatement {
    Query::select()
        .column(participant::Column::ConversationId)
        .from(participant::Entity)
        .and_where(participant::Column::UserId.eq(user))
        .to_owned()
}

/// The conversations that a user is in, or has left messages in: nobody sends or deletes a message there any more before
/// the transaction ends, nor leaves. Locked in the order of their ids, so that nobody waits in a circle.
pub(crate) async fn lock_all(transaction: &impl ConnectionTrait, user: Uuid) -> Result<Vec<Uuid>, Error> {
    let written = Query::select()
        .column(message::Column::ConversationId)
        .from(message::Entity)
        .and_where(message::Column::SenderId.eq(user))
        .to_owned();
    let all = ids_of(user).union(UnionType::Distinct, written).to_owned();
    let ids = Entity::find().select_only().column(Column::Id).filter(Column::Id.in_subquery(all));
    Ok(ids.order_by_asc(Column::Id).lock_exclusive().into_tuple().all(transaction).await?)
}

/// Conversations of one statement.
const CHUNK: usize = 1_000;

/// Removes a user from all of their conversations, and counts what is unread without their messages in `conversations`,
/// those that [`lock_all`] has found. Those that nobody is in any more are deleted.
pub(crate) async fn erase(transaction: &impl ConnectionTrait, user: Uuid, conversations: &[Uuid]) -> Result<(), Error> {
    let nobody = || Expr::val(None::<Uuid>);
    Entity::update_many()
        .col_expr(Column::LowId, nobody())
        .col_expr(Column::HighId, nobody())
        .filter(Condition::any().add(Column::LowId.eq(user)).add(Column::HighId.eq(user)))
        .filter(Column::Id.in_subquery(ids_of(user)))
        .exec(transaction)
        .await?;
    Entity::update_many()
        .col_expr(Column::CreatorId, nobody())
        .filter(Column::CreatorId.eq(user))
        .exec(transaction)
        .await?;
    participant::Entity::delete_many().filter(participant::Column::UserId.eq(user)).exec(transaction).await?;
    let read = Expr::col((participant::Entity, participant::Column::LastReadSequence));
    let unread = SimpleExpr::SubQuery(None, Box::new(unread(read).into()));
    for some in conversations.chunks(CHUNK) {
        participant::Entity::update_many()
            .col_expr(participant::Column::UnreadCount, unread.clone())
            .filter(participant::Column::ConversationId.is_in(some.iter().copied()))
            .filter(participant::Column::UnreadCount.gt(0))
            .exec(transaction)
            .await?;
        delete_empty(transaction, some).await?;
    }
    Ok(())
}

/// Which of these people the users of the pairs `(user, other)` have an answer of, in a direct conversation that no block
/// hides.
pub(crate) async fn correspondents(
    database: &impl ConnectionTrait,
    pairs: &[(Uuid, Uuid)],
) -> Result<Vec<OwnId>, Error> {
    let among = |column: Column| {
        column.is_in(pairs.iter().flat_map(|(user, other)| [*user, *other]).collect::<std::collections::BTreeSet<_>>())
    };
    let found = participant::Entity::find()
        .find_also_related(Entity)
        .filter(among(Column::LowId))
        .filter(among(Column::HighId))
        .filter(participant::Column::WroteAt.is_not_null())
        .filter(is_open((participant::Entity, participant::Column::ConversationId)))
        .all(database)
        .await?;
    Ok(found
        .into_iter()
        .filter_map(|(writer, conversation)| {
            let conversation = conversation?;
            let (low, high) = (conversation.low_id?, conversation.high_id?);
            Some((if low == writer.user_id { high } else { low }, writer.user_id))
        })
        .collect())
}
