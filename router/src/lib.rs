//! The federation router: composition, planning and execution of GraphQL operations.
