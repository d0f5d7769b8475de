//! An SMTP server that keeps what it gets, and can be told to refuse, defer, hang, drop or talk garbage at each stage.
