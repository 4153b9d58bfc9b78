//! Migrations of the notifications database.

mod m20261121_000001_initial;
mod m20261121_000002_people;
mod m20261121_000003_messages;

use sea_orm_migration::prelude::*;

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_initial::Migration),
            Box::new(m20261121_000002_people::Migration),
            Box::new(m20261121_000003_messages::Migration),
        ]
    }
}
