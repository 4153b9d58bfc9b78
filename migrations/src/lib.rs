//! Database migrations: one module and one Migrator per service.
