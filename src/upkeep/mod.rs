//! When, by the clock: retention, the search index, kept failures, expired aliases, certificates.
