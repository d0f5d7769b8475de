//! The texts of the replies that decisions give, together in one file. None names a destination.
