//! Who is online, and when the others were seen last.
//!
//! Somebody is online while any replica serves a live subscription of theirs. Each replica says so every [`BEAT`], by one
//! statement for all who listen to it; who was not seen for [`ABSENT`] is offline, whatever became of their replica. So
//! nobody flickers who reconnects, and a replica that dies leaves nobody online.

pub(crate) mod service;
pub(crate) mod store;

use std::time::Duration;

/// How often those who listen are seen.
pub(crate) const BEAT: Duration = Duration::from_secs(15);
/// Who was not seen for so long is offline.
pub(crate) const ABSENT: chrono::Duration = chrono::Duration::seconds(40);
