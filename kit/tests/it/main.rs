//! The kit's tests: one binary.

mod bus;
