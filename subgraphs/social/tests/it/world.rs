//! What every test starts from: a schema on a fresh database, a clock held in hand, a count of statements.
