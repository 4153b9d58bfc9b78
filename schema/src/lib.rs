//! The contract between services: event types and their envelope.
