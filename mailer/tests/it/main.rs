//! The mailer against real databases and a real SMTP session.
