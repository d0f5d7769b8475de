//! SMTP in: listener, connection, accept.
