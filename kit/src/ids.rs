//! Global ids: UUIDv7 keys, shown to clients as TypeIDs (`user_01h…`).

use async_graphql::ID;
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

/// A new key. Keys of one process increase strictly; over processes they are ordered by the millisecond.
pub fn new() -> Uuid {
    Uuid::now_v7()
}

/// The global id of an entity: `prefix` names its type.
pub fn encode(prefix: &'static str, key: Uuid) -> ID {
    match DynamicType::new(prefix) {
        Ok(prefix) => ID(TypeSafeId::from_type_and_uuid(prefix, key).to_string()),
        // Prefixes are constants of ours; one that is not a TypeID prefix still gives a unique id.
        Err(_) => ID(format!("{prefix}_{key}")),
    }
}

/// The key in a global id, or `None` when it is not an id of that type.
pub fn decode(prefix: &str, id: &str) -> Option<Uuid> {
    // The library panics at a long prefix that is not ASCII: it sees our own alone.
    if id.rsplit_once('_')?.0 != prefix {
        return None;
    }
    let id: TypeSafeId<DynamicType> = id.parse().ok()?;
    Some(id.uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusal() {
        let key = new();
        let id = encode("user", key);
        assert!(id.starts_with("user_"));
        assert_eq!(decode("user", &id), Some(key));
        assert_eq!(decode("post", &id), None);
        assert_eq!(decode("user", "user_"), None);
        assert_eq!(decode("user", "nonsense"), None);
        assert_eq!(decode("user", &format!("{}é_{}", "u".repeat(62), "0".repeat(26))), None);
    }

    #[test]
    fn keys_increase() {
        let keys: Vec<_> = std::iter::repeat_with(new).take(1000).collect();
        assert!(keys.is_sorted());
    }
}
