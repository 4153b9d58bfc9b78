//! Verification of access tokens: claims, signing keys, revocation.
