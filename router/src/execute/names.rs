//! Response keys as numbers, so that a field is found without comparing text.

use std::collections::HashMap;

/// A response key's number in [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(u32);

/// The response keys of an operation. Filled while it is compiled, constant while it runs.
#[derive(Clone, Debug)]
pub struct Names(HashMap<String, Name>);

impl Name {
    /// The meta field that tells an object's type.
    pub(super) const TYPENAME: Self = Self(0);

    /// One of 32 bits.
    pub(super) fn bit(self) -> u32 {
        1 << (self.0 % 32)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self(HashMap::from([(TYPENAME.to_owned(), Name::TYPENAME)]))
    }
}

/// The name of the meta field that tells an object's type.
pub(super) const TYPENAME: &str = "__typename";

impl Names {
    /// The number of a key, a new one if it has none yet.
    pub(super) fn intern(&mut self, key: &str) -> Name {
        if let Some(name) = self.0.get(key) {
            return *name;
        }
        // An operation's size is limited long before.
        let name = Name(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.insert(key.to_owned(), name);
        name
    }

    /// The number of a key that the operation knows.
    pub(super) fn get(&self, key: &str) -> Option<Name> {
        self.0.get(key).copied()
    }
}
