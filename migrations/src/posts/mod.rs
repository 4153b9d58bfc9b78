//! Migrations of the posts database.

mod m20261121_000001_initial;
mod m20261121_000002_visibility;
mod m20261121_000003_search;
mod m20261121_000004_response;

use sea_orm_migration::prelude::*;

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_initial::Migration),
            Box::new(m20261121_000002_visibility::Migration),
            Box::new(m20261121_000003_search::Migration),
            Box::new(m20261121_000004_response::Migration),
        ]
    }
}
