//! The e-mail worker: renders, paces and sends.
