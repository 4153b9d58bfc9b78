//! The notifications subgraph.
