//! Every statement is prepared against empty, migrated databases.
