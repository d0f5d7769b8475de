//! A DNS server with a handful of records, over UDP and TCP, that can be told to fail.
