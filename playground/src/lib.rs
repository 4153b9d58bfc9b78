//! GraphiQL, embedded and served without the internet.
