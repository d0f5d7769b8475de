//! The client side of a session, without I/O (its owner: delivery).
