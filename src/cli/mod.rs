//! The command line: one file per subcommand. A client of the native API, but for `serve demo check restore completions man`.
