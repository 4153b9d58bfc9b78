//! What can be done with friendships, and who may do it: each change and its event in one transaction.
//!
//! | is | `request` by one | `request` by the other | answer | `delete` | block |
//! |---|---|---|---|---|---|
//! | nothing | pending | pending | | | |
//! | pending | stays so | accepted | accepted, declined by who was asked; cancelled by who asked | | declined or cancelled |
//! | accepted | | | | nothing | nothing |
//! | declined | pending, after a while | pending | | | |
//! | cancelled | pending | pending | | | |
//!
//! All that happens between two people is in turn ([`pair`]); and a row is changed only from the state that the change is
//! from, in the statement itself.

use super::{
    domain::{Answer, Direction, Filter, Status},
    store,
};
use crate::{
    Error, Service, block,
    entity::friendship::Model,
    pair::{self, Pair},
};
use chrono::{DateTime, Duration, Utc};
use hansa_kit::{
    Viewer, ids, outbox,
    paging::{Page, Position, Slice},
};
use hansa_schema::social::{FriendshipAccepted, FriendshipEnded, FriendshipRequested};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

/// A page of the viewer's friendships that match `filter`, newest first.
pub(crate) async fn list(
    service: &Service,
    viewer: &Viewer,
    filter: Filter,
    page: &Page<Position>,
) -> Result<Slice<Model>, Error> {
    Ok(store::list(&service.database, viewer.require()?.user_id, filter, page).await?)
}

/// How many of the viewer's friendships match `filter`.
pub(crate) async fn count(service: &Service, viewer: &Viewer, filter: Filter) -> Result<u64, Error> {
    Ok(store::count(&service.database, viewer.require()?.user_id, filter).await?)
}

/// Asks for somebody's friendship. Who has been asked by them already accepts; who has asked already has asked.
pub(crate) async fn request(service: &Service, viewer: &Viewer, addressee: Option<Uuid>) -> Result<Model, Error> {
    let requester = viewer.require()?.user_id;
    let addressee = addressee.ok_or(Error::NoSuchPerson)?;
    let transaction = pair::begin(service, requester, addressee).await?;
    if block::between(&transaction, requester, addressee).await? {
        return Err(Error::Blocked);
    }
    let now = service.clock.now();
    let friendship = match store::of_pair(&transaction, Pair::of(requester, addressee)).await? {
        Some(known) => match known.status {
            Status::Accepted => return Err(Error::AlreadyFriends),
            Status::Pending if known.requester_id == requester => return Ok(known),
            Status::Pending => settle(&transaction, known.id, requester, Answer::Accept, now).await?,
            Status::Declined if known.requester_id == requester && waits(service, &known, now) => {
                return Err(Error::AskedTooSoon);
            }
            Status::Declined | Status::Cancelled => ask(service, &transaction, requester, addressee, now).await?,
        },
        None => ask(service, &transaction, requester, addressee, now).await?,
    };
    transaction.commit().await?;
    service.outbox.wake();
    Ok(friendship)
}

/// Whether it is too soon after a refusal to ask again.
fn waits(service: &Service, declined: &Model, now: DateTime<Utc>) -> bool {
    let wait = Duration::hours(service.config.friendships.wait_hours.into());
    declined.responded_at.is_some_and(|at| now < at + wait)
}

async fn ask(
    service: &Service,
    transaction: &DatabaseTransaction,
    requester: Uuid,
    addressee: Uuid,
    now: DateTime<Utc>,
) -> Result<Model, Error> {
    if store::count_pending(transaction, requester).await? >= service.config.friendships.max_pending {
        return Err(Error::LimitExceeded("as many of your requests as may wait for an answer"));
    }
    let friendship = store::insert(transaction, ids::new(), requester, addressee, now).await?;
    let event = FriendshipRequested { friendship_id: friendship.id, requester_id: requester, addressee_id: addressee };
    outbox::write(transaction, now, event).await?;
    Ok(friendship)
}

/// Answers a request: who was asked accepts or declines, who asked cancels.
pub(crate) async fn answer(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
    answer: Answer,
) -> Result<Model, Error> {
    let person = viewer.require()?.user_id;
    let id = id.ok_or(Error::NoSuchFriendship)?;
    let other = other(&find(&service.database, person, id).await?, person);
    let transaction = pair::begin(service, person, other).await?;
    let friendship = settle(&transaction, id, person, answer, service.clock.now()).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(friendship)
}

/// The friendship `id`, which has to be one of `person`.
async fn find(database: &impl sea_orm::ConnectionTrait, person: Uuid, id: Uuid) -> Result<Model, Error> {
    let found = store::find_many(database, &[id]).await?.pop();
    found.filter(|known| is_of(known, person)).ok_or(Error::NoSuchFriendship)
}

/// Whether `person` is one of the two, who alone may see it.
pub(crate) fn is_of(friendship: &Model, person: Uuid) -> bool {
    friendship.low_id == person || friendship.high_id == person
}

fn other(friendship: &Model, person: Uuid) -> Uuid {
    if friendship.low_id == person { friendship.high_id } else { friendship.low_id }
}

async fn settle(
    transaction: &DatabaseTransaction,
    id: Uuid,
    person: Uuid,
    answer: Answer,
    now: DateTime<Utc>,
) -> Result<Model, Error> {
    let side = answer.side();
    let Some(friendship) = store::answer(transaction, id, side, person, answer.status(), now).await? else {
        let known = find(transaction, person, id).await?;
        let is_theirs = match side {
            Direction::Incoming => known.addressee_id == person,
            Direction::Outgoing => known.requester_id == person,
        };
        return Err(if is_theirs { Error::Settled } else { Error::NotTheirs });
    };
    let Model { id: friendship_id, requester_id, addressee_id, .. } = friendship;
    match answer {
        Answer::Accept => {
            let event = FriendshipAccepted { friendship_id, requester_id, addressee_id };
            outbox::write(transaction, now, event).await?;
        }
        Answer::Decline | Answer::Cancel => outbox::write(transaction, now, end_of(&friendship)).await?,
    }
    Ok(friendship)
}

/// The event that a friendship or a request has come to its end.
fn end_of(friendship: &Model) -> FriendshipEnded {
    let Model { id: friendship_id, requester_id, addressee_id, .. } = *friendship;
    FriendshipEnded { friendship_id, requester_id, addressee_id }
}

/// Is somebody's friend no more.
pub(crate) async fn delete(service: &Service, viewer: &Viewer, friend: Option<Uuid>) -> Result<Uuid, Error> {
    let person = viewer.require()?.user_id;
    let friend = friend.ok_or(Error::NoSuchPerson)?;
    let transaction = pair::begin(service, person, friend).await?;
    let friendship = store::delete(&transaction, Pair::of(person, friend)).await?.ok_or(Error::NotFriends)?;
    outbox::write(&transaction, service.clock.now(), end_of(&friendship)).await?;
    transaction.commit().await?;
    service.outbox.wake();
    Ok(friend)
}

/// Ends what is between two people of whom one blocks the other, within the transaction of the block: a friendship, or a
/// request, which is answered by the block.
pub(crate) async fn sever(
    transaction: &DatabaseTransaction,
    blocker: Uuid,
    blocked: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let pair = Pair::of(blocker, blocked);
    let Some(known) = store::of_pair(transaction, pair).await? else { return Ok(()) };
    match known.status {
        Status::Pending => {
            let answer = if known.requester_id == blocker { Answer::Cancel } else { Answer::Decline };
            settle(transaction, known.id, blocker, answer, now).await?;
        }
        Status::Accepted => {
            if let Some(friendship) = store::delete(transaction, pair).await? {
                outbox::write(transaction, now, end_of(&friendship)).await?;
            }
        }
        Status::Declined | Status::Cancelled => {}
    }
    Ok(())
}

/// Ends all friendships and requests of somebody whose account is gone, within the transaction of that event.
pub(crate) async fn erase(
    transaction: &DatabaseTransaction,
    person: Uuid,
    now: DateTime<Utc>,
) -> Result<(), hansa_kit::Error> {
    loop {
        let erased = store::delete_some(transaction, person).await?;
        if erased.is_empty() {
            return Ok(());
        }
        let were_open = erased.iter().filter(|one| matches!(one.status, Status::Pending | Status::Accepted));
        outbox::write_all(transaction, now, were_open.map(end_of)).await?;
    }
}
