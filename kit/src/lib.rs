//! What at least three subgraphs need.
