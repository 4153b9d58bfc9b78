//! Who is typing. It is told to those who listen, at most once, and kept nowhere.

use super::{
    domain::MAX_INTIMATE,
    service::{self as conversations, ID},
    store, stream,
};
use crate::{Error, Service, presence};
use chrono::{DateTime, Duration, Utc};
use futures::Stream;
use hansa_kit::{Viewer, signals::Signal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What typing is whispered as.
const TOPIC: &str = "typing";
/// Who has not said again that they are typing is not, after this time.
const LASTS: Duration = Duration::seconds(6);

/// Somebody is typing, or is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Typing {
    pub(crate) user_id: Uuid,
    pub(crate) is_typing: bool,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Tells the other participants that the viewer is typing, or is not any more. False in conversations of more than
/// [`MAX_INTIMATE`] people, where it is told to nobody.
pub(crate) async fn set(service: &Service, viewer: &Viewer, id: Option<Uuid>, is_typing: bool) -> Result<bool, Error> {
    let user_id = viewer.require()?.user_id;
    let conversation = conversations::access(&service.database, user_id, id, ID).await?.conversation.id;
    if store::participant_ids(&service.database, conversation).await?.len() > MAX_INTIMATE {
        return Ok(false);
    }
    whisper(service, conversation, user_id, is_typing)?;
    Ok(true)
}

/// Tells whoever listens in a conversation that somebody is typing there, or is not any more.
pub(super) fn whisper(service: &Service, conversation: Uuid, user_id: Uuid, is_typing: bool) -> Result<(), Error> {
    let typing = Typing { user_id, is_typing, expires_at: service.clock.now() + LASTS };
    let payload = serde_json::to_value(typing).map_err(hansa_kit::Error::from)?;
    service.signals.send(Signal::Whisper { topic: TOPIC.to_owned(), subject: conversation, payload });
    Ok(())
}

/// Who else is typing in a conversation, from now on. What comes too late, or when the viewer may not see the conversation
/// any more, is left out. The viewer is online as long as the stream lives.
pub(crate) async fn watch(
    service: &Service,
    viewer: &Viewer,
    id: Option<Uuid>,
) -> Result<impl Stream<Item = Result<Typing, Error>> + Send + use<>, Error> {
    let user = viewer.require()?.user_id;
    let conversation = stream::watched(service, user, id).await?;
    let mut whispers = service.signals.whispers(TOPIC, conversation);
    let attendance = presence::service::attend(service, user).await?;
    let service = service.clone();
    Ok(async_stream::try_stream! {
        let _attendance = attendance;
        loop {
            let typing: Typing = serde_json::from_value(whispers.next().await).map_err(hansa_kit::Error::from)?;
            let is_news = typing.user_id != user && typing.expires_at > service.clock.now();
            if is_news && stream::is_visible(&service, user, conversation).await? {
                yield typing;
            }
        }
    })
}
